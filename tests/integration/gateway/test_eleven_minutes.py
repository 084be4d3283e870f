"""An agent with our pyhooks waits eleven minutes for a person, and gets what that one decides.

The gateway's clock is moved; nobody sleeps.
"""

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.db import connection

from runs.models import Pause
from tests.clocked_gateway import ClockedGateway, clocked_gateway
from tests.gateways import TestAgent, make_agent
from tests.integration.gateway.test_submit import until
from traces import oversight
from traces.models import TraceEntry
from traces.oversight import EntryKey
from vivaria.config import ROOT

AGENT = """
from pyhooks import Hooks, deciding
from pyhooks.types import RatingOption

# A person would wait longer than a test does.
deciding.ASK_AGAIN_FOR_RATING_S = deciding.ASK_AGAIN_FOR_INPUT_S = 0.05

async def main(hooks):
    options = [RatingOption(action=name, fixedRating=0.1) for name in ("a", "b")]
    chosen = await hooks.rate_options("gpt-4o-mini", "", "", options, "Which?")
    answer = await hooks.get_input("How many?", "2")
    await hooks.log(chosen.action, chosen.rating, chosen.userId, answer)

Hooks().main(main)
"""
NINE_MINUTES_S, TWO_MINUTES_S = 540, 120


@pytest.fixture(scope="module")
def clocked(transactional_db: None) -> Iterator[ClockedGateway]:
    with clocked_gateway() as gateway:
        yield gateway
    connection.close()


def test_a_choice_and_an_answer_come_after_eleven_minutes(clocked: ClockedGateway) -> None:
    agent = make_agent(clocked, is_interactive=True)
    with start(agent) as process:
        rating = wait_eleven_minutes(clocked, agent, "rating")
        added = oversight.add_option(at=rating, option={"action": "c"}, user_id="ann")
        oversight.choose(at=rating, option=added, user_id="ann")
        oversight.answer(
            at=wait_eleven_minutes(clocked, agent, "input"), text="three", user_id="bob"
        )
        _, errors = process.communicate(timeout=30)

    assert process.returncode == 0, errors
    # Its rating may or may not have come before it was chosen.
    action, _, *rest = agent.contents()[-1]["content"]
    assert (action, rest) == ("c", ["ann", "three"])
    # It waited for people, twice, and never for a server.
    reasons = Pause.objects.filter(run=agent.run, end__isnull=False).values_list("reason")
    assert list(reasons) == [("humanIntervention",)] * 2


def wait_eleven_minutes(clocked: ClockedGateway, agent: TestAgent, kind: str) -> EntryKey:
    """Let that much time pass once the agent waits; say for which entry it does."""
    asked = TraceEntry.objects.filter(run=agent.run, type=kind)
    until(lambda: asked.exists() and clocked.waiting == 1)
    first = clocked.waiters
    clocked.move(NINE_MINUTES_S)
    # Its first call is answered null, and it asks again.
    until(lambda: bool(clocked.waiters) and not first & clocked.waiters)
    clocked.move(TWO_MINUTES_S)
    agent.get("health", {})
    assert clocked.waiting == 1
    return EntryKey(run_id=agent.run.pk, number=0, index=asked.get().index)


def start(agent: TestAgent) -> "subprocess.Popen[str]":
    environment = {
        **os.environ,
        "API_URL": f"http://127.0.0.1:{agent.gateway.port}",
        "AGENT_TOKEN": agent.headers["X-Agent-Token"],
        "RUN_ID": str(agent.run.pk),
    }
    return subprocess.Popen(
        [sys.executable, "-c", AGENT],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
