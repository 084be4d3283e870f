"""The form for a new run. Its script hands files and answers to REST, which checks them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from django.contrib.auth.decorators import login_required
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from runs.models import AgentBranch, Run
from runs.requests import MAXIMA
from runs.run_selectors import DEFAULT_LIMITS
from runs.web_query import number_in
from vivaria.models import User
from vivaria.run_readers import check_may_read

LOOKED_AT: Final = 300
OFFERED: Final = 30


@dataclass(frozen=True, slots=True)
class Used:
    """A task or an agent of one's own earlier runs: an upload's handle, or a place in Git."""

    value: str
    words: str
    task_id: str = ""


@login_required
@require_GET
def new_run(request: HttpRequest) -> HttpResponse:
    """Serve `/runs/new/`; `?like=42` fills it in as run 42 was."""
    user = cast(User, request.user)
    like = number_in(request, "like")
    start = _as_run(user, like) if like else {}
    tasks, agents = _used_by(user)
    context = {
        "page": "new-run",
        "tasks": tasks,
        "agents": agents,
        "start": start,
        "limits": [_limit(name, start) for name in MAXIMA],
        "like": like if start else None,
    }
    return render(request, "runs/new.html", context)


def _used_by(user: User) -> tuple[list[Used], list[Used]]:
    """What a person ran last, newest first: tasks, and agents. Handles of others stay theirs."""
    tasks: dict[str, Used] = {}
    agents: dict[str, Used] = {}
    mine = Run.objects.filter(user_id=user.pk).order_by("-id")
    environment = "task_environment__"
    rows = mine.values(
        "id",
        "task_id",
        "task_branch",
        "uploaded_agent_path",
        "uploaded_agent_name",
        "agent_repo_name",
        "agent_branch",
        "agent_commit_id",
        family=F(f"{environment}uploaded_task_family_path"),
        repo=F(f"{environment}repo_name"),
        commit=F(f"{environment}commit_id"),
    )[:LOOKED_AT]
    for row in rows:
        if (task := _task_of(row)) and task.value:
            tasks.setdefault(f"{task.task_id} {task.value}", task)
        if agent := _agent_of(row):
            agents.setdefault(agent.value, agent)
    return list(tasks.values())[:OFFERED], list(agents.values())[:OFFERED]


def _task_of(row: Mapping[str, Any]) -> Used | None:
    if row["family"]:
        words = f"{row['task_id']}, uploaded for run {row['id']}"
        return Used(f"upload {row['family']}", words, row["task_id"])
    if row["repo"] and row["commit"]:
        words = f"{row['task_id']}, {row['repo']} at {row['commit'][:7]}"
        return Used(f"git {row['repo']} {row['commit']}", words, row["task_id"])
    return None


def _agent_of(row: Mapping[str, Any]) -> Used | None:
    if row["uploaded_agent_path"]:
        name = row["uploaded_agent_name"] or "agent"
        return Used(f"upload {row['uploaded_agent_path']}", f"{name}, uploaded for run {row['id']}")
    if row["agent_repo_name"] and row["agent_commit_id"]:
        name, commit = row["agent_repo_name"], row["agent_commit_id"]
        branch = row["agent_branch"] or "main"
        return Used(f"git {name} {branch} {commit}", f"{name}@{branch} at {commit[:7]}")
    return None


def _as_run(user: User, run_id: int) -> dict[str, Any]:
    """Answers that a run was made with; empty where there is no such run.

    Raises:
        Forbidden: the person may not read it.
    """
    run = Run.objects.select_related("task_environment").filter(pk=run_id).first()
    trunk = AgentBranch.objects.filter(run_id=run_id, number=0).first()
    if run is None or trunk is None:
        return {}
    check_may_read(user, run_id)
    override = run.agent_settings_override
    return {
        "task_id": run.task_id,
        "name": run.name or "",
        "batch_name": "" if run.batch_id.startswith("default---") else run.batch_id,
        "metadata": json.dumps(run.metadata) if run.metadata else "",
        "pack": run.agent_settings_pack or "",
        "override": json.dumps(override) if override else "",
        "limits": trunk.usage_limits,
        "checkpoint": trunk.checkpoint or {},
        "is_high": not run.is_low_priority,
        "is_interactive": trunk.is_interactive,
        "keeps": run.keep_task_environment_running,
    }


def _limit(name: str, start: Mapping[str, Any]) -> dict[str, Any]:
    words = {"total_seconds": "Seconds", "cost": "Cost, USD"}
    return {
        "name": name,
        "word": words.get(name, name.capitalize()),
        "most": MAXIMA[name],
        "limit": _plain(start.get("limits", DEFAULT_LIMITS).get(name)),
        "checkpoint": _plain(start.get("checkpoint", {}).get(name)),
    }


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:.12g}"
