"""Hook routes by which an agent asks models (hooks-api, sections 5.4 and 5.5)."""

import asyncio
from typing import Any, Final

from msgspec.json import Decoder, decode

from gateway import generating
from gateway.call import Call
from gateway.gates import has_host, may_spend
from gateway.generation_inputs import (
    CountInput,
    CountWanted,
    EmbeddingsInput,
    GenerateInput,
    GenerateWanted,
)
from gateway.model_lines import line_of, line_to
from gateway.routes import mutation, query
from middleman import access, counting, embedding, listing, spending
from middleman.asking import Json, question_of
from middleman.questions import GenRequest, shape_of
from vivaria import delegation
from vivaria.wire import InputInvalid, parse

_GENERATE: Final = Decoder(GenerateInput)
_COUNT: Final = Decoder(CountInput)
_REQUEST: Final = Decoder(GenRequest)


def _generate_input(body: bytes) -> tuple[GenerateInput, Json, GenRequest]:
    wanted = _GENERATE.decode(body)
    return wanted, decode(wanted.gen_request), _REQUEST.decode(wanted.gen_request)


def _count_input(body: bytes) -> tuple[CountInput, Json, GenRequest]:
    wanted = _COUNT.decode(body)
    return wanted, decode(wanted.gen_request), _REQUEST.decode(wanted.gen_request)


@mutation("generate", GenerateWanted, decode=_generate_input, gates=(has_host,), has_value=True)
async def generate(call: Call, wanted: GenerateInput, request: Json, checked: GenRequest) -> Json:
    """Ask a model, and trace it."""
    _check_shape(request)
    settings = checked.settings
    key = (wanted.run_id, wanted.index)
    if (under_way := call.gateway.generations.of(key)) is not None:
        return await asyncio.shield(under_way)
    await _may_generate(call, request, settings.delegation_token)
    admitted = await call.service(
        generating.admit,
        run_id=wanted.run_id,
        number=wanted.agent_branch_number,
        model=settings.model,
    )
    # Overwritten, and never stored: the one is the run's, the other a secret.
    request["settings"] |= {"priority": admitted.priority}
    request["settings"].pop("delegation_token", None)
    return await generating.Generating(
        call=call,
        wanted=wanted,
        request=request,
        question=question_of(request, settings),
        admitted=admitted,
    ).result()


@mutation("countPromptTokens", CountWanted, decode=_count_input, has_value=True, names_branch=False)
async def count_prompt_tokens(
    call: Call, _wanted: CountInput, request: Json, checked: GenRequest
) -> Json:
    """Count the tokens of a prompt, without asking the model, or say that it is an estimate."""
    _check_shape(request)
    route = await call.service(
        access.look_up, run_id=call.agent.run_id, model=checked.settings.model
    )
    question = question_of(request, checked.settings)
    count = await counting.tokens_of(line_of(call, route), question)
    return {"tokens": count.tokens, "isEstimate": count.is_estimate}


@mutation("embeddings", EmbeddingsInput, has_value=True, names_branch=False)
async def embeddings(call: Call, wanted: EmbeddingsInput) -> Json:
    """Embed; every key is passed on, and the answer comes back as it is."""
    await may_spend(call)
    model = wanted.model or embedding.DEFAULT_MODEL
    made = await embedding.embed(await line_to(call, model), parse(call.raw))
    await call.service(
        spending.book_to_branch,
        run_id=call.agent.run_id,
        number=call.agent.number,
        model=model,
        usage=made.usage,
        cost_usd=made.cost_usd,
    )
    return made.answer


@query("getPermittedModelsInfo", names_branch=False)
async def get_permitted_models_info(call: Call, _wanted: Any) -> list[Json]:
    """Tell which models the agent may call."""
    return await call.service(listing.permitted, run_id=call.agent.run_id)


async def _may_generate(call: Call, request: Json, token: Any) -> None:
    """G-mutate and the limits; a delegation token lets a paused branch through."""
    if not isinstance(token, str):
        await may_spend(call)
        return
    agent = await call.look_again()
    data = delegation.data_of(request)
    delegation.check(token, run_id=agent.run_id, number=agent.number, data=data)
    if agent.is_over or agent.is_due:
        # Refuses: what may wait in there is a pause, and the branch is over.
        await may_spend(call)


def _check_shape(request: Json) -> None:
    """Refuse a request that is none of the three shapes, or mixes two.

    Raises:
        InputInvalid: says what to give.
    """
    if shape_of(request) is None:
        raise InputInvalid([_NO_SHAPE])


_NO_SHAPE: Json = {
    "code": "invalid_union",
    "path": ["genRequest"],
    "message": "Give exactly one of messages (and perhaps functions), prompt, or template with "
    "templateValues",
}
