"""A provider of models: OpenAI's and Anthropic's real wire, and faults on request.

`with ProviderServer() as provider:`; `provider.heard` is what came. How it answers is said, first
that applies, by `provider.next_answers(...)`, by the request's header `x-stand-in`, or by the end
of the model's name after `stand-in-`, in these words joined by commas:

    error-429  retry-after=2  slow=0.5  pause=0.05  held  dies=3  hangs-up  malformed
    chunks=200  echoes-key

`held` waits until `provider.release()`; `dies` breaks off after so many chunks of a stream.
"""

import asyncio
import json
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, NoReturn

import uvicorn
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from tests.stand_ins import provider_anthropic as anthropic
from tests.stand_ins import provider_openai as openai
from tests.stand_ins.provider_wire import Numbers, Plan, Wire

HEADER = "x-stand-in"
# Before the providers' own paths, as a remote gateway has them.
REMOTE = ("/openai", "/anthropic")


class Heard(NamedTuple):
    """One request as it came."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def key(self) -> str:
        """The provider's key that was shown."""
        bearer = self.headers.get("authorization", "").removeprefix("Bearer ")
        return self.headers.get("x-api-key") or bearer


class _Died(Exception):
    """Breaks a connection off."""


class _Protocol(H11Protocol):
    """Lets a request's connection be found by its client's address."""

    transports: ClassVar[dict[Any, asyncio.Transport]] = {}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self.transports[transport.get_extra_info("peername")] = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.transports.pop(self.transport.get_extra_info("peername"), None)
        super().connection_lost(exc)


@dataclass
class ProviderServer:
    """Counts what it hears; thread-safe to look at from a test."""

    port: int = 0
    heard: list[Heard] = field(default_factory=list)
    # Tokens that every answer reports, and the log-probabilities of its first token.
    numbers: Numbers = field(default_factory=Numbers)
    models: tuple[str, ...] = ("gpt-4o-mini", "claude-haiku-4-5")
    in_flight: int = 0
    most_in_flight: int = 0
    # Clients that hung up before their answer was whole.
    hung_up: int = 0
    _next: list[Plan] = field(default_factory=list)
    _busy_until: float = 0.0
    _released: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _server: uvicorn.Server | None = None
    _thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """What OPENAI_API_URL and ANTHROPIC_API_URL are set to."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def count(self) -> int:
        return len(self.heard)

    def next_answers(self, *said: str) -> None:
        """Answer the next requests as these words say, one each, then as usual."""
        with self._lock:
            self._next.extend(Plan.of(words) for words in said)

    def busy_for(self, seconds: float) -> None:
        """Refuse everything with 429 for a while."""
        self._busy_until = time.monotonic() + seconds

    def release(self) -> None:
        """Let go of all that is held, now and later."""
        self._released.set()

    def forget(self) -> None:
        """Be as new, but for what is in flight."""
        with self._lock:
            self.heard.clear()
            self._next.clear()
        self._released.clear()
        self._busy_until, self.hung_up, self.most_in_flight = 0.0, 0, self.in_flight
        self.numbers = Numbers()

    def wait_until(self, is_so: Callable[["ProviderServer"], bool], timeout_s: float = 20) -> None:
        ends = time.monotonic() + timeout_s
        while not is_so(self):
            assert time.monotonic() < ends, f"heard {self.count}, {self.in_flight} in flight"
            time.sleep(0.005)

    def start(self) -> "ProviderServer":
        # The protocol by name: asyncio switches Nagle's delay off for TCP alone, and 0 is not.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.port))
        listening.listen(512)
        self.port = listening.getsockname()[1]
        config = uvicorn.Config(
            self._app(), log_config=None, lifespan="off", loop="asyncio", http=_Protocol
        )
        config.timeout_graceful_shutdown = 1
        server = self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        self._thread.start()
        self.wait_until(lambda _: server.started)
        return self

    def stop(self) -> None:
        assert self._server is not None
        assert self._thread is not None
        self.release()
        self._server.should_exit = True
        self._thread.join(timeout=10)

    __enter__ = start

    def __exit__(self, *raised: object) -> None:
        self.stop()

    def _app(self) -> Any:
        ways: dict[str, Wire] = {**openai.WAYS, **anthropic.WAYS}
        routes = [
            Route(f"{before}{path}", self._answering(wire), methods=["POST"])
            for path, wire in ways.items()
            for before in ("", *REMOTE)
        ]
        routes.append(Route("/v1/models", self._list_models, methods=["GET"]))
        router = Router(routes)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await router(scope, receive, send)
            except _Died:
                _Protocol.transports[scope["client"]].abort()

        return app

    async def _list_models(self, request: Request) -> Response:
        self._hear(request, b"")
        return JSONResponse(openai.model_list(self.models))

    def _answering(self, wire: Wire) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            raw = await request.body()
            self._hear(request, raw)
            self.in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self.in_flight)
            response = None
            try:
                response = await self._answer(wire, request, raw)
            finally:
                if not isinstance(response, StreamingResponse):
                    self.in_flight -= 1
            return response

        return answer

    async def _answer(self, wire: Wire, request: Request, raw: bytes) -> Response:
        body = json.loads(raw)
        plan = self._plan(request, body)
        if self.heard[-1].key == "" or "bad" in _key(request):
            plan = Plan(status=401)
        await self._wait(plan, request)
        if plan.hangs_up:
            raise _Died
        if plan.status is not None:
            retry = {} if plan.retry_after is None else {"retry-after": plan.retry_after}
            said = wire.error(plan.status)
            if plan.echoes_key:
                said["error"]["message"] += f" Incorrect key: {self.heard[-1].key}."
            return JSONResponse(said, plan.status, wire.headers | retry)
        if plan.malformed:
            return Response("<html>no JSON", 200, wire.headers, "application/json")
        if body.get("stream"):
            chunks = self._relay(wire.stream(body, self.numbers, plan.chunks), plan)
            return StreamingResponse(chunks, 200, wire.headers, "text/event-stream")
        return JSONResponse(wire.answer(body, self.numbers), 200, wire.headers)

    async def _relay(self, chunks: "list[bytes]", plan: Plan) -> AsyncIterator[bytes]:
        is_whole = False
        try:
            for number, chunk in enumerate(chunks):
                if number == plan.dies_after:
                    is_whole = True
                    raise _Died
                if plan.held and number == len(chunks) // 2:
                    await self._hold()
                yield chunk
                await asyncio.sleep(plan.pause_s)
            is_whole = True
        finally:
            self.in_flight -= 1
            self.hung_up += not is_whole

    async def _wait(self, plan: Plan, request: Request) -> None:
        await asyncio.sleep(plan.slow_s)
        if plan.held and not json.loads(await request.body()).get("stream"):
            await self._hold(request)

    async def _hold(self, request: Request | None = None) -> None:
        while not self._released.is_set():
            if request is not None and await request.is_disconnected():
                self.hung_up += 1
                raise ClientDisconnect
            await asyncio.sleep(0.05)

    def _plan(self, request: Request, body: dict[str, Any]) -> Plan:
        if time.monotonic() < self._busy_until:
            return Plan(status=429, retry_after=f"{self._busy_until - time.monotonic():.3f}")
        with self._lock:
            if self._next:
                return self._next.pop(0)
        _, _, ending = str(body.get("model")).rpartition("stand-in-")
        said = request.headers.get(HEADER) or (ending if "stand-in-" in str(body["model"]) else "")
        return Plan.of(said)

    def _hear(self, request: Request, raw: bytes) -> None:
        headers = {name.lower(): text for name, text in request.headers.items()}
        with self._lock:
            self.heard.append(Heard(request.url.path, headers, raw))


def _key(request: Request) -> str:
    return request.headers.get("x-api-key") or request.headers.get("authorization", "")


def main() -> NoReturn:
    """Serve until killed: `python -m tests.stand_ins.provider_server PORT`."""
    ProviderServer(port=int(sys.argv[1])).start()
    threading.Event().wait()
    raise SystemExit


if __name__ == "__main__":
    main()
