"""The page of two traces side by side."""

from dataclasses import dataclass
from typing import Final, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode
from django.views.decorators.http import require_GET

from runs.comparison import Member, compare
from runs.models import Run
from traces import alignment
from traces.alignment import Side
from vivaria.errors import InvalidInput
from vivaria.models import User
from vivaria.run_readers import check_may_read

SIDES: Final = ("a", "b")


@dataclass(frozen=True, slots=True)
class Head:
    """One of the two runs, as the top of its column says it."""

    letter: str
    side: Side
    run: Member


@login_required
@require_GET
def traces_page(request: HttpRequest) -> HttpResponse:
    """Serve `/compare/traces/`: the trunks of the runs `a` and `b`."""
    ids = [_id(request, name) for name in SIDES]
    context: dict[str, object] = {"page": "compare", "asked": dict(zip(SIDES, ids, strict=True))}
    a, b = ids
    if a is None or b is None:
        return render(request, "compare/traces.html", context)
    for run_id in (a, b):
        check_may_read(cast(User, request.user), run_id)
    sides = [alignment.side_of(a), alignment.side_of(b)]
    members = {
        member.id: member
        for row in compare(Run.objects.filter(pk__in=(a, b))).rows
        for cell in row.cells
        for member in cell.members
    }
    heads = [
        Head(letter, side, members[side.run_id]) for letter, side in zip("AB", sides, strict=True)
    ]
    groups = alignment.aligned(sides[0], sides[1])
    differences = sum(pair.sign != "=" for group in groups for pair in group.pairs)
    context |= {
        "heads": heads,
        "groups": groups,
        "differences": differences,
        "swap_url": f"?{urlencode({'a': b, 'b': a})}",
        "most": alignment.MOST_STEPS,
        "cut": [head for head in heads if head.side.is_cut],
    }
    return render(request, "compare/traces.html", context)


def _id(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "").strip().removeprefix("#")
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidInput(f"{name} is {text[:40]!r}, which is no run's id.", field=name)
    return int(text)
