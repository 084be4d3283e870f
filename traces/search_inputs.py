"""Reads what a page or a REST call wants the search to look for."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from traces.search import MOST_AT_ONCE, PAGE_SIZE, Wanted
from vivaria.errors import InvalidInput


class Query(Protocol):
    """A request's query, as Django has it."""

    def getlist(self, key: str) -> Sequence[str]: ...
    def get(self, key: str, default: str = "") -> str: ...


def wanted_of(query: Query) -> Wanted:
    """Read a query.

    Raises:
        InvalidInput: names the parameter that cannot be read.
    """
    return Wanted(
        text=query.get("q", "").replace("\0", ""),
        kinds=[kind for kind in query.getlist("kind") if kind],
        task=query.get("task", "").replace("\0", ""),
        agent=query.get("agent", "").replace("\0", ""),
        run_id=number(query, "run"),
        since_ms=_time(query, "since"),
        until_ms=_time(query, "until"),
    )


def limit_of(query: Query) -> int:
    wanted = number(query, "limit")
    if wanted == 0:
        raise InvalidInput("limit is 0; give a whole number from 1.", field="limit")
    return min(wanted or PAGE_SIZE, MOST_AT_ONCE)


def number(query: Query, name: str) -> int | None:
    text = query.get(name, "").strip().removeprefix("#")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise InvalidInput(f"{name} is {text[:40]!r}; give a whole number.", field=name)
    if name == "run" and int(text) >= 2**31:
        raise InvalidInput(f"run is {text[:40]!r}, which no run has.", field=name)
    return int(text)


def _time(query: Query, name: str) -> int | None:
    """Read a day or a time in UTC; `until` a day means that whole day."""
    text = query.get(name, "").strip()
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidInput(
            f"{name} is {text[:40]!r}; give a day as 2026-01-31, or a time as 2026-01-31T12:00.",
            field=name,
        ) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    is_day = len(text) == len("2026-01-31")
    return round((at + timedelta(days=is_day and name == "until")).timestamp() * 1000)
