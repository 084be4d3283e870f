"""The dialog that forks a run at an entry: the state there, as a form and as JSON."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from runs.models import Run
from traces import forks
from traces.web import branch_asked_for
from vivaria import words
from vivaria.errors import Conflict, InvalidInput

# A longer state cannot be edited in a browser's field.
EDITED_AT_MOST: Final = 300_000
FIELDS_AT_MOST: Final = 40
LONG_VALUE: Final = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A single value of a state; `path` is the JSON list of keys that leads to it."""

    path: str
    label: str
    kind: str
    value: str
    about: str = ""
    options: tuple[str, ...] = ()


@login_required
@require_GET
def fork_dialog(request: HttpRequest, run_id: int, index: int) -> HttpResponse:
    """Answer with the dialog's content; says in it why a fork cannot begin here."""
    branch = branch_asked_for(request)
    context: dict[str, Any] = {"run_id": run_id, "index": index, "branch": branch}
    try:
        state, saved_by = forks.state_at(run_id=run_id, index=index, number=branch)
    except (InvalidInput, Conflict) as problem:
        return render(request, "traces/_fork.html", context | {"problem": str(problem)})
    text = json.dumps(state, indent=2, ensure_ascii=False)
    run = Run.objects.only("agent_settings_schema", "agent_state_schema").get(pk=run_id)
    return render(
        request,
        "traces/_fork.html",
        context
        | {
            "saved_by": saved_by,
            "is_long": len(text) > EDITED_AT_MOST,
            "size": words.size(len(text)),
            "state": text,
            "fields": fields_of(state, run)[:FIELDS_AT_MOST],
        },
    )


def fields_of(state: Mapping[str, Any], run: Run) -> list[Field]:
    """The single values of a state's settings and of the state proper, settings first."""
    schemas = {"settings": run.agent_settings_schema, "state": run.agent_state_schema}
    return [
        field
        for part, schema in schemas.items()
        if isinstance(state.get(part), dict)
        for field in _fields(part, state[part], (schema or {}).get("properties"))
    ]


def _fields(part: str, values: Mapping[str, Any], schema: Any) -> Iterator[Field]:
    known = schema if isinstance(schema, dict) else {}
    for name, value in values.items():
        kind = _kind(value)
        if kind is None:
            continue
        told = known.get(name)
        about = told if isinstance(told, dict) else {}
        options = about.get("enum")
        is_listed = isinstance(options, list) and value in options
        yield Field(
            path=json.dumps([part, name]),
            label=f"{part}: {about.get('title') or name}"[:LONG_VALUE],
            kind=kind,
            value=_text(value),
            about=words.as_text(about.get("description"))[:200],
            options=tuple(_text(each) for each in options or ()) if is_listed else (),
        )


def _kind(value: Any) -> str | None:
    """What to edit a value with; None where it is no single value."""
    match value:
        case bool():
            return "boolean"
        case int() | float():
            return "number"
        case str():
            return "text" if len(value) > LONG_VALUE or "\n" in value else "string"
        case _:
            return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
