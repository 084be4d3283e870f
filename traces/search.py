"""Search across all traces: what entries say, newest first, for those who may read their runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.db import OperationalError, connection, transaction
from psycopg.errors import QueryCanceled

from runs.selectors import agent_name
from traces.kinds import KINDS, Kind, kind_of
from traces.models import SearchMark
from traces.search_filling import LAST_SEQ, THE_MARK
from vivaria.errors import InvalidInput
from vivaria.models import User
from vivaria.run_readers import barred_models

PAGE_SIZE: Final = 25
MOST_AT_ONCE: Final = 200
LONGEST_QUERY: Final = 500
STOPS_AFTER_S: Final = 5
# Around what was found; agents' text is freed of them, so that it cannot fake a mark.
MARKS: Final = ("\ue000", "\ue001")
EXCERPT_FROM: Final = 20_000
HEADLINE: Final = (
    f"StartSel={MARKS[0]}, StopSel={MARKS[1]}, MaxFragments=2, MaxWords=40, MinWords=15, "
    "FragmentDelimiter= … "
)
SEARCH: Final = """
WITH asked AS (SELECT websearch_to_tsquery('english', %(text)s) AS query),
found AS (
    SELECT entry."runId", entry.index, entry.seq, entry."agentBranchNumber", entry."calledAt",
           entry.type, entry."isCut", entry.text, run."taskId", run."agentRepoName",
           run."agentSettingsPack", run."agentBranch", run."uploadedAgentName", run."runStatus"
    FROM searched_entries_t AS entry JOIN runs_t AS run ON run.id = entry."runId"
    WHERE entry.words @@ (SELECT query FROM asked) {conditions}
    ORDER BY entry.seq DESC LIMIT %(limit)s
)
SELECT "runId", index, seq, "agentBranchNumber", "calledAt", type, "isCut", "taskId",
       "agentRepoName", "agentSettingsPack", "agentBranch", "uploadedAgentName", "runStatus",
       ts_headline(
           'english', translate(left(text, %(excerpt)s), %(marks)s, ''),
           (SELECT query FROM asked), %(headline)s
       )
FROM found ORDER BY seq DESC
"""
NODES: Final = "SELECT numnode(websearch_to_tsquery('english', %s))"
CONDITIONS: Final[Mapping[str, str]] = {
    "before": "entry.seq < %(before)s",
    "kinds": "entry.type = ANY(%(kinds)s)",
    "run_id": 'entry."runId" = %(run_id)s',
    "task": 'run."taskId" = %(task)s',
    "family": 'run."taskId" LIKE %(family)s',
    "agent": '%(agent)s IN (run."agentRepoName", run."uploadedAgentName")',
    "since_ms": 'entry."calledAt" >= %(since_ms)s',
    "until_ms": 'entry."calledAt" < %(until_ms)s',
    "barred": (
        'NOT EXISTS (SELECT FROM run_models_t AS used WHERE used."runId" = entry."runId" '
        "AND used.model = ANY(%(barred)s))"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is looked for, and where."""

    text: str
    kinds: Sequence[str] = ()
    task: str = ""
    agent: str = ""
    run_id: int | None = None
    since_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    is_hit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An entry that says what was looked for."""

    run_id: int
    index: int
    seq: int
    branch: int
    called_at: int
    type: str
    is_cut: bool
    task_id: str
    agent: str
    run_status: str
    pieces: Sequence[Piece]

    @property
    def kind(self) -> Kind:
        return kind_of(self.type)


@dataclass(frozen=True, slots=True)
class Found:
    """A page of hits, newest first; behind `next_before` are older ones."""

    hits: Sequence[Hit]
    next_before: int | None


@dataclass(frozen=True, slots=True)
class Freshness:
    """What was stored before `fresh_at` is found; `behind` entries are not read yet, about."""

    fresh_at: int
    behind: int


def search(
    user: User, wanted: Wanted, *, before: int | None = None, limit: int = PAGE_SIZE
) -> Found:
    """Look for words in all traces that a person may read.

    Raises:
        InvalidInput: the text or a filter says nothing, or it took too long.
    """
    _check(wanted)
    task = wanted.task.strip().lower()
    given: dict[str, Any] = {
        "before": before,
        "kinds": list(wanted.kinds) or None,
        "run_id": wanted.run_id,
        "task": task if "/" in task else None,
        "family": f"{_like(task)}/%" if task and "/" not in task else None,
        "agent": wanted.agent.strip() or None,
        "since_ms": wanted.since_ms,
        "until_ms": wanted.until_ms,
        "barred": sorted(barred_models(user)) or None,
    }
    parameters = {name: value for name, value in given.items() if value is not None}
    conditions = "".join(f" AND {CONDITIONS[name]}" for name in parameters)
    parameters |= {
        "text": wanted.text,
        "limit": limit + 1,
        "excerpt": EXCERPT_FROM,
        "marks": "".join(MARKS),
        "headline": HEADLINE,
    }
    hits = [_hit(row) for row in _rows(SEARCH.format(conditions=conditions), parameters)]
    more = hits[limit - 1].seq if len(hits) > limit else None
    return Found(hits[:limit], more)


def freshness() -> Freshness:
    """Tell how far behind the search is."""
    mark = SearchMark.objects.filter(pk=THE_MARK).first() or SearchMark()
    with connection.cursor() as cursor:
        cursor.execute(LAST_SEQ)
        last = cursor.fetchone()[0]
    return Freshness(mark.fresh_at, max(0, last - mark.filled_seq))


def _check(wanted: Wanted) -> None:
    if not wanted.text.strip() or len(wanted.text) > LONGEST_QUERY:
        raise InvalidInput(f"q must have 1 to {LONGEST_QUERY} characters.", field="q")
    if unknown := [kind for kind in wanted.kinds if kind not in KINDS]:
        raise InvalidInput(
            f"kind is {unknown[0][:40]!r}; it must be one of {', '.join(KINDS)}.", field="kind"
        )
    with connection.cursor() as cursor:
        cursor.execute(NODES, [wanted.text])
        if not cursor.fetchone()[0]:
            raise InvalidInput(
                f"{wanted.text[:80]!r} has only words that are everywhere, such as “the”, or "
                "signs. Add a word that says more.",
                field="q",
            )


def _rows(statement: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{STOPS_AFTER_S}s'")
            cursor.execute(statement, parameters)
            rows: list[tuple[Any, ...]] = cursor.fetchall()
            return rows
    except OperationalError as error:
        if isinstance(error.__cause__, QueryCanceled):
            raise InvalidInput(
                f"The search was stopped after {STOPS_AFTER_S} s. Name a task, an agent or a "
                "time, or use rarer words.",
                field="q",
            ) from error
        raise


def _hit(row: tuple[Any, ...]) -> Hit:
    run_id, index, seq, branch, called_at, kind, is_cut, task_id, *agent, status, said = row
    names = ("agent_repo_name", "agent_settings_pack", "agent_branch", "uploaded_agent_name")
    return Hit(
        run_id=run_id,
        index=index,
        seq=seq,
        branch=branch,
        called_at=called_at,
        type=kind,
        is_cut=is_cut,
        task_id=task_id,
        agent=agent_name(dict(zip(names, agent, strict=True))),
        run_status=status,
        pieces=_pieces(said),
    )


def _pieces(said: str) -> list[Piece]:
    first, *rest = said.split(MARKS[0])
    pieces = [Piece(first, is_hit=False)]
    for part in rest:
        hit, _, after = part.partition(MARKS[1])
        pieces += [Piece(hit, is_hit=True), Piece(after, is_hit=False)]
    return [piece for piece in pieces if piece.text]


def _like(text: str) -> str:
    return "".join(f"\\{char}" if char in "%_\\" else char for char in text)
