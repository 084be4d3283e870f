"""Calls of models that people make on the site, of no run: a draft, a summary, a question."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.conf import settings as django_settings

from middleman import access, listing, spending
from middleman.asking import Json, Question
from middleman.client import new_client
from middleman.exchange import Line
from middleman.generate import Generation, generate
from middleman.questions import Settings
from middleman.quotas import Quotas
from middleman.registry import ModelRoute
from runs.models import RunBatch
from vivaria.errors import VivariaError
from vivaria.models import User

# What they cost is booked to their person, and to this batch.
BATCH: Final = "questions-of-people"
# In the line for a model they take turns with runs as if they were one.
NO_RUN: Final = 0


@dataclass(frozen=True, slots=True)
class Said:
    """A model's answer, and what it cost; None where its price is not known."""

    text: str
    cost_usd: float | None


def names(user: User) -> list[str]:
    """Name the models that a person may call."""
    return listing.permitted_to(user)


def admit(user: User, model: str) -> ModelRoute:
    """Find the way to a model that a person may call (see `access.admit_person`)."""
    return access.admit_person(user, model=model, batch_id=BATCH)


def ask(user: User, model: str, prompts: Sequence[str], *, system: str = "") -> list[Said]:
    """Ask a model several questions at once, each for itself; the answers in their order.

    Raises:
        VivariaError: it may not be called, or failed; what was answered is booked all the same.
    """
    route = admit(user, model)
    made = asyncio.run(_all(route, [_question(model, prompt, system) for prompt in prompts]))
    if any(generation.usage.total for generation in made):
        RunBatch.objects.get_or_create(name=BATCH)
    for generation in made:
        if generation.usage.total:
            spending.book_to(
                user_id=user.pk,
                batch_id=BATCH,
                model=model,
                usage=generation.usage,
                cost_usd=generation.cost_usd,
            )
    for generation in made:
        if generation.error is not None:
            raise _named(generation.error)
    return [Said(_text(generation), generation.cost_usd) for generation in made]


def _named(error: VivariaError) -> VivariaError:
    said = str(error)
    return error if said else VivariaError("The model failed and did not say why.")


def _text(generation: Generation) -> str:
    outputs: list[Json] = generation.result.get("outputs") or []
    return str(outputs[0].get("completion") or "") if outputs else ""


def _question(model: str, prompt: str, system: str) -> Question:
    messages: list[Json] = [{"role": "user", "content": prompt}]
    if system:
        messages.insert(0, {"role": "system", "content": system})
    return Question(messages=messages, settings=Settings(model=model, temp=0, n=1, stop=[]))


async def _all(route: ModelRoute, questions: Sequence[Question]) -> list[Generation]:
    quotas = Quotas(django_settings.REDIS_URL)
    try:
        async with new_client() as http:
            line = Line(http=http, quotas=quotas, route=route, run_id=NO_RUN, priority="low")
            return list(await asyncio.gather(*(generate(line, each) for each in questions)))
    finally:
        await quotas.close()
