"""One call with a packed key: gates, entry, turn, request, relay, books (hooks-api, section 8.2).

No thread and no database connection is held while the provider works.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar

from anyio import to_thread

from gateway.answering import Answering
from gateway.call import Call, ClientGone
from gateway.gates import may_spend
from gateway.inputs import Common
from gateway.passthrough_books import Admitted, Books, admit, parsed
from gateway.passthrough_wire import (
    Address,
    asks_for_no_usage,
    body_for,
    error_event,
    request_headers,
    response_headers,
    with_key,
)
from gateway.relay import Relay
from gateway.upstream import (
    ProviderBabbled,
    ProviderLost,
    Target,
    Upstream,
    obstacle_in,
    open_upstream,
)
from gateway.waits import Wait
from middleman.quotas import Turn
from middleman.retrying import DEADLINE_S, Lost, Persistence
from traces.contents import EntryType, content_from
from traces.generations import begun
from traces.services import EntryPlace, place_here
from vivaria.clock import now_ms
from vivaria.errors import InvalidInput
from vivaria.wire import Malformed, parse

T = TypeVar("T")

# Reading larger input would hold up the event loop.
_SMALL_BYTES: Final = 1024 * 1024
# Of the time that a client waits, as much may go into trying again.
_SHARE_OF_PATIENCE: Final = 0.9
_PATIENCE: Final = (b"x-stainless-read-timeout", b"x-stainless-timeout")


async def pass_through(call: Call, address: Address, answering: Answering) -> None:
    """Carry out one call of an agent.

    Raises:
        ClientGone: nobody waits for the answer any more.
        VivariaError: it was refused, or failed before anything was answered.
    """
    request = await _read(call.raw)
    await may_spend(call)
    agent = call.agent
    place = place_here(run_id=agent.run_id, number=agent.number)
    admitted = await call.service(admit, place=place, address=address, request=request)
    if address.form is not None:
        content = begun({"agentPassthroughRequest": request})
        await call.store(_common(place), content_from(EntryType.GENERATION, content))
        answering.is_booked = True
    books = Books(place, address, request, admitted.route)
    await Exchange(call, admitted, books, answering).carry_out()


async def unless_gone(call: Call, work: Coroutine[Any, Any, None]) -> None:
    """Do work while the client waits for it; stop it when the client hangs up.

    Raises:
        ClientGone: it did.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(call.hang_up())
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone("The client hung up before its answer was whole.")
        working.result()
    finally:
        gone.cancel()
        if not working.done():
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)


class Exchange:
    """A call that was let through, from its turn to its books."""

    def __init__(self, call: Call, admitted: Admitted, books: Books, answering: Answering) -> None:
        self._call = call
        self._gateway = call.gateway
        self._route, self._priority = admitted
        self._books = books
        self._answering = answering
        self._turn = Turn()
        self._closing: asyncio.Task[None] | None = None

    async def carry_out(self) -> None:
        """Carry the call out, and close its books whatever comes.

        Also where the client is gone, or this process is told to stop.
        """
        with self._gateway.breaking_off_at_end():
            try:
                await unless_gone(self._call, self._work())
            except Exception as error:
                self._books.failed(error)
                raise
            finally:
                await self._close()

    async def _work(self) -> None:
        has_entry = self._books.address.form is not None
        waiting = self._gateway.waits.of(self._books.place, has_entry=has_entry)
        async with waiting as wait, self._take_turn(wait):
            upstream = await self._request(wait)
            self._books.notes += wait.notes()
            await self._gateway.waits.settle(wait, self._books.place)
            try:
                if upstream.is_stream:
                    await self._relay(upstream)
                else:
                    await self._pass_whole(upstream)
            finally:
                await upstream.close()

    @asynccontextmanager
    async def _take_turn(self, wait: Wait) -> AsyncIterator[None]:
        name = self._route.name

        async def tell(ahead: int) -> None:
            await wait.say(f"waiting for capacity of {name}, {ahead} ahead")

        async with self._gateway.quotas.turn(
            self._route, priority=self._priority, run_id=self._books.place.run_id, on_wait=tell
        ) as self._turn:
            wait.over(f"a turn of {name}")
            yield

    async def _request(self, wait: Wait) -> Upstream:
        """Send the request until an answer stands.

        Raises:
            ProviderLost: there was none.
        """
        name, books = self._route.name, self._books
        target = await _off_loop_if_large(self._target, self._call.raw)
        began_ms = now_ms()

        async def attempt() -> Upstream:
            nonlocal began_ms
            wait.over(f"capacity of {name}")
            if wait.has_been:
                # Meanwhile the branch may have been ended or paused.
                await may_spend(self._call)
            began_ms = now_ms()
            books.was_sent = True
            try:
                upstream = await open_upstream(self._gateway.client, target)
            except Lost:
                books.was_sent = False
                raise
            books.was_sent = upstream.status < 400
            return upstream

        async def tell(reason: str, pause_s: float) -> None:
            why = f"waiting for capacity of {name}: {reason}, tried again in {pause_s:.0f} s"
            # The attempt that was in vain belongs to the wait.
            await wait.say(why, since_ms=began_ms)

        persistence = Persistence(
            attempt=attempt, obstacle=obstacle_in, on_wait=tell, deadline_s=self._patience_s()
        )
        try:
            return await persistence.result()
        except Lost as lost:
            raise ProviderLost(f"Model {name!r} was not reached: {lost}.") from lost
        finally:
            wait.over(f"capacity of {name}")

    async def _pass_whole(self, upstream: Upstream) -> None:
        """Answer with what the provider said, once it is booked."""
        body = await upstream.whole()
        if upstream.status >= 400:
            # Some say the key that they refuse.
            self._books.error = self._route.scrubbed(body.decode("utf-8", "replace"))
            body = self._books.error.encode()
        answer = await _off_loop_if_large(partial(parsed, body), body)
        self._books.answer = lambda: answer
        if upstream.status < 400:
            if answer is None:
                raise ProviderBabbled(f"What model {self._route.name!r} answered is no JSON.")
            self._books.is_whole = True
        await self._close()
        headers = response_headers(upstream.response.headers.raw)
        await self._answering.whole(upstream.status, headers, body)

    async def _relay(self, upstream: Upstream) -> None:
        """Pass a stream on as it comes; its last event goes out once all is booked."""
        books, answering = self._books, self._answering
        relay = Relay(
            books.address.form, hides_usage=asks_for_no_usage(books.address, books.request)
        )
        books.answer = relay.answer
        headers = response_headers(upstream.response.headers.raw)
        await answering.begin(upstream.status, headers, answering.STREAM)
        try:
            async for chunk in upstream.chunks():
                passed, last = relay.take(chunk)
                if passed:
                    await answering.more(passed)
                if last:
                    books.is_whole, books.error = relay.is_whole, relay.error
                    await self._close()
                    await answering.more(last)
            books.is_whole, books.error = relay.is_whole, relay.error
            if not (relay.is_whole or relay.error):
                raise ProviderLost("The provider ended its stream before its answer was whole.")
        except ProviderLost as error:
            books.failed(error)
            await self._close()
            await answering.more(error_event(books.address.wire, error))
        await self._close()
        await answering.more(relay.rest())
        await answering.end()

    def _target(self) -> Target:
        route, address, call = self._route, self._books.address, self._call
        query = call.scope["query_string"].decode("latin-1")
        headers = {
            **request_headers(address.wire, call.scope["headers"]),
            "x-middleman-priority": self._priority,
            **{name.lower(): value for name, value in route.headers},
            **with_key(address.wire, route.api_key),
        }
        url = f"{route.base_url}{address.path}" + (f"?{query}" if query else "")
        return Target(url, headers, body_for(route, address, self._books.request, call.raw))

    def _patience_s(self) -> float:
        """How long the call may be tried again: less than its client waits, if that is said."""
        for name in _PATIENCE:
            said = self._call.headers.get(name, b"").decode("latin-1")
            if said.replace(".", "", 1).isdigit():
                return min(DEADLINE_S, float(said) * _SHARE_OF_PATIENCE)
        return DEADLINE_S

    async def _close(self) -> None:
        """Close the books, once; wait until they are."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._write_books())
        await asyncio.shield(self._closing)

    async def _write_books(self) -> None:
        usage = await self._call.service(self._books.close)
        await self._turn.spent(usage.total)
        if (await self._call.look_again()).is_due:
            await self._call.enforce_limits()


def _common(place: EntryPlace) -> Common:
    return Common(
        run_id=place.run_id,
        agent_branch_number=place.number,
        index=place.index,
        called_at=place.called_at_ms,
    )


async def _off_loop_if_large(work: Callable[[], T], on: bytes) -> T:
    """Do work on the loop where its input is small, else in a thread."""
    return work() if len(on) <= _SMALL_BYTES else await to_thread.run_sync(work)


async def _read(raw: bytes) -> dict[str, Any]:
    """Read the body as far as it must be known here.

    Raises:
        InvalidInput: it is no JSON object, or names no model.
    """
    try:
        body: Any = await _off_loop_if_large(partial(parse, raw), raw)
    except Malformed as error:
        raise InvalidInput(str(error)) from error
    if not isinstance(body, dict):
        raise InvalidInput("The body is no JSON object. Send the request as the SDK does.")
    if not isinstance(body.get("model"), str) or not body["model"]:
        raise InvalidInput("model is missing or no text. Name the model to call.", field="model")
    if body.get("background"):
        raise InvalidInput(
            "background is not offered here: what it uses could not be counted. Leave it out, and "
            "stream the answer if it takes long."
        )
    return body
