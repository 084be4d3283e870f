"""Questions about the runs that a query finds."""

import json
from typing import Any

import pytest
from django.test import Client

from runs.models import Run
from runs.states import RunStatus
from tests.clients import client_of
from tests.factories import make_entry, make_run, make_staff
from tests.gateways import transactional_db
from tests.providers import provider, provider_server
from tests.stand_ins.provider_server import ProviderServer
from traces.models import Analysis
from vivaria.models import User

__all__ = ["provider", "provider_server", "transactional_db"]

GPT = "gpt-4o-mini"


@pytest.fixture(scope="module")
def ada(transactional_db: None) -> User:
    return make_staff("ada")


@pytest.fixture(scope="module")
def pages(ada: User) -> Client:
    client = Client()
    client.force_login(ada)
    return client


@pytest.fixture(scope="module")
def run(ada: User) -> Run:
    run = make_run(status=RunStatus.SUBMITTED, user=ada)
    make_entry(run, index=11, content={"type": "log", "content": ["gives up"]})
    return run


@pytest.mark.parametrize("sql", ["SELECT name FROM runs_v", "SELECT 1 AS id"], ids=["no", "other"])
def test_a_query_without_an_id_of_runs_is_told(pages: Client, run: Run, sql: str) -> None:
    given = {"question": "?", "model": "builtin/echo", "sql": sql}

    answer = pages.post("/analysis/start", given)

    assert answer.status_code == 400
    assert "no column id of runs_v" in answer.text


def test_runs_of_a_query_are_checked_without_a_start(pages: Client, run: Run) -> None:
    given = {"question": "?", "model": "builtin/echo", "sql": "SELECT id FROM runs_v"}

    answer = pages.post("/analysis/start", {**given, "check": "1"})

    assert "1 run needs to be summed up first" in answer.text
    assert not Analysis.objects.exists()


def test_metrs_routes_check_and_answer(ada: User, run: Run, provider: ProviderServer) -> None:
    client = client_of(ada)
    query = {"type": "custom", "query": "SELECT id FROM runs_v"}

    def get(name: str, wanted: Any) -> Any:
        answer = client.get(f"/{name}", {"input": json.dumps(wanted)})
        assert answer.status_code == 200, answer.text
        return answer.json()["result"]["data"]

    assert get("validateAnalysisQuery", query) == {"runsNeedSummarization": 1}
    provider.numbers.says[:] = ["", f"r{run.pk}s1 because\nANSWER: so"]
    wanted = {"queryRequest": query, "analysisPrompt": "?", "analysisModel": GPT}
    done = get("analyzeRuns", wanted)
    step = {"taskId": run.task_id, "runId": run.pk, "index": 11}
    assert done["analyzedSteps"] == [{**step, "commentary": "because", "context": []}]
    assert (done["answer"], done["runsCount"]) == ("so", 1)
