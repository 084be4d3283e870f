"""A `generate` call: its entry first, then the model, then the entry's end, whatever came.

No thread and no database connection is held while the model works. A call that is said twice is
made once: a repeat joins the one that is under way, waits for the gateway process that makes it, or
is told what came of it. One that failed, or whose process died, is made again, in the same entry.
"""

import asyncio
from dataclasses import dataclass
from time import monotonic
from typing import Final, NamedTuple

import structlog

from gateway.call import Call
from gateway.inputs import Common
from middleman import access, scripts, spending
from middleman.asking import Json, Question
from middleman.errors import provider_error
from middleman.exchange import Line
from middleman.generate import Generation, generate
from middleman.providers.builtin import SCRIPTED
from middleman.quotas import Priority
from middleman.registry import ModelRoute
from middleman.scripts import Script
from runs.models import Run
from traces import generations
from traces.contents import EntryType, content_from
from traces.ingest import IndexTaken, StorageAway
from vivaria.errors import VivariaError

log = structlog.get_logger(__name__)

# Between attempts to write down what was paid for, while the database is away.
WRITE_AGAIN_S: Final = 5.0
# Between looks whether another process still makes the call.
LOOK_S: Final = 1.0


class Stopped(VivariaError):
    """The process is stopping: the client asks another one."""

    status, code = 503, "SERVICE_UNAVAILABLE"


class Admitted(NamedTuple):
    """A call that may be made, and how."""

    route: ModelRoute
    priority: Priority
    script: Script | None


def admit(*, run_id: int, number: int, model: str) -> Admitted:
    """Let a branch's call go on (see `access.admit`)."""
    route = access.admit(run_id=run_id, number=number, model=model)
    is_low = Run.objects.values_list("is_low_priority", flat=True).get(pk=run_id)
    script = scripts.script_of(run_id=run_id, number=number) if model == SCRIPTED else None
    return Admitted(route, "low" if is_low else "high", script)


@dataclass(frozen=True, kw_only=True)
class Generating:
    """One call that was let through."""

    call: Call
    wanted: Common
    request: Json
    question: Question
    admitted: Admitted

    async def result(self) -> Json:
        """Give the MiddlemanResult.

        Raises:
            ProviderError: the provider refused, or failed for too long.
            IndexTaken: another entry has the index.
        """
        process = await self.call.gateway.presence.known()
        content = generations.begun({"agentRequest": self.request, "askedBy": process})
        try:
            await self.call.store(self.wanted, content_from(EntryType.GENERATION, content))
        except IndexTaken:
            found = await self.call.found(self._again, every_s=LOOK_S)
            if found.result is not None:
                return found.result
        key = (self.wanted.run_id, self.wanted.index)
        under_way = self.call.gateway.generations
        task = under_way.of(key) or under_way.start(key, self._carry_out)
        return await asyncio.shield(task)

    async def _again(self) -> generations.Again | None:
        return await self.call.service(
            generations.again,
            place=self.call.place(self.wanted),
            request=self.request,
            process=await self.call.gateway.presence.known(),
        )

    async def _carry_out(self) -> Json:
        began = monotonic()
        try:
            generation = await self._generate()
        except asyncio.CancelledError:
            stopped = Stopped("The gateway was stopped while the model worked. Ask again.")
            await self._finish(Generation(result={"error": str(stopped)}, error=stopped), began)
            raise
        except Exception:
            log.exception("generation_failed", run_id=self.wanted.run_id)
            failed = provider_error(500, "The server failed; its log says why.")
            await self._finish(Generation(result={"error": failed.said}, error=failed), began)
            raise
        result = await self._finish(generation, began)
        if generation.error is not None:
            raise generation.error
        return result

    async def _generate(self) -> Generation:
        gateway, admitted = self.call.gateway, self.admitted
        waiting = gateway.waits.of(self.call.place(self.wanted), has_entry=True)
        async with waiting as wait:
            line = Line(
                http=gateway.client,
                quotas=gateway.quotas,
                route=admitted.route,
                run_id=self.wanted.run_id,
                priority=admitted.priority,
                wait=wait,
            )
            made = await generate(line, self.question, script=admitted.script)
            return made.noting(wait.notes())

    async def _finish(self, generation: Generation, began: float) -> Json:
        """Complete the entry and count; however long the database is away, as it was paid for."""
        lasted_ms = round((monotonic() - began) * 1000) if self.question.settings.n else 0
        result = {**generation.result, "duration_ms": lasted_ms}
        while True:
            try:
                await self.call.service(
                    spending.finish,
                    place=self.call.place(self.wanted),
                    model=self.admitted.route.name,
                    final_result=result,
                    usage=generation.usage,
                    cost_usd=generation.cost_usd,
                )
            except StorageAway as error:
                log.warning("generation_not_stored_yet", error=str(error))
                await asyncio.sleep(WRITE_AGAIN_S)
            else:
                return result
