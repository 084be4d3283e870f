"""Tokens of a prompt: counted with an encoding's file, estimated without."""

import asyncio
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from middleman import encodings
from middleman.asking import Question
from middleman.counting import PER_IMAGE, Count, tokens_of
from middleman.exchange import Line
from middleman.questions import Settings
from middleman.registry import ModelRoute
from vivaria.config import config

WORDS = (b"user", b"Hell", b"o")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where encodings are looked for: a small one, of each byte and a few words."""
    tokens = [bytes([number]) for number in range(256)]
    for word in WORDS:
        tokens += [word[:end] for end in range(2, len(word) + 1)]
    lines = [f"{b64encode(token).decode()} {rank}" for rank, token in enumerate(tokens)]
    (tmp_path / "o200k_base.tiktoken").write_text("\n".join(lines))
    monkeypatch.setenv("VIVARIA_TIKTOKEN_DIR", str(tmp_path))
    config.cache_clear()
    encodings._read.cache_clear()
    yield tmp_path
    config.cache_clear()
    encodings._read.cache_clear()


def count(*content: Any, model: str = "gpt-4o-mini", **more: Any) -> Count:
    messages = [{"role": "user", "content": each} for each in content]
    question = Question(messages=messages, settings=Settings(model=model, temp=1, n=1, stop=[]))
    route = ModelRoute(
        name=model, provider="openai", wire="openai", base_url="", name_at_provider=model
    )
    line: Any = Line(http=None, quotas=None, route=route, run_id=1)  # type: ignore[arg-type]
    return asyncio.run(tokens_of(line, replace(question, **more)))


def test_a_prompt_is_counted_as_the_model_reads_it(folder: Path) -> None:
    # The answer 3; the message 3, its role 1, and "Hell" "o" 2.
    assert count("Hello") == Count(3 + 3 + 1 + 2, is_estimate=False)
    assert count("Hello", "o").tokens == 3 + (3 + 1 + 2) + (3 + 1 + 1)


def test_what_only_the_provider_can_count_is_an_estimate(folder: Path) -> None:
    image = [{"type": "image_url", "image_url": "data:"}, {"type": "text", "text": "Hello"}]

    assert count(image) == Count(3 + 3 + 1 + 2 + PER_IMAGE, is_estimate=True)
    assert count("Hello", functions=[{"name": "f"}]).is_estimate


@pytest.mark.parametrize("model", ["gpt-4", "my-own-model"], ids=["no-file", "no-encoding"])
def test_without_a_file_it_is_an_estimate(folder: Path, model: str) -> None:
    assert count("Hello", model=model) == Count(3 + 3 + 1 + 2, is_estimate=True)


def test_a_broken_file_is_as_none(folder: Path) -> None:
    (folder / "o200k_base.tiktoken").write_text("nonsense")

    assert count("Hello").is_estimate
