"""Requests of every form read as a conversation."""

from typing import Any

import pytest

from traces.conversation import call_text, conversation, images
from traces.diffs import is_diff, lines_of

PICTURE = "data:image/png;base64,AAAA"
OURS = {
    "agentRequest": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": [{"type": "text", "text": "Look"}, {"image_url": PICTURE}]},
            {
                "role": "assistant",
                "content": "",
                "function_call": {"name": "bash", "arguments": "ls"},
            },
            {"role": "function", "name": "bash", "content": "a.txt"},
        ]
    }
}
CHAT = {
    "agentPassthroughRequest": {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {"type": "image_url", "image_url": {"url": PICTURE}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"function": {"name": "bash", "arguments": '{"command": "ls"}'}}],
            },
            {"role": "tool", "name": "bash", "content": "a.txt"},
        ]
    }
}
MESSAGES = {
    "agentPassthroughRequest": {
        "system": [{"type": "text", "text": "Be brief."}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look"},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "name": "bash", "input": {"command": "ls"}}],
            },
            {"role": "user", "content": [{"type": "tool_result", "content": "a.txt"}]},
        ],
    }
}
RESPONSES = {
    "agentPassthroughRequest": {
        "instructions": "Be brief.",
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "Look"},
                    {"type": "input_image", "image_url": PICTURE},
                ],
            },
            {"type": "function_call", "name": "bash", "arguments": '{"command": "ls"}'},
            {"type": "function_call_output", "output": "a.txt"},
        ],
    }
}


@pytest.mark.parametrize(
    "content",
    [OURS, CHAT, MESSAGES, RESPONSES],
    ids=["ours", "chat", "messages", "responses"],
)
def test_every_form_reads_alike(content: dict[str, Any]) -> None:
    said = [(m.role, "".join(part.text for part in m.parts)) for m in conversation(content)]
    assert said == [("system", "Be brief."), ("user", "Look"), ("call", "ls"), ("tool", "a.txt")]
    assert images(content) == [PICTURE]


@pytest.mark.parametrize(
    "odd", [None, 7, "x", [], [None], [7], [{"role": 1}], [{"content": {"a": 1}}]]
)
def test_what_is_odd_breaks_nothing(odd: Any) -> None:
    conversation({"agentRequest": {"messages": odd, "system": odd}})
    conversation({"agentPassthroughRequest": odd})


def test_a_picture_elsewhere_is_named_not_shown() -> None:
    content = {
        "agentRequest": {"messages": [{"role": "user", "content": [{"image_url": "https://x/y"}]}]}
    }
    assert images(content) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"command": "a\\nb"}', "a\nb"),
        ('{"code": "x", "timeout": 5}', 'x\n{\n  "timeout": 5\n}'),
        ("not json", "not json"),
        ({"deep": {"er": 1}}, '{\n  "deep": {\n    "er": 1\n  }\n}'),
        (None, ""),
    ],
    ids=["only", "main", "broken", "deep", "none"],
)
def test_a_call_shows_the_argument_that_matters(arguments: Any, text: str) -> None:
    assert call_text(arguments) == text


DIFF = "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,2 +1,2 @@\n same\n-old\n+new"


def test_a_diff_is_known_by_its_head_and_read_by_line() -> None:
    assert is_diff(DIFF) and not is_diff("- a list\n- of points\n+1")
    assert [look for look, _ in lines_of(DIFF)] == ["at", "at", "at", "at", "", "del", "add"]
