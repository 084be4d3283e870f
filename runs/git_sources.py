"""Task families and agents from Git: taken at one commit, and from then on as good as uploads."""

import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from runs import uploads
from runs.git import Repository
from runs.models import Run, Upload
from runs.task_archives import UnknownFamily
from vivaria.config import config
from vivaria.errors import InvalidInput
from vivaria.models import User

MAIN: Final = "main"
COMMON: Final = "common"
SECRETS: Final = "secrets.env"
LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitOrigin:
    """Where an archive was taken from. `branch` is what was asked for, a tag or commit included."""

    repo_name: str
    branch: str
    commit_id: str
    is_main_ancestor: bool | None = None


@dataclass(frozen=True, slots=True)
class FamilyFromGit:
    """A family's folder with `common`, and the repository's secrets, at one commit."""

    family: Upload
    env_file: Upload | None
    origin: GitOrigin


def take_family(
    *, user: User, family: str, repo_name: str | None, ref: str | None, commit: str | None
) -> FamilyFromGit:
    """Take a family at `commit`, else at the last one of `ref` that touched it or the secrets.

    Raises:
        UnknownFamily: the repository has no such family there.
        InvalidInput, GitFailed
    """
    name = repo_name or config().vivaria_default_task_repo_name
    _check_name(name, parts=2, field="taskSource.repoName")
    repository = Repository(config().github_task_host, name)
    repository.update()
    ref = ref or MAIN
    if commit is None:
        at = repository.last_commit_of(ref, family, SECRETS) or repository.commit_of(ref)
    else:
        at = repository.commit_of(commit)
    if not repository.has(at, f"{family}/{family}.py"):
        raise UnknownFamily(
            f"{name} has no {family}/{family}.py at {at[:7]} ({commit or ref}). Check the task's "
            "id, or name a branch that has it: family/task@branch."
        )
    with repository.checked_out(at, family, COMMON) as tree:
        archive = _stored(user, family, _members(tree, family))
        secrets = tree / SECRETS
        env_file = _stored_file(user, secrets) if secrets.is_file() else None
    is_on_main = repository.is_ancestor(at, of=MAIN)
    origin = GitOrigin(repo_name=name, branch=ref, commit_id=at, is_main_ancestor=is_on_main)
    return FamilyFromGit(archive, env_file, origin)


def take_agent(
    *, user: User, repo_name: str, branch: str | None, commit: str | None
) -> tuple[Upload, GitOrigin]:
    """Take an agent's whole repository at `commit`, else at the head of `branch`.

    Raises:
        InvalidInput, GitFailed
    """
    if commit is not None and branch is None:
        raise InvalidInput("agentCommitId needs agentBranch: name the branch that it is on.")
    _check_name(repo_name, parts=1, field="agentRepoName")
    org = config().github_agent_org
    repository = Repository(config().github_agent_host, f"{org}/{repo_name}")
    repository.update()
    branch = branch or MAIN
    at = repository.commit_of(commit or branch)
    with repository.checked_out(at) as tree:
        archive = _stored(user, repo_name, ((tree, Path()),))
    return archive, GitOrigin(repo_name=repo_name, branch=branch, commit_id=at)


def origin_of_task(run: Run) -> GitOrigin | None:
    """Where a run's task was taken from; None for an upload."""
    environment = run.task_environment
    if environment is None or environment.commit_id is None:
        return None
    return GitOrigin(
        repo_name=environment.repo_name or "",
        branch=run.task_branch or MAIN,
        commit_id=environment.commit_id,
        is_main_ancestor=environment.is_main_ancestor,
    )


def origin_of_agent(run: Run) -> GitOrigin | None:
    """Where a run's agent was taken from; None for an upload."""
    if run.agent_repo_name is None or run.agent_commit_id is None:
        return None
    return GitOrigin(
        repo_name=run.agent_repo_name,
        branch=run.agent_branch or MAIN,
        commit_id=run.agent_commit_id,
    )


def _check_name(name: str, *, parts: int, field: str) -> None:
    words = name.split("/")
    if len(words) != parts or not all(_is_word(word) for word in words):
        wanted = "organisation/repository" if parts > 1 else "the repository's name alone"
        raise InvalidInput(f"{field} is {name[:80]!r}; give {wanted}.", field=field)


def _is_word(text: str) -> bool:
    plain = text.replace("-", "").replace("_", "").replace(".", "")
    return plain.isascii() and plain.isalnum() and not text.startswith((".", "-"))


def _members(tree: Path, family: str) -> Iterable[tuple[Path, Path]]:
    """A family's content goes to the top of its archive, and `common` beside it."""
    yield tree / family, Path()
    if (tree / COMMON).is_dir():
        yield tree / COMMON, Path(COMMON)


def _stored(user: User, name: str, folders: Iterable[tuple[Path, Path]]) -> Upload:
    """Pack folders so that the same files give the same bytes, and keep them."""
    file = uploads.StoredFile(name=name[:100])
    try:
        with tarfile.open(fileobj=cast(Any, file), mode="w|", format=tarfile.PAX_FORMAT) as tar:
            for folder, to in folders:
                for path in sorted(folder.rglob("*")):
                    _check_lfs(path)
                    inside = to / path.relative_to(folder)
                    tar.add(path, arcname=str(inside), recursive=False, filter=_plain)
        return uploads.store([file], user=user)[0]
    finally:
        file.close()


def _stored_file(user: User, path: Path) -> Upload:
    file = uploads.StoredFile(name=path.name)
    try:
        file.write(path.read_bytes())
        return uploads.store([file], user=user)[0]
    finally:
        file.close()


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = member.mtime = 0
    member.uname = member.gname = ""
    member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
    return member


def _check_lfs(path: Path) -> None:
    """Refuse a file whose content is elsewhere: the task would not run with its stand-in."""
    if path.is_symlink() or not path.is_file():
        return
    with path.open("rb") as content:
        if content.read(len(LFS_POINTER)) == LFS_POINTER:
            raise InvalidInput(
                f"{path.name} is kept in Git LFS, but the server has no git-lfs. Install it there, "
                "or upload the folder."
            )
