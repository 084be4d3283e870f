"""Says in the database that this process lives: by a lock that ends with its connection.

Others see by it whether a call that one of them has begun is still being made.
"""

import asyncio
import secrets
from contextlib import suppress
from typing import Any, Final

import psycopg
import structlog

from gateway.database import connect
from traces.generations import PRESENCE

log = structlog.get_logger(__name__)

RECONNECT_S: Final = 0.5
LOOK_S: Final = 5.0
# Shared: what is left of a lost connection may hold it yet.
_HOLD: Final = "SELECT pg_advisory_lock_shared(%s, %s)"


class Presence:
    """One process's number, and the lock under it."""

    def __init__(self) -> None:
        self.number = secrets.randbelow(2**31 - 1) + 1
        self._is_known = asyncio.Event()

    async def known(self) -> int:
        """Return the number once others can see that it lives."""
        await self._is_known.wait()
        return self.number

    async def run(self) -> None:
        """Hold the lock until cancelled, on a new connection where one is lost."""
        while True:
            try:
                connection = await connect()
                try:
                    await self._hold(connection)
                finally:
                    self._is_known.clear()
                    with suppress(psycopg.Error, OSError):
                        await connection.close()
            except (psycopg.Error, OSError) as error:
                log.warning("presence_not_held", error=str(error))
                await asyncio.sleep(RECONNECT_S)

    async def _hold(self, connection: "psycopg.AsyncConnection[Any]") -> None:
        await connection.execute(_HOLD, [PRESENCE, self.number])
        self._is_known.set()
        while True:
            # Ends at once where the connection is lost, and looks now and then.
            async for _ in connection.notifies(timeout=LOOK_S):
                pass
            await connection.execute("SELECT 1")
