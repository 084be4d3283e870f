"""Fills the table that the search over all traces reads, behind the back of those who store.

A worker reads what was stored or changed since, in the order of `seq`, for a second at a time; it
may be killed at any moment and said twice. Numbers are given out before their rows are committed,
so what came in the last moments is looked through again until nothing can turn up there any more.
"""

import time
from collections.abc import Mapping
from typing import Any, Final

import structlog
from django.db import connection, transaction

from traces.models import SearchMark
from vivaria.clock import now_ms

log = structlog.get_logger(__name__)

THE_MARK: Final = 1
# Of an entry so many characters are searched.
MOST_CHARS: Final = 50_000
# A worker works so long and leaves the rest to the next tick: at most a fifth of one core.
WORKS_S: Final = 1.0
WINDOW: Final = 1_000
# Contents of so many bytes, as they are stored, are read by one statement, or one alone.
WINDOW_BYTES: Final = 8_000_000
# Longer than a transaction that stores or changes entries may take.
SETTLES_WITHIN_MS: Final = 20_000
SILENT_KINDS: Final = ("frameStart", "frameEnd", "agentState", "settingChange", "burnTokens")

LAST_SEQ: Final = "SELECT last_value FROM trace_seq"
# New pages of the table are found only when they are in the index's summary.
SUMMARIZE: Final = "SELECT brin_summarize_new_values('entries_by_seq')"
WINDOW_END: Final = """
SELECT max(seq) FROM (
    SELECT seq, sum(pg_column_size(content)) OVER (ORDER BY seq) - pg_column_size(content) AS before
    FROM trace_entries_t WHERE seq > %(after)s AND seq <= %(to)s
) AS entry WHERE before < %(bytes)s
"""
# A generation's prompt repeats all that came before it: its last message and its answer count.
FILL: Final = """
INSERT INTO searched_entries_t
    ("runId", index, seq, "agentBranchNumber", "calledAt", type, text, "isCut")
SELECT entry."runId", entry.index, entry.seq, entry."agentBranchNumber", entry."calledAt",
       entry.type, left(said.text, %(most)s), length(said.text) > %(most)s
FROM trace_entries_t AS entry
LEFT JOIN searched_entries_t AS known
    ON known."runId" = entry."runId" AND known.index = entry.index
CROSS JOIN LATERAL (SELECT CASE entry.type
    WHEN 'generation' THEN jsonb_build_array(
        entry.content #> '{agentRequest,messages,-1}',
        entry.content #> '{agentPassthroughRequest,messages,-1}',
        coalesce(
            nullif(entry.content -> 'finalPassthroughResult', 'null'),
            entry.content -> 'finalResult'
        )
    )
    WHEN 'rating' THEN entry.content - '{type,transcript,ratingTemplate,ratingModel}'::text[]
    ELSE entry.content - 'type'
END AS part) AS counted
CROSS JOIN LATERAL (
    SELECT string_agg(piece, E'\\n' ORDER BY place) AS text FROM (
        SELECT left(value #>> '{}', %(most)s + 1) AS piece, place,
               sum(length(value #>> '{}')) OVER (ORDER BY place) - length(value #>> '{}') AS before
        FROM jsonb_path_query(
            counted.part,
            'strict $.** ? (@.type() == "string" && !(@ starts with "data:"))'
        ) WITH ORDINALITY AS found (value, place)
    ) AS pieces WHERE before <= %(most)s
) AS said
WHERE entry.seq > %(after)s AND entry.seq <= %(to)s
  AND entry.type IS NOT NULL AND entry.type <> ALL(%(silent)s)
  AND known.seq IS DISTINCT FROM entry.seq AND said.text IS NOT NULL
ON CONFLICT ("runId", index) DO UPDATE SET
    seq = excluded.seq, "agentBranchNumber" = excluded."agentBranchNumber",
    "calledAt" = excluded."calledAt", type = excluded.type,
    text = excluded.text, "isCut" = excluded."isCut"
"""


def fill(*, works_s: float = WORKS_S, at_ms: int | None = None) -> int:
    """Read on for `works_s` seconds; says how many entries were read. One does it at a time."""
    began, at_ms = time.monotonic(), now_ms() if at_ms is None else at_ms
    SearchMark.objects.get_or_create(pk=THE_MARK)
    with transaction.atomic():
        mark = SearchMark.objects.select_for_update(skip_locked=True).filter(pk=THE_MARK).first()
        if mark is None:
            return 0
        last: int = _one(LAST_SEQ)
        _one(SUMMARIZE)
        read, filled = _look_again(mark), mark.filled_seq
        while filled < last and time.monotonic() - began < works_s:
            filled, count = _fill_window(filled, last)
            read += count
        _note(mark, filled=filled, last=last, at_ms=at_ms)
    if read:
        log.debug("search_filled", entries=read, up_to=filled, behind=last - filled)
    return read


def _look_again(mark: SearchMark) -> int:
    """Read what was committed since below what was read already."""
    after, read = mark.settled_seq, 0
    while after < mark.filled_seq:
        after, count = _fill_window(after, mark.filled_seq)
        read += count
    return read


def _fill_window(after: int, last: int) -> tuple[int, int]:
    """Read the next entries behind `after`; says up to where, and how many."""
    to = min(after + WINDOW, last)
    place = {"after": after, "to": to, "bytes": WINDOW_BYTES}
    end: int | None = _one(WINDOW_END, place)
    if end is None:
        return to, 0
    total_fits = _one(
        "SELECT NOT EXISTS (SELECT FROM trace_entries_t WHERE seq > %(end)s AND seq <= %(to)s)",
        {"end": end, "to": to},
    )
    to = to if total_fits else end
    with connection.cursor() as cursor:
        wanted: dict[str, Any] = {"after": after, "to": to, "most": MOST_CHARS}
        wanted["silent"] = list(SILENT_KINDS)
        cursor.execute(FILL, wanted)
        return to, cursor.rowcount


def _note(mark: SearchMark, *, filled: int, last: int, at_ms: int) -> None:
    mark.filled_seq = filled
    if at_ms - mark.sampled_at >= SETTLES_WITHIN_MS:
        mark.settled_seq = max(mark.settled_seq, min(filled, mark.sampled_seq))
        mark.sampled_seq, mark.sampled_at = last, at_ms
    if filled >= last:
        mark.fresh_at = at_ms
    mark.save()


def _one(statement: str, parameters: Mapping[str, Any] | None = None) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        row = cursor.fetchone()
        return row[0] if row else None
