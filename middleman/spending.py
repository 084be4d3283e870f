"""The end of a generation: its entry, its branch's totals and the spend, in one transaction."""

from typing import Any, Final

from django.db import connection, transaction
from django.utils import timezone

from middleman.usage_types import NO_TOKENS, TokenUsage
from runs.models import Run
from traces import generations
from traces.services import EntryPlace
from traces.statements import Charge

_ADD_SPEND: Final = """
INSERT INTO spend_t (
    day, model, "userId", "batchName", calls, "promptTokens", "cacheReadTokens",
    "cacheWriteTokens", "completionTokens", "costUsd", "unpricedCalls"
) VALUES (%s, %s, %s, %s, 1, %s, %s, %s, %s, %s, %s)
ON CONFLICT (day, model, "userId", "batchName") DO UPDATE SET
    calls = spend_t.calls + 1,
    "promptTokens" = spend_t."promptTokens" + excluded."promptTokens",
    "cacheReadTokens" = spend_t."cacheReadTokens" + excluded."cacheReadTokens",
    "cacheWriteTokens" = spend_t."cacheWriteTokens" + excluded."cacheWriteTokens",
    "completionTokens" = spend_t."completionTokens" + excluded."completionTokens",
    "costUsd" = spend_t."costUsd" + excluded."costUsd",
    "unpricedCalls" = spend_t."unpricedCalls" + excluded."unpricedCalls"
"""
_ADD_TO_USER: Final = """
INSERT INTO budgets_t ("userId", "spentUsd") VALUES (%s, %s)
ON CONFLICT ("userId") DO UPDATE SET "spentUsd" = budgets_t."spentUsd" + excluded."spentUsd"
"""
_ADD_TO_BATCH: Final = """
INSERT INTO budgets_t ("batchName", "spentUsd") VALUES (%s, %s)
ON CONFLICT ("batchName") DO UPDATE SET "spentUsd" = budgets_t."spentUsd" + excluded."spentUsd"
"""


@transaction.atomic
def finish(
    *,
    place: EntryPlace,
    model: str,
    final_result: dict[str, Any],
    usage: TokenUsage = NO_TOKENS,
    cost_usd: float | None = None,
    passthrough_result: Any = None,
) -> bool:
    """Complete a generation's entry and count its tokens and money, once.

    `cost_usd` None is a price that nobody knows: the tokens are counted, the call as unpriced.
    False where the entry was completed before.
    """
    charge = Charge(tokens=usage.total, cost_usd=cost_usd or 0.0)
    fresh = generations.finish(
        place=place,
        final_result=final_result,
        charge=charge,
        passthrough_result=passthrough_result,
    )
    if fresh and usage.total:
        book(run_id=place.run_id, model=model, usage=usage, cost_usd=cost_usd)
    return fresh


@transaction.atomic(savepoint=False)
def book_to_branch(
    *, run_id: int, number: int, model: str, usage: TokenUsage, cost_usd: float | None
) -> None:
    """Count a call that has no entry, such as embeddings: against the branch's limits, and paid."""
    charge = Charge(tokens=usage.total, cost_usd=cost_usd or 0.0)
    # Totals before spend, as `finish` locks them.
    generations.charge_branch(run_id=run_id, number=number, charge=charge)
    book(run_id=run_id, model=model, usage=usage, cost_usd=cost_usd)


@transaction.atomic(savepoint=False)
def book(*, run_id: int, model: str, usage: TokenUsage, cost_usd: float | None) -> None:
    """Add what a run's call used to the spend of its user and batch."""
    run = Run.objects.only("user_id", "batch_id").get(pk=run_id)
    book_to(user_id=run.user_id, batch_id=run.batch_id, model=model, usage=usage, cost_usd=cost_usd)


@transaction.atomic(savepoint=False)
def book_to(
    *, user_id: str, batch_id: str, model: str, usage: TokenUsage, cost_usd: float | None
) -> None:
    """Add what a call used to the spend of a user and a batch."""
    cost = cost_usd or 0.0
    with connection.cursor() as cursor:
        cursor.execute(
            _ADD_SPEND,
            [
                timezone.now().date(),
                model,
                user_id,
                batch_id,
                usage.prompt,
                usage.cache_read,
                usage.cache_write,
                usage.completion,
                cost,
                int(cost_usd is None),
            ],
        )
        # Users before batches: in one order, so that two calls never wait for each other.
        cursor.execute(_ADD_TO_USER, [user_id, cost])
        cursor.execute(_ADD_TO_BATCH, [batch_id, cost])
