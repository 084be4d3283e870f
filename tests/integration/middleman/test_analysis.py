"""Questions about many runs: the check before, summaries, answers, pages and METR's routes."""

import pytest
from django.contrib.auth.models import Group
from django.test import Client

from middleman import analysing
from middleman.analysing import read_answer
from middleman.models import Budget, Model, Spend
from runs.models import Run
from runs.states import RunStatus
from tests.factories import make_entry, make_run, make_user
from tests.providers import provider, provider_server
from tests.stand_ins.provider_server import ProviderServer
from traces.models import Analysis, EntrySummary
from vivaria.models import User

__all__ = ["provider", "provider_server"]

GPT = "gpt-4o-mini"


@pytest.fixture
def transactional_db(db: None) -> None:
    """Nothing here is asked over another connection: each test's rows are rolled back."""


@pytest.fixture
def run(ada: User) -> Run:
    run = make_run(status=RunStatus.SUBMITTED, user=ada)
    for index, said in ((11, "reads the task"), (12, "gives up")):
        content = {"type": "log", "content": [said]}
        make_entry(run, index=index, called_at=index, content=content)
    return run


def asked(pages: Client, run: Run, **more: str) -> Analysis:
    given = {"question": "Who gave up?", "model": GPT, "runs": str(run.pk), **more}
    answer = pages.post("/analysis/start", given)
    assert answer.status_code == 302, answer.text
    return Analysis.objects.latest("id")


def test_a_question_is_answered_with_links_to_steps(
    pages: Client, run: Run, provider: ProviderServer
) -> None:
    analysis = asked(pages, run)
    provider.numbers.says[:] = [
        "s1: It read.\n- **s2**: It gave up.",
        f"r{run.pk}s2: here\nr{run.pk}s99: no such\nANSWER: This one\ndid.",
    ]
    assert "0 of 1 are done" in pages.get(f"/analysis/{analysis.pk}/").text

    analysing.carry_out(analysis)

    shown = pages.get(f"/analysis/{analysis.pk}/", headers={"HX-Request": "true"})
    assert shown.status_code == 286
    assert f'href="/run/{run.pk}/?e=12"' in shown.text
    assert "This one\ndid." in shown.text
    assert "Left out: 1 step" in shown.text
    assert list(EntrySummary.objects.order_by("index").values_list("summary", flat=True)) == [
        "It read.",
        "It gave up.",
    ]


def test_summaries_are_made_once_and_all_is_paid_for(
    pages: Client, ada: User, run: Run, provider: ProviderServer
) -> None:
    for _ in range(2):
        analysing.carry_out(asked(pages, run))

    first, second = Analysis.objects.order_by("id")
    assert provider.count == 3
    assert first.cost_usd > second.cost_usd > 0
    spent = Spend.objects.get(user=ada, batch="questions-of-people")
    assert spent.calls == 3
    assert spent.cost_usd == pytest.approx(first.cost_usd + second.cost_usd)


def test_a_piece_that_is_asked_for_twice_is_done_once(
    pages: Client, run: Run, provider: ProviderServer
) -> None:
    analysis = asked(pages, run)
    Analysis.objects.filter(pk=analysis.pk).update(touched_at=2**50)
    analysing.work(analysis.pk)
    assert provider.count == 0

    Analysis.objects.filter(pk=analysis.pk).update(touched_at=0)
    analysing.carry_out(analysis)
    analysing.work(analysis.pk)
    assert provider.count == 2


def test_a_provider_that_fails_is_told(pages: Client, run: Run, provider: ProviderServer) -> None:
    analysis = asked(pages, run)
    provider.next_answers("error-400")

    done = analysing.carry_out(analysis)

    assert done.state == Analysis.State.FAILED
    assert "The stand-in says 400." in pages.get(f"/analysis/{analysis.pk}/").text


@pytest.mark.parametrize(
    ("given", "status", "named"),
    [
        ({"question": ""}, 400, "question must"),
        ({"runs": ""}, 400, "There is no run to analyse"),
        ({"runs": "1,x"}, 400, "no run&#x27;s id"),
        ({"runs": "99999"}, 404, "no run 99999"),
        ({"model": "no-such-model"}, 404, "No provider is known"),
    ],
    ids=["question", "no-run", "bad-id", "unknown-run", "model"],
)
def test_what_cannot_be_asked_is_told_before_it_starts(
    pages: Client, run: Run, given: dict[str, str], status: int, named: str
) -> None:
    whole = {"question": "?", "model": "builtin/echo", "runs": str(run.pk), **given}

    answer = pages.post("/analysis/start", whole)

    assert named in answer.text
    assert answer.status_code == status
    assert not Analysis.objects.exists()


def test_nobody_analyses_what_is_not_for_them(pages: Client, run: Run) -> None:
    Model.objects.create(name="secret-1").groups.add(Group.objects.create(name="few"))
    run.used_models.create(model="secret-1")
    bob = make_user("bob")
    client = Client()
    client.force_login(bob)
    given = {"question": "?", "model": "builtin/echo", "runs": str(run.pk)}

    assert client.post("/analysis/start", given).status_code == 403
    assert client.post("/analysis/start", given | {"model": "secret-1"}).status_code == 403
    analysis = asked(pages, run, model="builtin/echo")
    assert client.get(f"/analysis/{analysis.pk}/").status_code == 404


def test_a_spent_budget_stops_it(pages: Client, ada: User, run: Run) -> None:
    Budget.objects.create(user=ada, limit_usd=1, spent_usd=1)
    given = {"question": "?", "model": "builtin/echo", "runs": str(run.pk)}

    assert "is used up" in pages.post("/analysis/start", given).text


PLACES = {(1, 2): 12, (1, 3): 13, (4, 5): 45}


@pytest.mark.parametrize(
    ("text", "steps", "answer"),
    [
        ("r1s2: text\nANSWER: yes", [(12, "text")], "yes"),
        ("- **r1s2**: text", [(12, "text")], None),
        ("R1S2 - text", [(12, "text")], None),
        ("r1s2, r4s5: both", [(12, "both"), (45, "both")], None),
        ("r1s2\ntext below\nr1s3:\nmore", [(12, "text below"), (13, "more")], None),
        ("`r1s2`: text\n\n**ANSWER:** two\nlines", [(12, "text")], "two\nlines"),
        ("r9s9: nowhere\nANSWER: no", [], "no"),
        ("I cannot say.", [], "I cannot say."),
    ],
    ids=["plain", "bold", "dash", "two", "below", "code", "unknown", "prose"],
)
def test_answers_are_read_however_they_are_written(
    text: str, steps: list[tuple[int, str]], answer: str | None
) -> None:
    found, said, _ = read_answer(text, PLACES)

    assert [(step["index"], step["said"]) for step in found] == steps
    assert said == answer
