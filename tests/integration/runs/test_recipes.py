"""What runs were made from, and runs like them, by REST and by `viv`."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from runs.models import AgentBranch, Run, TaskEnvironment
from tests.clients import Answer, Json
from tests.factories import make_token, make_upload, make_user
from tests.uploads import packed
from vivaria.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def ann() -> User:
    return make_user("ann")


@pytest.fixture
def client(ann: User) -> Client:
    return Client(headers={"Authorization": f"Bearer {make_token(ann)}"})


def post(client: Client, path: str, body: Any) -> Answer:
    return client.post(f"/api/v1/{path}", body, content_type="application/json")


def uploaded(client: Client, **files: str) -> str:
    file = SimpleUploadedFile("x.tar.gz", packed(files))
    answer = client.post("/api/v1/uploads/", {"file": file})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["handle"])


@pytest.fixture
def first(client: Client) -> Json:
    wish = {
        "task_id": "odd/main",
        "task_source": uploaded(client, **{"odd.py": ""}),
        "agent_source": uploaded(client, **{"main.py": ""}),
        "name": "first",
        "metadata": {"a": 1},
        "usage_limits": {"tokens": 20_000_000, "cost": 3},
        "dangerously_ignore_global_limits": True,
        "checkpoint": {"actions": 7},
        "batch_name": "night",
        "batch_concurrency_limit": 2,
        "priority": "high",
        "agent_settings_override": {"x": 1},
    }
    answer = post(client, "runs/", wish)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def test_a_run_like_another_is_made_from_the_same(client: Client, first: Json) -> None:
    made = post(client, f"runs/{first['id']}/again/", {}).json()

    old, new = Run.objects.order_by("pk")
    assert made["id"] == new.pk
    for name in ("task_id", "uploaded_agent_path", "name", "metadata", "batch_id",
                 "is_low_priority", "agent_settings_override"):  # fmt: skip
        assert getattr(new, name) == getattr(old, name), name
    trunks = AgentBranch.objects.order_by("pk")
    assert trunks[0].usage_limits == trunks[1].usage_limits
    assert trunks[0].checkpoint == trunks[1].checkpoint
    families = TaskEnvironment.objects.values_list("uploaded_task_family_path", flat=True)
    assert len(set(families)) == 1


def test_what_is_given_replaces_what_the_other_had(client: Client, first: Json) -> None:
    changes = {"name": "second", "usage_limits": {"tokens": 5}, "batch_name": "day"}
    made = post(client, f"runs/{first['id']}/again/", changes).json()

    assert (made["name"], made["metadata"]) == ("second", {"a": 1})
    assert (made["usage_limits"]["tokens"], made["usage_limits"]["cost"]) == (5, 3)
    assert Run.objects.get(pk=made["id"]).batch_id == "day"


def test_new_limits_are_held_to_the_maxima_again(client: Client, first: Json) -> None:
    beyond = {"usage_limits": {"tokens": 30_000_000}}
    path = f"runs/{first['id']}/again/"

    assert post(client, path, beyond).status_code == 400
    on_purpose = beyond | {"dangerously_ignore_global_limits": True}
    assert post(client, path, on_purpose).status_code == 201


def test_a_default_batch_is_its_user_s_own(first: Json, client: Client) -> None:
    plain = post(client, f"runs/{first['id']}/again/", {"batch_name": None}).json()
    bob = make_user("bob")
    his = Client(headers={"Authorization": f"Bearer {make_token(bob)}"})

    made = post(his, f"runs/{plain['id']}/again/", {}).json()

    assert Run.objects.get(pk=made["id"]).batch_id == f"default---{bob.pk}"


def test_a_source_that_is_gone_is_said_so(client: Client, first: Json, ann: User) -> None:
    gone = make_upload(ann, sha256="f" * 64).handle
    Run.objects.filter(pk=first["id"]).update(uploaded_agent_path="upload-nobody")
    TaskEnvironment.objects.update(uploaded_task_family_path=gone)

    answer = post(client, f"runs/{first['id']}/again/", {})

    assert answer.status_code == 400
    assert "Upload the folder again" in answer.json()["detail"]
    assert Run.objects.count() == 1


def test_the_recipe_says_what_was_wished_and_built(client: Client, first: Json) -> None:
    Run.objects.filter(pk=first["id"]).update(built_from={"images": {"task": "sha256:1"}})

    recipe = client.get(f"/api/v1/runs/{first['id']}/recipe/").json()

    assert recipe["wish"]["task_id"] == "odd/main"
    assert recipe["built_from"] == {"images": {"task": "sha256:1"}}
    assert client.get("/api/v1/runs/4000000/recipe/").status_code == 404
