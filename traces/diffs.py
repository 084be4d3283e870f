"""Text that is a unified diff, and how each line of it looks."""

import re
from collections.abc import Iterator
from typing import Final

_HEAD: Final = re.compile(r"^--- \S.*\n\+\+\+ \S.*\n@@ -\d+(,\d+)? \+\d+(,\d+)? @@", re.MULTILINE)
LOOKED_AT: Final = 20_000


def is_diff(text: str) -> bool:
    """Whether a diff stands in the beginning of a text; a minus alone makes none."""
    return bool(_HEAD.search(text[:LOOKED_AT]))


def lines_of(text: str) -> Iterator[tuple[str, str]]:
    """Each line with how it looks: add, del, at (where it stands), or "" for what stays."""
    is_inside = False
    for line in text.split("\n"):
        if line.startswith("@@ "):
            is_inside = True
            yield "at", line
        elif line.startswith(("diff --git ", "--- ", "+++ ")) and (
            not is_inside or line.startswith("diff")
        ):
            is_inside = False
            yield "at", line
        elif is_inside and line[:1] in ("+", "-"):
            yield ("add" if line[0] == "+" else "del"), line
        else:
            yield "", line
