"""Task families and agents from real repositories."""

import json
import tarfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from runs import environment_streams, git_sources, task_source
from runs.git import GitFailed, Repository
from runs.models import TaskEnvironment, Upload
from runs.task_archives import UnknownFamily
from runs.uploads import path_of
from tests.clients import client_of
from tests.factories import make_host, make_user
from tests.repositories import WorkingCopy, repository
from vivaria.config import config
from vivaria.errors import InvalidInput
from vivaria.models import User

pytestmark = pytest.mark.django_db

TASKS = "METR/tasks"


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    place = tmp_path / "host"
    place.mkdir()
    monkeypatch.setenv("GITHUB_TASK_HOST", f"file://{place}")
    monkeypatch.setenv("GITHUB_AGENT_HOST", f"file://{place}/")
    monkeypatch.setenv("GITHUB_AGENT_ORG", "lab")
    monkeypatch.setenv("VIVARIA_DEFAULT_TASK_REPO_NAME", TASKS)
    monkeypatch.setenv("VIVARIA_DATA_DIR", str(tmp_path / "data"))
    config.cache_clear()
    yield place
    config.cache_clear()


@pytest.fixture
def tasks(host: Path) -> WorkingCopy:
    made = repository(host, TASKS)
    made.push(
        {
            "count/count.py": "class TaskFamily: ...",
            "count/assets/data.txt": "1 2 3",
            "common/shared.py": "N = 1",
            "other/other.py": "",
            "secrets.env": "KEY=first",
        }
    )
    return made


@pytest.fixture
def ann() -> User:
    return make_user("ann")


def take(
    user: User, ref: str | None = None, *, commit: str | None = None
) -> git_sources.FamilyFromGit:
    return git_sources.take_family(
        user=user, family="count", repo_name=None, ref=ref, commit=commit
    )


def names(upload: Upload) -> set[str]:
    with tarfile.open(path_of(upload)) as tar:
        return {member.name for member in tar if member.isfile()}


def test_a_family_comes_with_what_is_common_and_the_secrets(ann: User, tasks: WorkingCopy) -> None:
    taken = take(ann)

    assert names(taken.family) == {"count.py", "assets/data.txt", "common/shared.py"}
    assert task_source.env_of(taken.env_file.handle if taken.env_file else None) == {"KEY": "first"}
    assert taken.origin == git_sources.GitOrigin(
        repo_name=TASKS,
        branch="main",
        commit_id=tasks.git("rev-parse", "HEAD"),
        is_main_ancestor=True,
    )


def test_the_commit_is_the_last_that_touched_the_family(ann: User, tasks: WorkingCopy) -> None:
    first = tasks.git("rev-parse", "HEAD")
    tasks.push({"other/other.py": "X = 1"})

    assert take(ann).origin.commit_id == first
    changed = tasks.push({"count/count.py": "class TaskFamily: x = 1"})
    assert take(ann).origin.commit_id == changed


@pytest.mark.usefixtures("tasks")
def test_the_same_commit_gives_the_same_bytes(ann: User) -> None:
    assert take(ann).family.sha256 == take(ann).family.sha256


def test_a_branch_a_tag_and_a_commit_each_name_a_state(ann: User, tasks: WorkingCopy) -> None:
    first = tasks.git("rev-parse", "HEAD")
    tasks.git("tag", "v1")
    tasks.git("push", "-q", "origin", "v1")
    changed = tasks.push({"count/count.py": "class TaskFamily: x = 2"}, branch="try/it")

    assert take(ann, "try/it").origin.commit_id == changed
    assert take(ann, "try/it").origin.is_main_ancestor is False
    assert take(ann, "v1").origin.commit_id == first
    assert take(ann, first[:8]).origin.commit_id == first
    assert take(ann, commit=changed).origin.commit_id == changed


def test_a_commit_on_no_branch_is_found(ann: User, tasks: WorkingCopy) -> None:
    take(ann)
    gone = tasks.push({"count/count.py": "class TaskFamily: x = 3"}, branch="short-lived")
    tasks.git("push", "-q", "origin", ":short-lived")

    assert take(ann, commit=gone).origin.commit_id == gone


@pytest.mark.usefixtures("tasks")
@pytest.mark.parametrize("ref", ["nowhere", "--upload-pack=x", "a..b", "f" * 40])
def test_what_names_no_state_is_refused(ann: User, ref: str) -> None:
    with pytest.raises(InvalidInput, match="branch, tag or commit"):
        take(ann, ref)


@pytest.mark.usefixtures("tasks")
def test_a_family_that_is_not_there_is_named_with_the_commit(ann: User) -> None:
    said = r"METR/tasks has no nope/nope\.py at [0-9a-f]{7} .main"
    with pytest.raises(UnknownFamily, match=said):
        git_sources.take_family(user=ann, family="nope", repo_name=TASKS, ref=None, commit=None)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize("name", ["tasks", "a/b/c", "../etc/x", "METR/-x", "a/.."])
def test_a_name_that_is_no_repository_is_refused(ann: User, name: str) -> None:
    with pytest.raises(InvalidInput, match="organisation/repository"):
        git_sources.take_family(user=ann, family="count", repo_name=name, ref=None, commit=None)


def test_a_host_with_a_token_is_never_shown(
    ann: User, host: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_TASK_HOST", "https://canary-token@127.0.0.1:9")
    config.cache_clear()

    with pytest.raises(GitFailed) as caught:
        take(ann)

    assert "METR/tasks" in str(caught.value)
    assert "canary" not in str(caught.value)
    assert not list((host.parent / "data" / "git").glob("*/HEAD"))


@pytest.mark.usefixtures("host")
def test_git_switched_off_says_what_to_do(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOW_GIT_OPERATIONS", "false")
    config.cache_clear()

    with pytest.raises(InvalidInput, match=r"ALLOW_GIT_OPERATIONS.*Upload"):
        take(ann)


def test_a_stand_in_of_lfs_is_refused_by_name(ann: User, tasks: WorkingCopy) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 1\n"
    tasks.push({"count/big.bin": pointer})

    with pytest.raises(InvalidInput, match=r"big\.bin .*git-lfs"):
        take(ann)


def test_an_agent_is_its_whole_repository(ann: User, host: Path) -> None:
    agents = repository(host, "lab/agent")
    first = agents.push({"main.py": "print(1)", "lib/x.py": ""})
    head = agents.push({"main.py": "print(2)"}, branch="better")

    def take_agent(branch: str | None, commit: str | None) -> tuple[Upload, git_sources.GitOrigin]:
        return git_sources.take_agent(user=ann, repo_name="agent", branch=branch, commit=commit)

    source, origin = take_agent("better", None)
    old, _ = take_agent("main", first)

    assert names(source) == {"main.py", "lib/x.py"}
    assert origin == git_sources.GitOrigin(repo_name="agent", branch="better", commit_id=head)
    assert old.sha256 != source.sha256
    with pytest.raises(InvalidInput, match="needs agentBranch"):
        take_agent(None, first)


def test_several_at_once_share_one_mirror(tasks: WorkingCopy) -> None:
    mirrored = Repository(config().github_task_host, TASKS)

    def look(_: int) -> bool:
        mirrored.update()
        with mirrored.checked_out(mirrored.commit_of("main"), "count") as tree:
            return (tree / "count" / "count.py").is_file()

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(look, range(4)))
    assert tasks.git("rev-parse", "main") == mirrored.commit_of("main")


def test_an_environment_starts_from_git_as_metrs_client_asks(tasks: WorkingCopy, ann: User) -> None:
    make_host()
    commit = tasks.git("rev-parse", "HEAD")
    wanted = {
        "taskId": "count/main",
        "source": {"type": "gitRepo", "commitId": commit},
        "dontCache": False,
        "isK8s": None,
    }
    client = client_of(ann)
    answer: Any = client.post("/startTaskEnvironment", json.dumps(wanted), "application/json")
    # As the server does; closing the whole answer would close the test's connection, too.
    for close in answer._resource_closers:
        if isinstance(getattr(close, "__self__", None), environment_streams._Held):
            close()
    environment = TaskEnvironment.objects.get()
    assert (answer.status_code, environment.repo_name) == (200, TASKS)
    assert (environment.commit_id, environment.is_main_ancestor) == (commit, True)
    assert task_source.env_of(environment.env_handle) == {"KEY": "first"}
    # Whoever goes away before the first word gives the stream's place back.
    assert environment_streams._places._value == environment_streams.AT_ONCE
