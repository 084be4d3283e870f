"""The door of the official SDKs: whose key it is, and every answer's form (hooks-api, section 8).

A packed key is an agent's: its call is checked, counted and kept. Any other is the caller's own:
its request goes on to the provider as it is, and nothing is kept.
"""

import secrets
from collections.abc import Mapping
from typing import Any, Final

import msgspec
import structlog
from starlette.types import Receive, Scope, Send

from gateway import failures
from gateway.agents import Agent
from gateway.answering import Answering
from gateway.call import Call, ClientGone, too_large
from gateway.passthrough_call import pass_through, unless_gone
from gateway.passthrough_wire import (
    PREFIXES,
    Address,
    WireName,
    address_of,
    error_event,
    error_of,
    key_of,
    request_headers,
    response_headers,
    wire_of,
)
from gateway.process import Gateway
from gateway.upstream import ProviderLost, Target, open_upstream
from middleman.listing import permitted_names
from middleman.registry import check_calls_models
from middleman.retrying import Lost
from vivaria.config import config
from vivaria.errors import Forbidden, NotSignedIn, VivariaError
from vivaria.tokens import KEY_SEPARATOR, unpacked
from vivaria.wire import MAX_BODY_BYTES, BadCredentials

__all__ = ["PREFIXES", "passthrough"]

log = structlog.get_logger(__name__)

# A caller that is no agent of ours: as much as the providers take themselves.
_MAX_OWN_BYTES: Final = 32 * 1024 * 1024
# Both SDKs try again after 408, 409, 429 and all from 500 on, unless they are told.
_HOPELESS: Final = (b"x-should-retry", b"false")


async def passthrough(gateway: Gateway, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer one request of an SDK."""
    call, answering = Call(gateway, scope, receive), Answering(send)
    wire = wire_of(scope["path"])
    try:
        await _serve(call, wire, answering)
    except ClientGone:
        return
    except VivariaError as error:
        await _refuse(call, wire, answering, error)
    except Exception:  # outermost loop of a request; the reason goes to the log alone
        request_id = secrets.token_hex(8)
        log.exception("passthrough_failed", path=scope["path"], request_id=request_id)
        unexpected = VivariaError(f"The server failed; its log says why under {request_id}.")
        await _refuse(call, wire, answering, unexpected)


async def _serve(call: Call, wire: WireName, answering: Answering) -> None:
    address = address_of(call.scope["path"], call.scope["method"])
    if address.method == "GET" and not _shows_key(call.headers):
        await _list_models(call, answering)
        return
    key = key_of(wire, call.headers)
    if KEY_SEPARATOR not in key:
        call.raw = await _body(call, _MAX_OWN_BYTES)
        await unless_gone(call, _forward(call, address, answering))
        return
    call.caller = await _agent_of(call.gateway, key)
    call.raw = await _body(call, MAX_BODY_BYTES)
    if address.method == "GET":
        await _list_models(call, answering)
    else:
        await pass_through(call, address, answering)


async def _agent_of(gateway: Gateway, key: str) -> Agent:
    """Say whose packed key it is.

    Raises:
        NotSignedIn: nobody's.
        Forbidden: its token is for another branch than it names.
    """
    read = unpacked(key)
    if read is None:
        raise NotSignedIn(
            "The key is not of the form <run>---KEYSEP---<branch>---KEYSEP---<token>."
        )
    named, token = read
    try:
        agent = await gateway.agents.of_token(token)
    except BadCredentials:
        raise NotSignedIn("The token in the key is not the token of any agent.") from None
    if (agent.run_id, agent.number) != named:
        raise Forbidden(
            f"The key's token is for branch {agent.number} of run {agent.run_id}, but the key "
            f"names branch {named.branch_number} of run {named.run_id}."
        )
    return agent


async def _body(call: Call, at_most: int) -> bytes:
    length = call.headers.get(b"content-length", b"0")
    if length.isdigit() and int(length) > at_most:
        raise too_large(int(length))
    return await call.body(at_most=at_most)


async def _list_models(call: Call, answering: Answering) -> None:
    """List the models that the agent may call; without a key, those that everybody may."""
    run_id = call.agent.run_id if isinstance(call.caller, Agent) else None
    names = await call.service(permitted_names, run_id=run_id)
    data = [{"id": name, "object": "model", "created": 0, "owned_by": "vivaria"} for name in names]
    await answering.whole(200, [], msgspec.json.encode({"object": "list", "data": data}))


async def _forward(call: Call, address: Address, answering: Answering) -> None:
    """Send a request with the caller's own key on to the provider, and its answer back.

    Raises:
        ModelSwitchedOff: nothing leaves this server, whosever key it is.
        ProviderLost: there was no answer.
    """
    check_calls_models()
    query = call.scope["query_string"].decode("latin-1")
    url = f"{_real_url(address.wire)}{address.path}" + (f"?{query}" if query else "")
    target = Target(url, _own_headers(call, address.wire), call.raw, address.method)
    try:
        upstream = await open_upstream(call.gateway.client, target)
    except Lost as lost:
        raise ProviderLost(f"The provider was not reached: {lost}.") from lost
    headers = response_headers(upstream.response.headers.raw)
    try:
        if not upstream.is_stream:
            await answering.whole(upstream.status, headers, await upstream.whole())
            return
        await answering.begin(upstream.status, headers, answering.STREAM)
        try:
            async for chunk in upstream.chunks():
                await answering.more(chunk)
        except ProviderLost as error:
            await answering.more(error_event(address.wire, error))
        await answering.end()
    finally:
        await upstream.close()


def _own_headers(call: Call, wire: WireName) -> dict[str, str]:
    own = {
        name.decode(): call.headers[name].decode("latin-1")
        for name in (b"authorization", b"x-api-key")
        if name in call.headers
    }
    return request_headers(wire, call.scope["headers"]) | own


def _real_url(wire: WireName) -> str:
    at = config().anthropic_api_url if wire == "anthropic" else config().openai_api_url
    return f"{at.rstrip('/')}/v1"


def _shows_key(headers: Mapping[bytes, bytes]) -> bool:
    return b"authorization" in headers or b"x-api-key" in headers


async def _refuse(call: Call, wire: WireName, answering: Answering, error: VivariaError) -> None:
    """Say what went wrong in the provider's own form, and, of an agent's call, in its trace."""
    if answering.has_begun:
        await answering.more(error_event(wire, error))
        await answering.end()
        return
    if isinstance(call.caller, Agent) and not answering.is_booked:
        await failures.note_here(call, f"Request to {call.name} failed: {error}")
    headers: list[Any] = [_HOPELESS] if error.status < 500 else []
    body = msgspec.json.encode(error_of(wire, error))
    await answering.whole(error.status, headers, body)
