"""REST for administrators: providers, models, groups and budgets."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.test import Client

from middleman import registry
from middleman.errors import ModelSwitchedOff
from middleman.models import Budget, Model, Provider
from tests.clients import client_of
from tests.factories import make_run, make_staff, make_user
from vivaria.config import config

pytestmark = pytest.mark.django_db

API = "/api/v1"
SECRET = "sk-never-to-be-seen"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """OpenAI has a key, from the environment."""
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-the-environment")
    config.cache_clear()
    yield
    config.cache_clear()


@pytest.fixture
def root() -> Client:
    return client_of(make_staff())


def send(client: Client, method: str, path: str, **fields: Any) -> Any:
    return client.generic(method, f"{API}/{path}", json.dumps(fields), "application/json")


LISTS = ("providers/", "models/", "groups/", "budgets/")


@pytest.mark.parametrize("path", LISTS)
def test_it_is_for_administrators(path: str) -> None:
    assert client_of(make_user()).get(f"{API}/{path}").status_code == 403
    assert Client().get(f"{API}/{path}").status_code == 401


@pytest.mark.parametrize("path", LISTS)
def test_staff_without_the_permission_may_not_even_look(path: str) -> None:
    clerk = client_of(make_user(is_staff=True))

    assert clerk.get(f"{API}/{path}").status_code == 403


def test_staff_may_do_what_the_admin_lets_them() -> None:
    clerk = make_user(is_staff=True)
    may = Permission.objects.filter(codename__in=["view_model", "change_model"])
    clerk.user_permissions.set(may)

    client = client_of(clerk)

    assert send(client, "PATCH", "models/gpt-4o/", is_enabled=False).status_code == 200
    assert send(client, "POST", "models/", name="other").status_code == 403


def test_a_key_goes_in_and_never_comes_out(root: Client) -> None:
    made = send(root, "POST", "providers/", name="lab", wire="openai",
                base_url="http://lab/v1", key=SECRET)  # fmt: skip

    assert made.status_code == 201, made.content
    answers = [made, root.get(f"{API}/providers/"), root.get(f"{API}/providers/lab/"),
               send(root, "PATCH", "providers/lab/", key=SECRET + "2")]  # fmt: skip
    assert [SECRET in answer.text for answer in answers] == [False] * 4
    assert answers[3].json()["has_key"] is True
    assert Provider.objects.get().key == SECRET + "2"
    assert SECRET not in "".join(LogEntry.objects.values_list("change_message", flat=True))
    assert send(root, "PATCH", "providers/lab/", key="").json()["has_key"] is False


def test_the_list_shows_the_environments_providers(root: Client) -> None:
    Provider.objects.create(name="lab", wire="openai", base_url="http://lab/v1")

    found = {each["name"]: each for each in root.get(f"{API}/providers/").json()}

    assert (found["openai"]["has_key"], found["openai"]["is_row"]) == (True, False)
    assert (found["anthropic"]["has_key"], found["lab"]["is_row"]) == (False, True)


def test_a_provider_is_switched_off_and_on_by_one_patch(root: Client) -> None:
    send(root, "PATCH", "providers/openai/", is_enabled=False)
    with pytest.raises(ModelSwitchedOff):
        registry.resolve("gpt-4o")

    send(root, "PATCH", "providers/openai/", is_enabled=True)

    assert registry.resolve("gpt-4o").api_key == "key-of-the-environment"
    last = LogEntry.objects.order_by("-pk").values_list("change_message", flat=True)[0]
    assert last == "By REST: is_enabled = True."


def test_the_environments_key_goes_to_no_other_address(root: Client) -> None:
    send(root, "PATCH", "providers/openai/", base_url="http://elsewhere/v1")

    assert registry.known_providers()["openai"].key == ""


@pytest.mark.parametrize("name", ["gpt-4o", "openai/gpt-4o"])
def test_a_model_is_switched_off_by_one_patch(root: Client, name: str) -> None:
    answer = send(root, "PATCH", f"models/{name}/", is_enabled=False)

    assert answer.json()["is_enabled"] is False
    with pytest.raises(ModelSwitchedOff):
        registry.resolve(name)


def test_a_patch_of_a_name_that_nobody_answers_for_is_refused(root: Client) -> None:
    answer = send(root, "PATCH", "models/gtp-4o/", is_enabled=False)

    assert answer.status_code == 404
    assert "No provider is known for model 'gtp-4o'" in answer.json()["detail"]
    assert not Model.objects.exists()


def test_a_model_is_opened_to_a_group_by_names(root: Client) -> None:
    ada = make_user("ada")

    send(root, "POST", "groups/", name="insiders", users=["ada"])
    made = send(root, "POST", "models/", name="gpt-9", groups=["insiders"], input_usd="1.5")

    assert made.status_code == 201, made.content
    assert (made.json()["groups"], made.json()["input_usd"]) == (["insiders"], "1.500000")
    assert list(ada.groups.all()) == [Group.objects.get()]
    assert send(root, "PATCH", "groups/insiders/", users=[]).json()["users"] == []
    assert send(root, "PATCH", "models/gpt-9/", groups=[]).json()["groups"] == []


@pytest.mark.parametrize(
    ("method", "path", "fields", "field"),
    [
        ("POST", "models/", {"name": "m", "groups": ["nobody"]}, "groups"),
        ("POST", "providers/", {"name": "p", "wire": "telex", "base_url": "http://p"}, "wire"),
        ("POST", "providers/", {"name": "p", "wire": "openai", "base_url": "ftp://p"}, "base_url"),
        ("POST", "budgets/", {"limit_usd": 5}, "user"),
        ("POST", "budgets/", {"user": "nobody", "limit_usd": 5}, "user"),
        ("POST", "budgets/", {"batch": "none", "limit_usd": 5}, "batch"),
        ("POST", "budgets/", {"user": "nobody", "limit_usd": -1}, "limit_usd"),
    ],
    ids=["group", "wire", "url", "no-owner", "no-user", "no-batch", "negative"],
)
def test_what_is_wrong_names_its_field(
    root: Client, method: str, path: str, fields: dict[str, Any], field: str
) -> None:
    answer = send(root, method, path, **fields)

    assert answer.status_code == 400
    assert list(answer.json()["errors"]) == [field]


def test_a_provider_in_use_is_not_deleted(root: Client) -> None:
    lab = Provider.objects.create(name="lab", wire="openai", base_url="http://lab/v1")
    Model.objects.create(name="qwen", provider=lab)

    refused = root.delete(f"{API}/providers/lab/")

    assert refused.status_code == 409
    assert "qwen" in refused.json()["detail"]
    assert root.delete(f"{API}/models/qwen/").status_code == 204
    assert root.delete(f"{API}/providers/lab/").status_code == 204


def test_a_budget_is_set_by_name_and_keeps_what_was_spent(root: Client) -> None:
    run = make_run()
    Budget.objects.create(user=run.user, spent_usd=2.5)

    made = send(root, "POST", "budgets/", user=run.user.username, limit_usd=10)
    of_batch = send(root, "POST", "budgets/", batch=run.batch_id, limit_usd=1)
    lifted = send(root, "PATCH", f"budgets/{made.json()['id']}/", limit_usd=None, spent_usd=0)

    assert (made.json()["limit_usd"], made.json()["spent_usd"]) == (10, 2.5)
    assert of_batch.json()["batch"] == run.batch_id
    assert (lifted.json()["limit_usd"], lifted.json()["spent_usd"]) == (None, 2.5)
    assert [each["spent_usd"] for each in root.get(f"{API}/budgets/").json()["results"]] == [2.5, 0]
