"""METR's routes on the wire: status, content type and envelope."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from runs.models import Run
from runs.states import RunStatus
from tests.clients import Answer, Json
from tests.factories import make_branch, make_run, make_token, make_user
from tests.uploads import packed
from vivaria.models import User

pytestmark = pytest.mark.django_db

QUERIES = ["getRun", "getRunStatus", "getRunUsage"]
MUTATIONS = ["setupAndRunAgent", "killRun"]


@pytest.fixture
def ann() -> Client:
    return Client(
        headers={"X-Evals-Token": f"{make_token(make_user('ann'))}---id"},
        enforce_csrf_checks=True,
    )


def get(client: Client, route: str, wanted: Any) -> Answer:
    return client.get(f"/{route}", {"input": json.dumps(wanted)})


def post(client: Client, route: str, wanted: Any) -> Answer:
    body = wanted if isinstance(wanted, str | bytes) else json.dumps(wanted)
    return client.post(f"/{route}", body, content_type="application/json")


def data(answer: Answer) -> Any:
    assert answer.status_code == 200, answer.text
    assert answer["Content-Type"] == "application/json"
    return answer.json()["result"]["data"]


def error(answer: Answer) -> Json:
    assert answer["Content-Type"] == "application/json"
    found = dict(answer.json()["error"])
    assert found["data"]["httpStatus"] == answer.status_code
    return found


def upload(client: Client, *contents: bytes) -> list[str]:
    files = [SimpleUploadedFile("f", content) for content in contents]
    return list(data(client.post("/uploadFiles", {"forUpload": files})))


@pytest.fixture
def wanted(ann: Client) -> Json:
    """What METR's `viv run` sends, with uploads."""
    family, agent = upload(ann, packed({"count_odds.py": ""}), packed({"main.py": ""}))
    return {
        "taskId": "count_odds/main",
        "name": None,
        "metadata": {},
        "agentRepoName": None,
        "agentBranch": None,
        "agentCommitId": None,
        "uploadedAgentPath": agent,
        "agentSettingsOverride": None,
        "agentSettingsPack": None,
        "agentStartingState": None,
        "parentRunId": None,
        "taskBranch": "main",
        "usageLimits": {"tokens": 300_000, "actions": 1_000, "total_seconds": 604_800, "cost": 100},
        "checkpoint": {"tokens": None, "actions": None, "total_seconds": None, "cost": None},
        "requiresHumanIntervention": False,
        "taskSource": {"type": "upload", "path": family, "environmentPath": None},
        "dangerouslyIgnoreGlobalLimits": False,
        "batchName": None,
        "batchConcurrencyLimit": None,
        "priority": None,
        "keepTaskEnvironmentRunning": False,
        "isK8s": None,
    }


def test_what_metrs_viv_sends_makes_a_run(ann: Client, wanted: Json) -> None:
    run_id = data(post(ann, "setupAndRunAgent", wanted))["runId"]

    run = Run.objects.get(pk=run_id)
    assert (run.user_id, run.status, run.is_low_priority) == ("ann", "queued", True)
    assert run.branches.get().checkpoint == {
        "tokens": None,
        "actions": None,
        "total_seconds": None,
        "cost": None,
    }


def test_the_run_is_read_in_metrs_words(ann: Client, wanted: Json) -> None:
    wanted["metadata"] = {"a": 1}
    run_id = data(post(ann, "setupAndRunAgent", wanted))["runId"]

    row = data(get(ann, "getRun", {"runId": run_id, "showAllOutput": True}))

    assert (row["id"], row["taskId"], row["userId"], row["metadata"]) == (
        run_id,
        "count_odds/main",
        "ann",
        {"a": 1},
    )
    assert row["uploadedTaskFamilyPath"] == wanted["taskSource"]["path"]
    assert row["taskBuildCommandResult"]["exitStatus"] is None
    assert row["encryptedAccessToken"] is None
    assert len(row) == 36


def test_the_status_has_metrs_keys(ann: Client) -> None:
    run = make_run(status=RunStatus.SUBMITTED)

    status = data(get(ann, "getRunStatus", {"runId": run.pk}))

    assert (status["runStatus"], status["score"], status["queuePosition"]) == (
        "submitted",
        1.0,
        None,
    )
    assert len(status) == 14


def test_usage_comes_with_limits_and_pause(ann: Client) -> None:
    run = make_run(status=RunStatus.PAUSED, branch={"usage_limits": {"tokens": 5}})

    found = data(get(ann, "getRunUsage", {"runId": run.pk, "agentBranchNumber": 0}))

    assert found["usage"].keys() == {"tokens", "actions", "total_seconds", "cost"}
    assert (found["usageLimits"]["tokens"], found["checkpoint"]) == (5, None)
    assert (found["isPaused"], found["pausedReason"]) == (True, "pauseHook")


def test_usage_of_a_branch_that_is_not_there_is_zero(ann: Client) -> None:
    run = make_run(status=RunStatus.RUNNING)

    found = data(get(ann, "getRunUsage", {"runId": run.pk, "agentBranchNumber": 7}))

    assert set(found["usage"].values()) == {0}


def test_kill_answers_without_data_and_400_once_the_run_has_ended(ann: Client) -> None:
    run = make_run(status=RunStatus.RUNNING, user=User.objects.get(pk="ann"))
    make_branch(run, number=1)

    first, second = (post(ann, "killRun", {"runId": run.pk}) for _ in range(2))

    assert first.json() == {"result": {}}
    assert (second.status_code, error(second)["data"]["code"]) == (400, "BAD_REQUEST")


def test_anothers_run_is_not_killed(ann: Client) -> None:
    answer = post(ann, "killRun", {"runId": make_run(status=RunStatus.RUNNING).pk})

    assert error(answer)["data"]["code"] == "FORBIDDEN"


@pytest.mark.parametrize("route", QUERIES + MUTATIONS)
def test_a_call_without_credentials_is_refused(route: str) -> None:
    call = get if route in QUERIES else post
    # Wrong input too: who calls is asked first.
    answer = call(Client(), route, {"runId": "x"})

    assert answer.status_code == 401
    assert error(answer)["code"] == -32001


@pytest.mark.parametrize("route", [*QUERIES, *MUTATIONS, "uploadFiles"])
@pytest.mark.parametrize("header", ["X-Evals-Token", "X-Agent-Token", "X-Machine-Token"])
def test_bad_credentials_are_refused_before_all_else(route: str, header: str) -> None:
    answer = post(Client(headers={header: "no---body"}), route, "{ no json")

    assert answer.status_code == 401
    assert answer["Content-Type"] == "application/json"
    assert answer.json()["error"].keys() >= {"message", "name"}


def test_a_session_is_no_credential_here() -> None:
    client = Client()
    client.force_login(make_user())

    assert post(client, "killRun", {"runId": 1}).status_code == 401


@pytest.mark.parametrize("body", ["{", "NaN", "", b"\xef\xbb\xbf{}"])
def test_a_body_that_is_no_input_is_refused(ann: Client, body: str | bytes) -> None:
    answer = post(ann, "killRun", body)

    assert answer.status_code == 400
    assert error(answer)["data"]["code"] == ("PARSE_ERROR" if body else "BAD_REQUEST")


@pytest.mark.parametrize(
    ("given", "path"),
    [({}, ["runId"]), ({"runId": "1"}, ["runId"]), ({"runId": -1}, ["runId"]), ([], [])],
)
def test_what_is_wrong_with_the_input_is_listed(ann: Client, given: Any, path: list[str]) -> None:
    answer = get(ann, "getRun", given)

    issues = json.loads(error(answer)["message"])
    assert answer.status_code == 400
    assert [issue["path"] for issue in issues] == [path]


@pytest.mark.parametrize(
    ("verb", "route", "message"),
    [
        ("post", "getRun", 'No "mutation"-procedure on path "getRun"'),
        ("get", "killRun", 'No "query"-procedure on path "killRun"'),
        ("get", "noSuchRoute", 'No "query"-procedure on path "noSuchRoute"'),
        ("post", "noSuchRoute", 'No "mutation"-procedure on path "noSuchRoute"'),
    ],
)
def test_a_route_of_another_verb_or_name_is_not_found(
    ann: Client, verb: str, route: str, message: str
) -> None:
    answer = (get if verb == "get" else post)(ann, route, {})

    assert answer.status_code == 404
    assert error(answer)["message"] == message


@pytest.mark.parametrize(("verb", "status"), [("put", 405), ("delete", 405), ("head", 204)])
def test_other_verbs_are_answered_as_the_wire_says(ann: Client, verb: str, status: int) -> None:
    assert getattr(ann, verb)("/getRun").status_code == status


@pytest.mark.parametrize("route", QUERIES)
def test_a_run_that_is_not_there_is_not_found(ann: Client, route: str) -> None:
    answer = get(ann, route, {"runId": 4_000_000, "agentBranchNumber": 0})

    assert error(answer)["message"] == "There is no run 4000000."
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "said"),
    [
        ({"taskId": "x"}, 400, "family/task"),
        ({"taskId": "other/main"}, 404, "other.py"),
        ({"taskSource": {"type": "gitRepo", "repoName": "b"}}, 400, "organisation/repository"),
        ({"taskSource": {"type": "gitRepo", "repoName": "a/b", "commitId": 5}}, 400, "commitId"),
        ({"taskSource": {"type": "folder"}}, 400, "gitRepo"),
        ({"taskSource": {"type": "upload", "path": "/etc/passwd"}}, 400, "/etc/passwd"),
        ({"taskSource": {"type": "upload", "path": 5}}, 400, "uploadFiles"),
        ({"uploadedAgentPath": None}, 400, "no agent"),
        ({"uploadedAgentPath": None, "agentRepoName": "a/b"}, 400, "agentRepoName"),
        ({"uploadedAgentPath": "nope"}, 400, "uploadedAgentPath"),
        ({"usageLimits": {"tokens": 10_000_001}}, 400, "usageLimits.tokens"),
        ({"checkpoint": {"cost": -1}}, 400, "checkpoint.cost"),
        ({"batchName": "b" * 256}, 400, "batchName"),
        ({"parentRunId": 4_000_000}, 404, "no run 4000000"),
        ({"agentStartingState": {"taskId": "other/x"}}, 400, "agentStartingState"),
        ({"priority": "urgent"}, 400, "priority"),
        ({"metadata": 5}, 400, "metadata"),
    ],
    ids=str,
)  # fmt: skip
def test_a_wish_that_cannot_be_met_is_refused(
    ann: Client, wanted: Json, change: Json, status: int, said: str
) -> None:
    answer = post(ann, "setupAndRunAgent", wanted | change)

    assert answer.status_code == status
    assert said in error(answer)["message"]
    assert not Run.objects.exists()


def test_the_maxima_may_be_ignored_on_demand(ann: Client, wanted: Json) -> None:
    limits = {"tokens": 20_000_000, "cost": 1000}
    answer = post(
        ann,
        "setupAndRunAgent",
        wanted | {"usageLimits": limits, "dangerouslyIgnoreGlobalLimits": True},
    )

    run = Run.objects.get(pk=data(answer)["runId"])
    assert run.branches.get().usage_limits["tokens"] == 20_000_000


def test_characters_that_cannot_be_stored_become_visible(ann: Client, wanted: Json) -> None:
    answer = post(ann, "setupAndRunAgent", wanted | {"metadata": {"a": "x\0y"}})

    assert Run.objects.get(pk=data(answer)["runId"]).metadata == {"a": "x\u2400y"}


@pytest.mark.parametrize(
    "sent", [{"other": SimpleUploadedFile("x", b"1")}, {"forUpload": "text"}, {}]
)
def test_an_upload_without_its_part_is_refused(ann: Client, sent: Json) -> None:
    answer = ann.post("/uploadFiles", sent)

    assert answer.status_code == 400
    assert "forUpload" in answer.json()["error"]["message"]


def test_an_upload_without_credentials_is_refused() -> None:
    answer = Client().post("/uploadFiles", {"forUpload": SimpleUploadedFile("x", b"1")})

    assert answer.status_code == 401
