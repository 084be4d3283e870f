"""What METR's `viv` says a run is made from: uploads, or places in Git (cli-api, section 4.1)."""

from typing import Any

from runs import git_sources, requests
from runs.cli_inputs import SetupAndRunAgentInput
from runs.task_archives import UnknownFamily
from vivaria.errors import InvalidInput, NotFound
from vivaria.models import User


def task(user: User, wanted: SetupAndRunAgentInput, task_id: str) -> dict[str, Any]:
    """Return the members of a `NewRun` that say what its task is made from.

    Raises:
        NotFound: the source has no such family.
        InvalidInput, GitFailed
    """
    return task_of(user, wanted.task_source or {"type": "gitRepo"}, task_id, ref=wanted.task_branch)


def task_of(user: User, given: dict[str, Any], task_id: str, *, ref: str | None) -> dict[str, Any]:
    """The same of a `TaskSource` alone, at `ref` where it names no commit.

    Raises:
        NotFound: the source has no such family.
        InvalidInput, GitFailed
    """
    try:
        match given.get("type"):
            case "gitRepo":
                return _task_from_git(user, given, task_id, ref=ref)
            case "upload" if isinstance(given.get("path"), str):
                return _uploaded_task(given, task_id)
            case _:
                raise InvalidInput(
                    "taskSource must be {type: 'upload', path: what uploadFiles returned} or "
                    "{type: 'gitRepo', repoName, commitId}."
                )
    except UnknownFamily as error:
        raise NotFound(str(error)) from error


def agent(user: User, wanted: SetupAndRunAgentInput) -> dict[str, Any]:
    """Return the members of a `NewRun` that say what its agent is made from.

    Raises:
        InvalidInput: there is none, or it cannot be taken.
        GitFailed
    """
    if wanted.uploaded_agent_path is not None:
        upload = requests.upload_of(wanted.uploaded_agent_path, field="uploadedAgentPath")
        return {"agent_source": upload}
    if wanted.agent_repo_name is None:
        raise InvalidInput(
            "The run has no agent: give agentRepoName, or upload its folder (--agent_path) and "
            "give uploadedAgentPath."
        )
    source, origin = git_sources.take_agent(
        user=user,
        repo_name=wanted.agent_repo_name,
        branch=wanted.agent_branch,
        commit=wanted.agent_commit_id,
    )
    return {"agent_source": source, "agent_origin": origin}


def _uploaded_task(given: dict[str, Any], task_id: str) -> dict[str, Any]:
    source = requests.upload_of(given["path"], field="taskSource.path")
    requests.check_family(source, task_id=task_id, field="taskSource.path")
    env = given.get("environmentPath")
    if env is None:
        return {"task_source": source}
    env_file = requests.upload_of(str(env), field="taskSource.environmentPath")
    return {"task_source": source, "env_file": env_file}


def _task_from_git(
    user: User, given: dict[str, Any], task_id: str, *, ref: str | None
) -> dict[str, Any]:
    for name in ("repoName", "commitId"):
        if not isinstance(given.get(name), str | None):
            raise InvalidInput(f"taskSource.{name} is {given[name]!r}; give a text or null.")
    taken = git_sources.take_family(
        user=user,
        family=task_id.partition("/")[0],
        repo_name=given.get("repoName"),
        ref=ref,
        commit=given.get("commitId"),
    )
    return {
        "task_source": taken.family,
        "env_file": taken.env_file,
        "task_origin": taken.origin,
    }
