"""Queries that run now, so that whoever asked can have theirs stopped, or goes away."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Lock
from typing import Any, Final

import psycopg

# A person and a word that the page made up for its query.
Key = tuple[str, str]

LONGEST_WORD: Final = 64
_key: ContextVar[Key | None] = ContextVar("sql_key", default=None)
_connections: dict[Key, "psycopg.Connection[Any]"] = {}
_lock = Lock()


@contextmanager
def under(user_id: str, word: str) -> Iterator[None]:
    """Let what is asked here be stopped by `word`; without one it just runs."""
    token = _key.set((user_id, word[:LONGEST_WORD]) if word else None)
    try:
        yield
    finally:
        _key.reset(token)


@contextmanager
def noted(connection: "psycopg.Connection[Any]") -> Iterator[None]:
    """Hold the connection of the query that runs under this key."""
    key = _key.get()
    if key is None:
        yield
        return
    with _lock:
        _connections[key] = connection
    try:
        yield
    finally:
        with _lock:
            _connections.pop(key, None)


def stop(user_id: str, word: str) -> bool:
    """Have Postgres stop a query; False where it does not run (any more)."""
    with _lock:
        connection = _connections.get((user_id, word[:LONGEST_WORD]))
    if connection is None:
        return False
    connection.cancel_safe(timeout=5)
    return True
