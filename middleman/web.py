"""The playground: a page where a person asks models themselves."""

import json
from typing import Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from middleman import listing, playground
from middleman.models import Budget, PlaygroundCall
from vivaria.errors import InvalidInput, VivariaError
from vivaria.models import User

Json = dict[str, Any]

ROLES: Final = ("system", "user", "assistant")
EFFORTS: Final = ("", "minimal", "low", "medium", "high")
_NOTHING: Final[Json] = {
    "settings": {"model": "", "temp": 1, "n": 1, "stop": []},
    "messages": [{"role": "user", "content": ""}],
}


@login_required
@require_http_methods(["GET", "POST"])
def playground_page(request: HttpRequest) -> HttpResponse:
    """Serve `/playground/`; a POST asks, or adds a message to what is shown."""
    user = cast(User, request.user)
    if request.method == "GET":
        call = _call_shown(user, request.GET)
        return _page(request, call.request if call else _imported(user, request.GET), call=call)
    asked: Json = _NOTHING
    try:
        asked = _request_of(request.POST)
        if request.POST.get("do") == "add":
            asked["messages"].append({"role": "user", "content": ""})
            return _page(request, asked)
        call = playground.ask(user=user, request=asked)
    except VivariaError as problem:
        return _page(request, asked, problem=str(problem), status=problem.status)
    return redirect(f"{reverse('playground')}?call={call.pk}")


def _page(
    request: HttpRequest,
    asked: Json,
    *,
    call: PlaygroundCall | None = None,
    problem: str = "",
    status: int = 200,
) -> HttpResponse:
    user = cast(User, request.user)
    settings = asked.get("settings") or {}
    context = {
        "page": "playground",
        "models": listing.permitted_to(user),
        "settings": settings,
        "effort": settings.get("reasoning_effort") or "",
        "efforts": EFFORTS,
        "roles": ROLES,
        "messages_asked": [_shown(message) for message in asked.get("messages") or []],
        "call": call,
        "result": call.result if call else None,
        "problem": problem,
        "history": playground.history(user),
        "budget": Budget.objects.filter(user=user).first(),
    }
    return render(request, "playground/page.html", context, status=status)


def _call_shown(user: User, query: QueryDict) -> PlaygroundCall | None:
    number = query.get("call", "")
    return playground.call_of(user, int(number)) if _is_number(number) else None


def _imported(user: User, query: QueryDict) -> Json:
    """Take over what an agent asked: `?run=RUN&entry=INDEX`."""
    run_id, index = query.get("run", ""), query.get("entry", "")
    if not (_is_number(run_id) and _is_number(index)):
        return _NOTHING
    asked = playground.request_of_entry(user, int(run_id), int(index))
    messages = asked.get("messages")
    if not isinstance(messages, list):
        text = asked.get("prompt") or asked.get("template") or asked.get("input") or ""
        messages = [{"role": "user", "content": text}]
    given = asked.get("settings") or {}
    settings = {**_NOTHING["settings"], "model": given.get("model") or asked.get("model") or ""}
    known = {key: given[key] for key in ("temp", "n", "max_tokens") if given.get(key) is not None}
    return {"settings": {**settings, **known}, "messages": messages}


def _request_of(form: QueryDict) -> Json:
    """Read the form.

    Raises:
        InvalidInput: names the field that is wrong.
    """
    settings: Json = {
        "model": form.get("model", "").strip(),
        "temp": _number(form, "temp", float, default=1.0),
        "n": _number(form, "n", int, default=1),
        "stop": [],
    }
    if not settings["model"]:
        raise InvalidInput("Name a model.", field="model")
    if (most := _number(form, "max_tokens", int, default=0)) > 0:
        settings["max_tokens"] = most
    if effort := form.get("reasoning_effort"):
        settings["reasoning_effort"] = effort
    pairs = zip(form.getlist("role"), form.getlist("content"), strict=False)
    adds = form.get("do") == "add"
    messages = [
        {"role": role, "content": _content(content)}
        for role, content in pairs
        if content.strip() or adds
    ]
    if not messages:
        raise InvalidInput("Write a message.", field="content")
    return {"settings": settings, "messages": messages}


def _content(text: str) -> Any:
    """Read a message; one that is a JSON list of blocks is that list."""
    if text.lstrip().startswith("[{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    return text


def _shown(message: Any) -> Json:
    given: Json = message if isinstance(message, dict) else {}
    content = given.get("content")
    text = content if isinstance(content, str) else json.dumps(content, indent=2)
    return {"role": given.get("role") or "user", "content": text}


def _number(form: QueryDict, name: str, kind: type, *, default: Any) -> Any:
    text = form.get(name, "").strip()
    if not text:
        return default
    try:
        return kind(text)
    except ValueError:
        raise InvalidInput(f"{name} is {text[:40]!r}; give a number.", field=name) from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 16
