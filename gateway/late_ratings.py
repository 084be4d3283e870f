"""Rates, in the background, the options that people add: ten tries each, no thread held.

Here and not in a worker, because the keys of providers are here, and calls of minutes cost nothing.
"""

import asyncio
import json
from typing import Final

import httpx2
import structlog
from redis.asyncio import Redis
from redis.exceptions import RedisError

from gateway.database import ServiceThreads
from middleman import access, rating, spending
from middleman.exchange import Line
from middleman.quotas import Quotas
from traces import late_ratings
from traces.late_ratings import OptionKey, Unrated
from vivaria.errors import VivariaError
from vivaria.live import UNRATED_LIST

log = structlog.get_logger(__name__)

TRIES: Final = 10
LONGEST_PAUSE_S: Final = 60.0
AT_ONCE: Final = 8
RECONNECT_S: Final = 1.0
# Below the socket's own time-out, so that a dead line is found.
WAIT_S: Final = 5


class LateRatings:
    """Takes options to rate from Redis; one of several processes gets each."""

    def __init__(
        self, redis_url: str, *, services: ServiceThreads, http: httpx2.AsyncClient, quotas: Quotas
    ) -> None:
        self._redis: Redis = Redis.from_url(
            redis_url, socket_connect_timeout=2, socket_timeout=WAIT_S + 5
        )
        self._services, self._http, self._quotas = services, http, quotas
        self._under_way: dict[OptionKey, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Rate until cancelled; first what a process that died, or an emptied Redis, has left."""
        try:
            await self._catch_up()
            while True:
                await self._take_one()
        finally:
            for task in self._under_way.values():
                task.cancel()
            await self._redis.aclose()

    async def _catch_up(self) -> None:
        try:
            found = await self._services.call(late_ratings.unrated_options)
        except Exception:  # outermost: those that are asked for from now on are rated all the same
            log.exception("unrated_options_not_found")
            return
        for key in found:
            self._start(key)

    async def _take_one(self) -> None:
        try:
            taken = await self._redis.brpop([UNRATED_LIST], timeout=WAIT_S)
        except (RedisError, OSError) as error:
            log.warning("redis_away", error=str(error))
            await asyncio.sleep(RECONNECT_S)
            return
        if taken is not None:
            self._start(OptionKey(*json.loads(taken[1])))

    def _start(self, key: OptionKey) -> None:
        if key not in self._under_way:
            self._under_way[key] = asyncio.create_task(self._rate(key))
            self._under_way[key].add_done_callback(lambda _: self._under_way.pop(key, None))

    async def _rate(self, key: OptionKey) -> None:
        about = {"run_id": key.run_id, "entry": key.entry, "option": key.option}
        for tries in range(1, TRIES + 1):
            try:
                async with self._turns:
                    await self._try(key)
            except VivariaError as error:
                log.warning("option_not_rated", **about, tries=tries, error=str(error))
                if error.status < 500:
                    return
            except Exception:  # outermost loop: the other options are to be rated all the same
                log.exception("rating_failed", **about)
                return
            else:
                return
            await asyncio.sleep(min(2.0**tries, LONGEST_PAUSE_S))

    async def _try(self, key: OptionKey) -> None:
        asked = await self._services.call(late_ratings.unrated_of, key)
        if asked is None:
            return
        route = await self._services.call(access.admit_rater, run_id=key.run_id, model=asked.model)
        line = Line(http=self._http, quotas=self._quotas, route=route, run_id=key.run_id)
        rated = await _rated(line, asked)
        if rated.usage.total:
            await self._services.call(
                spending.book,
                run_id=key.run_id,
                model=asked.model,
                usage=rated.usage,
                cost_usd=rated.cost_usd,
            )
        await self._services.call(late_ratings.keep_rating, key=key, rating=rated.values[0])


async def _rated(line: Line, asked: Unrated) -> rating.Ratings:
    return await rating.rate(
        line, template=asked.template, transcript=asked.transcript, actions=[asked.action]
    )
