"""`viv task` where no container is needed: which environment is meant, and what is listed."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

from runs.models import EnvironmentOrder, TaskEnvironment
from tests.factories import make_agentless_environment, make_host, make_user
from vivaria.models import User

Viv = Callable[..., Result]
pytestmark = pytest.mark.django_db(transaction=True)


def test_a_list_is_made_of_names_rows_or_json(viv: Viv, ann: User) -> None:
    running = make_agentless_environment(ann, created_at=1_000)
    stopped = make_agentless_environment(ann, is_running=False, created_at=2_000)
    make_agentless_environment(make_user("bob"), created_at=3_000)

    assert viv("task", "list").stdout == f"{running.container_name}\n"
    head, first, second = viv("task", "list", "--verbose", "--all_states").stdout.splitlines()
    assert head == "CONTAINER NAME\tSTATE\tCREATED BY\tCREATED AT"
    assert first.split("\t")[:3] == [stopped.container_name, "Stopped", "ann"]
    assert second.endswith("1970-01-01 00:00:01+00:00")
    everybody = viv("task", "list", "--all-users", "--json").stdout.splitlines()
    assert [json.loads(line)["username"] for line in everybody] == ["bob", "ann"]


def test_a_name_is_needed_until_one_was_started(viv: Viv, configured: Path) -> None:
    for command in ("stop", "restart", "destroy", "score", "ssh", "ssh_command"):
        refused = viv("task", command)
        assert (refused.exit_code, "viv task list" in refused.stderr) == (2, True), command
    (configured / "last_task_environment_name").write_text("gone\n")
    refused = viv("task", "stop")
    assert refused.exit_code == 1
    assert "the last task environment, gone" in refused.stderr
    assert "no task environment 'gone'" in refused.stderr


def test_somebody_is_let_in_by_their_address(viv: Viv, ann: User) -> None:
    name = make_agentless_environment(ann).container_name
    make_user("bob", email="bob@example.org")

    assert viv("task", "grant_user_access", "bob@example.org", name).exit_code == 0
    unknown = viv("task", "grant-user-access", "eve@example.org", name)
    assert (unknown.exit_code, "eve@example.org" in unknown.stderr) == (1, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("count_odds/main@main",), "leave out --task-family-path"),
        (("count_odds/main", "--task-repo", "a/b"), "leave out --task-family-path"),
        (("count_odds",), "family/task"),
        (("other/main",), "no other.py"),
        (("count_odds/main",), "no Docker host takes runs"),
    ],
    ids=["ref", "repository", "no-task", "other-family", "no-host"],
)
def test_a_start_that_cannot_be_is_refused(
    viv: Viv, family: Path, words: tuple[str, ...], said: str
) -> None:
    make_host(is_enabled=False)
    refused = viv("task", "start", *words, "--task-family-path", family)
    assert refused.exit_code in (1, 2)
    assert said in refused.stderr
    assert not EnvironmentOrder.objects.exists()
    assert not TaskEnvironment.objects.exists()
