"""What a caller of REST says a run is made from: uploads, or places in Git."""

from typing import Any

from runs import git_sources, requests
from vivaria.errors import InvalidInput
from vivaria.models import User


def task(user: User, given: dict[str, Any], task_id: str) -> dict[str, Any]:
    """Take what says where the task is out of `given`; return the members of a `NewRun`.

    Raises:
        InvalidInput, UnknownFamily, GitFailed
    """
    handle, env_handle = given.pop("task_source", None), given.pop("env_file", None)
    repo, ref = given.pop("task_repo", None), given.pop("task_ref", None)
    env_file = requests.upload_of(env_handle, field="env_file") if env_handle else None
    if handle is not None:
        _check_alone("task_source", task_repo=repo, task_ref=ref)
        source = requests.upload_of(handle, field="task_source")
        requests.check_family(source, task_id=task_id, field="task_source")
        return {"task_source": source, "env_file": env_file}
    if repo is None:
        raise InvalidInput(
            "The run has no task: give task_source (an upload) or task_repo.", field="task_source"
        )
    family = task_id.partition("/")[0]
    taken = git_sources.take_family(user=user, family=family, repo_name=repo, ref=ref, commit=None)
    return {
        "task_source": taken.family,
        "env_file": env_file or taken.env_file,
        "task_origin": taken.origin,
    }


def agent(user: User, given: dict[str, Any]) -> dict[str, Any]:
    """Take what says where the agent is out of `given`; return the members of a `NewRun`.

    Raises:
        InvalidInput, GitFailed
    """
    handle, repo = given.pop("agent_source", None), given.pop("agent_repo", None)
    branch, commit = given.pop("agent_branch", None), given.pop("agent_commit", None)
    if handle is not None:
        _check_alone("agent_source", agent_repo=repo, agent_branch=branch, agent_commit=commit)
        return {"agent_source": requests.upload_of(handle, field="agent_source")}
    if repo is None:
        raise InvalidInput(
            "The run has no agent: give agent_source (an upload) or agent_repo.",
            field="agent_source",
        )
    source, origin = git_sources.take_agent(user=user, repo_name=repo, branch=branch, commit=commit)
    return {"agent_source": source, "agent_origin": origin}


def _check_alone(field: str, **others: str | None) -> None:
    for name, value in others.items():
        if value is not None:
            raise InvalidInput(f"{name} is {value!r} beside {field}; give one of them.", field=name)
