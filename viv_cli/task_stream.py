"""What the server tells while it starts, tests or scores: shown as it comes, then understood."""

import json
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from viv_cli.output import safe

Json = dict[str, Any]


def show(lines: Iterator[str], *, stream: TextIO) -> tuple[list[str], Json | None]:
    """Show lines as they come, but for the JSON at the end; return all, and what that says."""
    seen: list[str] = []
    held: str | None = None
    for line in lines:
        seen.append(line)
        if held is not None:
            _show(held, stream)
        held = None
        # It may be the last one.
        if line.startswith("{"):
            held = line
        else:
            _show(line, stream)
    found = _object(held)
    if held is not None and found is None:
        _show(held, stream)
    return seen, found


def stream_of(*, as_json: bool) -> TextIO:
    """Programs that want JSON get nothing else on standard output."""
    return sys.stderr if as_json else sys.stdout


def _show(line: str, stream: TextIO) -> None:
    print(safe(line), file=stream, flush=True)


def _object(text: str | None) -> Json | None:
    if text is None:
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
