"""`generate` while its provider is slow, busy or away, and while the gateway stops."""

import contextlib
import http.client
import signal
import threading
import time

import pytest

from middleman.models import Model
from runs.models import Pause
from tests.gateways import Answer, GatewayProcess, TestAgent, new_gateway
from tests.providers import generate, provider, provider_server
from tests.stand_ins.provider_server import ProviderServer

__all__ = ["provider", "provider_server"]


class Caller(threading.Thread):
    """One call in the background."""

    def __init__(self, agent: TestAgent, place: dict[str, object], model: str) -> None:
        super().__init__()
        self.agent, self.place, self.model = agent, place, model
        self.answer: Answer | None = None
        self.start()

    def run(self) -> None:
        self.answer = generate(self.agent, self.model, place=self.place)

    def result(self) -> Answer:
        self.join(timeout=30)
        assert self.answer is not None
        return self.answer


@pytest.fixture
def held(provider: ProviderServer) -> ProviderServer:
    """A provider that holds its next answer until it is released."""
    provider._released.clear()
    provider.next_answers("held")
    return provider


def test_a_repeat_joins_the_call_that_is_under_way(agent: TestAgent, held: ProviderServer) -> None:
    place = agent.place
    first = Caller(agent, place, "gpt-4o-mini")
    held.wait_until(lambda seen: seen.in_flight == 1)
    second = Caller(agent, place, "gpt-4o-mini")
    time.sleep(0.1)

    held.release()

    assert first.result().value == second.result().value
    assert held.count == 1


def test_an_entry_is_there_before_the_model_has_answered(
    agent: TestAgent, held: ProviderServer
) -> None:
    calling = Caller(agent, agent.place, "gpt-4o-mini")
    held.wait_until(lambda seen: seen.in_flight == 1)

    pending = agent.contents()
    held.release()
    calling.result()

    assert [content["finalResult"] for content in pending] == [None]
    assert agent.contents()[0]["finalResult"]["error"] is None


def test_a_busy_provider_is_waited_for_off_the_clock(
    agent: TestAgent, provider: ProviderServer
) -> None:
    provider.next_answers("error-429,retry-after=1")

    result = generate(agent).value

    assert "not charged to the run's time" in result["non_blocking_errors"][0]
    (pause,) = Pause.objects.filter(run=agent.run)
    assert pause.end is not None
    assert 900 <= pause.end - pause.start <= 5_000


def test_calls_of_a_bounded_model_take_turns(agent: TestAgent, held: ProviderServer) -> None:
    Model.objects.update_or_create(name="gpt-4o", defaults={"concurrency_limit": 1})
    callers = [Caller(agent, agent.place, "gpt-4o") for _ in range(3)]
    held.wait_until(lambda seen: seen.in_flight == 1)

    held.release()

    assert [caller.result().status for caller in callers] == [200, 200, 200]
    assert held.most_in_flight == 1
    Model.objects.filter(name="gpt-4o").delete()


@pytest.mark.parametrize("fault", ["malformed", "hangs-up"])
def test_an_answer_that_makes_no_sense_is_asked_for_again(
    agent: TestAgent, provider: ProviderServer, fault: str
) -> None:
    provider.next_answers(fault)

    assert generate(agent).status == 200
    assert provider.count == 2


def test_a_gateway_that_stops_completes_its_entries(
    agent: TestAgent, held: ProviderServer, redis_url: str
) -> None:
    own: GatewayProcess = new_gateway(redis_url)
    own.start()
    other = TestAgent(own, agent.run, headers=agent.headers)
    calling = threading.Thread(target=lambda: _ignoring(other))
    calling.start()
    held.wait_until(lambda seen: seen.in_flight == 1)

    own.stop()
    calling.join()
    held.release()

    (kept,) = [content for content in agent.contents() if content["type"] == "generation"]
    assert "stopped while the model worked" in kept["finalResult"]["error"]


def test_of_two_gateways_one_asks_and_the_other_takes_over_from_a_dead_one(
    agent: TestAgent, held: ProviderServer, redis_url: str
) -> None:
    own = new_gateway(redis_url)
    own.start()
    place = agent.place
    first = threading.Thread(
        target=lambda: _ignoring(TestAgent(own, agent.run, headers=agent.headers), place)
    )
    first.start()
    held.wait_until(lambda seen: seen.count == 1)
    held.next_answers("held")

    second = Caller(agent, place, "gpt-4o-mini")
    second.join(timeout=0.5)
    heard, is_waiting = held.count, second.is_alive()
    own.stop(signal.SIGKILL)
    first.join()
    held.wait_until(lambda seen: seen.count == 2)
    held.release()

    assert (heard, is_waiting) == (1, True)
    assert second.result().status == 200
    (kept,) = agent.contents()
    assert "askedBy" not in kept
    assert agent.branch.totals.tokens == held.numbers.prompt + held.numbers.completion


def test_of_two_gateways_both_give_the_one_answer(
    agent: TestAgent, held: ProviderServer, redis_url: str
) -> None:
    own = new_gateway(redis_url)
    own.start()
    place = agent.place
    first = Caller(TestAgent(own, agent.run, headers=agent.headers), place, "gpt-4o-mini")
    held.wait_until(lambda seen: seen.count == 1)
    second = Caller(agent, place, "gpt-4o-mini")
    second.join(timeout=0.3)

    held.release()

    assert first.result().value == second.result().value
    assert held.count == 1
    own.stop()


def _ignoring(agent: TestAgent, place: dict[str, object] | None = None) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        generate(agent, place=place)
