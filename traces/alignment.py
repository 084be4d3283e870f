"""Two traces laid side by side: which steps are the same, and where they first differ.

Only the closed rows of steps are read, a few hundred at a time, and of each a few hundred
characters are kept: what is compared is as large for a trace of megabytes as for a small one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, Literal

from django.db import connection

from traces import selectors
from traces.kinds import Kind
from traces.lines import line_of
from traces.presenting import Row, row_of

MOST_STEPS: Final = 600
AT_ONCE: Final = 100
SAID_CHARS: Final = 1_200
# Fewer equal steps in a row are not folded.
FOLD_FROM: Final = 3
# So many steps of the other side may be passed over to find one of the same kind.
LOOK_AHEAD: Final = 4
# What an agent and its world did; frames, states and settings are how it was told.
KINDS: Final = (
    *("generation", "action", "observation", "log", "rating", "input"),
    *("intermediateScore", "submission", "error"),
)
STEPS_SQL: Final = """
SELECT index, count(*) OVER () FROM trace_entries_t
WHERE "runId" = %(run)s AND "agentBranchNumber" = 0 AND type = ANY(%(kinds)s)
ORDER BY "calledAt", id LIMIT %(most)s
"""

Sign = Literal["=", "≠", "–", "+"]


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a step's text; `differs` where the other side says something else."""

    text: str
    differs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step as a row shows it, its text cut."""

    index: int
    kind: Kind
    label: str
    seconds: float
    meta: str
    said: str
    is_code: bool

    @property
    def key(self) -> tuple[str, str, str]:
        """What makes two steps the same: blanks at the ends of lines and times do not count."""
        lines = [line.rstrip() for line in self.said.strip().splitlines()]
        return self.kind.name, self.label, "\n".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    step: Step
    pieces: Sequence[Piece]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """What stands on one line; None where a side has no such step."""

    number: int
    sign: Sign
    a: Shown | None
    b: Shown | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Pairs that follow each other; those of a fold say the same on both sides."""

    pairs: Sequence[Pair]
    is_fold: bool
    # Whether the first difference is at the top of it.
    is_first_difference: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A trace's steps from its beginning, and how many it has in all."""

    run_id: int
    steps: Sequence[Step]
    total: int

    @property
    def is_cut(self) -> bool:
        return self.total > len(self.steps)


def side_of(run_id: int) -> Side:
    """Read the first steps of a run's trunk.

    Raises:
        NotFound: there is no such run.
    """
    start = line_of(run_id).start
    with connection.cursor() as cursor:
        cursor.execute(STEPS_SQL, {"run": run_id, "kinds": list(KINDS), "most": MOST_STEPS})
        found = cursor.fetchall()
    steps = [_step(row) for row in _rows(run_id, [index for index, _ in found], start)]
    return Side(run_id=run_id, steps=steps, total=found[0][1] if found else 0)


def aligned(a: Side, b: Side) -> list[Group]:
    """Lay two traces side by side."""
    pairs = list(_pairs(a.steps, b.steps))
    first = next((pair.number for pair in pairs if pair.sign != "="), None)
    groups: list[Group] = []
    for pair in pairs:
        is_same, is_first = pair.sign == "=", pair.number == first
        last = groups[-1] if groups else None
        if last is None or last.is_fold != is_same or is_first:
            groups.append(Group(pairs=[pair], is_fold=is_same, is_first_difference=is_first))
        else:
            groups[-1] = Group(
                pairs=[*last.pairs, pair],
                is_fold=is_same,
                is_first_difference=last.is_first_difference,
            )
    return [_unfolded(group) for group in groups]


def _unfolded(group: Group) -> Group:
    if not group.is_fold or len(group.pairs) >= FOLD_FROM:
        return group
    return Group(pairs=group.pairs, is_fold=False)


def _rows(run_id: int, indexes: Sequence[int], start: int) -> Iterator[Row]:
    for at in range(0, len(indexes), AT_ONCE):
        for entry in selectors.entries(run_id, indexes[at : at + AT_ONCE]):
            yield row_of(entry, start=start)


def _step(row: Row) -> Step:
    shown = row.shown
    texts = [shown.words, *(f"{block.text}\n{block.more}".strip() for block in shown.blocks)]
    return Step(
        index=row.index,
        kind=row.kind,
        label=row.label,
        seconds=row.seconds,
        meta=shown.meta,
        said="\n".join(text for text in texts if text)[:SAID_CHARS],
        is_code=any(block.look == "code" for block in shown.blocks),
    )


def _pairs(a: Sequence[Step], b: Sequence[Step]) -> Iterator[Pair]:
    number = 0
    matcher = SequenceMatcher(None, [s.key for s in a], [s.key for s in b], autojunk=False)
    for what, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        for one, other in _beside(a[a_from:a_to], b[b_from:b_to]):
            number += 1
            if what == "equal" and one and other:
                yield Pair(number=number, sign="=", a=_plain(one), b=_plain(other))
            elif one and other:
                left, right = _differing(one, other)
                yield Pair(number=number, sign="≠", a=left, b=right)
            else:
                sign: Sign = "–" if one else "+"
                yield Pair(number=number, sign=sign, a=_plain(one), b=_plain(other))


def _beside(a: Sequence[Step], b: Sequence[Step]) -> Iterator[tuple[Step | None, Step | None]]:
    """Lay steps of one kind beside each other, in their order; the others stand alone."""
    at = 0
    for step in a:
        near = b[at : at + LOOK_AHEAD]
        ahead = next((n for n, other in enumerate(near) if other.kind == step.kind), None)
        if ahead is None:
            yield step, None
            continue
        yield from ((None, other) for other in near[:ahead])
        yield step, near[ahead]
        at += ahead + 1
    yield from ((None, other) for other in b[at:])


def _plain(step: Step | None) -> Shown | None:
    return None if step is None else Shown(step=step, pieces=[Piece(step.said)])


def _differing(a: Step, b: Step) -> tuple[Shown, Shown]:
    """Mark in both texts the words that the other has not; texts of nothing in common as wholes."""
    ours, theirs = _words(a.said), _words(b.said)
    matcher = SequenceMatcher(None, ours, theirs, autojunk=False)
    if matcher.quick_ratio() < 0.3:
        return (
            Shown(step=a, pieces=[Piece(a.said, differs=True)]),
            Shown(step=b, pieces=[Piece(b.said, differs=True)]),
        )
    left, right = [], []
    for what, a_from, a_to, b_from, b_to in matcher.get_opcodes():
        left.append(Piece("".join(ours[a_from:a_to]), differs=what != "equal"))
        right.append(Piece("".join(theirs[b_from:b_to]), differs=what != "equal"))
    return (
        Shown(step=a, pieces=[piece for piece in left if piece.text]),
        Shown(step=b, pieces=[piece for piece in right if piece.text]),
    )


def _words(text: str) -> list[str]:
    """Cut a text into words and what is between them; joined they are the text again."""
    words, word = [], ""
    for char in text:
        if word and (char.isalnum() != word[-1].isalnum() or not char.isalnum()):
            words.append(word)
            word = ""
        word += char
    return [*words, word] if word else words
