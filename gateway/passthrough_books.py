"""The books of one call that passes through: its entry, what came of it, and what it cost."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Final, NamedTuple

from gateway.passthrough_wire import Address
from middleman import access, spending
from middleman.accounting import Form, estimated_usage, result_of, usage_of
from middleman.errors import ModelNotFound
from middleman.prices import cost_usd
from middleman.quotas import Priority
from middleman.registry import ModelRoute
from middleman.usage_types import NO_TOKENS, TokenUsage
from runs.models import Run
from traces.services import EntryPlace
from vivaria.errors import VivariaError

CUT_OFF: Final = "The gateway was stopped before the answer was whole."
ESTIMATED: Final = "The answer was not heard to its end: tokens are estimated from its text."


class Admitted(NamedTuple):
    """A call that may be made."""

    route: ModelRoute
    priority: Priority


def admit(*, place: EntryPlace, address: Address, request: dict[str, Any]) -> Admitted:
    """Let a branch's call go on.

    Raises:
        VivariaError: it is not to be made.
    """
    route = access.admit(run_id=place.run_id, number=place.number, model=request["model"])
    if route.wire != address.wire:
        others = {"openai": "/openai/v1", "anthropic": "/anthropic/v1"}
        fix = f"Call it at {others[route.wire]}" if route.wire in others else "Use hooks.generate"
        raise ModelNotFound(f"Model {route.name!r} does not speak this wire. {fix}.")
    is_low = Run.objects.values_list("is_low_priority", flat=True).get(pk=place.run_id)
    return Admitted(route, "low" if is_low else "high")


@dataclass
class Books:
    """What became of a call. `close` writes it down, once."""

    place: EntryPlace
    address: Address
    request: dict[str, Any]
    route: ModelRoute
    # As much of the answer as came, in the form of a whole one.
    answer: Callable[[], Any] = lambda: None
    # Whether that is all of it.
    is_whole: bool = False
    # Whether the provider took the request: what it then did costs.
    was_sent: bool = False
    # What the provider said instead of an answer, or what broke it off.
    error: str | None = None
    notes: list[str] = field(default_factory=list)
    _began: float = field(default_factory=monotonic)

    def close(self) -> TokenUsage:
        """Complete the entry and count tokens and money; said twice it counts once."""
        answer = self.answer()
        usage, is_known = self._usage(answer)
        cost = cost_usd(self.route, usage, datetime.now(UTC)) if usage.total else 0.0
        if (form := self.address.form) is None:
            if usage.total:
                spending.book_to_branch(
                    run_id=self.place.run_id,
                    number=self.place.number,
                    model=self.route.name,
                    usage=usage,
                    cost_usd=cost,
                )
            return usage
        spending.finish(
            place=self.place,
            model=self.route.name,
            final_result=self._result(form, answer, usage, cost, is_known=is_known),
            usage=usage,
            cost_usd=cost,
            passthrough_result=answer,
        )
        return usage

    def failed(self, error: Exception) -> None:
        """Keep what broke it off; of what nobody foresaw the log tells more."""
        self.error = str(error) if isinstance(error, VivariaError) else "The server failed."

    def _usage(self, answer: Any) -> tuple[TokenUsage, bool]:
        """Say what was used, and whether the provider said so."""
        form = self.address.form
        if form is None:
            return _plain_usage(answer), True
        if self.is_whole and (told := usage_of(form, answer)) is not None:
            return told, True
        if self.was_sent:
            return estimated_usage(form, self.request, answer), False
        return NO_TOKENS, True

    def _result(
        self, form: Form, answer: Any, usage: TokenUsage, cost: float | None, *, is_known: bool
    ) -> dict[str, Any]:
        result = result_of(form, answer, usage=usage, cost_usd=cost)
        if not self.is_whole:
            result["error"] = self.route.scrubbed(self.error or CUT_OFF)
        notes = [*self.notes, *([] if is_known else [ESTIMATED])]
        if notes:
            result["non_blocking_errors"] = notes
        return {**result, "duration_ms": round((monotonic() - self._began) * 1000)}


def parsed(text: bytes) -> Any:
    """Read what a provider said, if it is JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _plain_usage(answer: Any) -> TokenUsage:
    """Read the usage of embeddings; counting tokens is free and tells none."""
    usage = answer.get("usage") if isinstance(answer, dict) else None
    prompt = usage.get("prompt_tokens") if isinstance(usage, dict) else None
    return TokenUsage(prompt=prompt) if isinstance(prompt, int) else NO_TOKENS
