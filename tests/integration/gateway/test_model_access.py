"""Who may call which model, and when no money is spent: nothing reaches the provider."""

import threading
from collections.abc import Iterator
from decimal import Decimal

import pytest
from django.contrib.auth.models import Group

from middleman.models import Budget, Model, Provider, Spend
from runs.states import BranchState, PauseReason
from tests.at_once import at_once
from tests.gateways import SETUP_DATA, GatewayProcess, TestAgent, make_agent
from tests.providers import generate, provider, provider_server, settings
from tests.stand_ins.provider_server import ProviderServer
from vivaria import delegation
from vivaria.clock import now_ms
from vivaria.sealing import seal

__all__ = ["provider", "provider_server"]


@pytest.fixture
def model(provider: ProviderServer) -> Iterator[Model]:
    """A row of its own for a model, gone after the test."""
    row = Model.objects.create(name="gpt-4o-special")
    yield row
    row.delete()


def internet(agent: TestAgent) -> None:
    environment = agent.run.task_environment
    assert environment is not None
    environment.setup_data = {**SETUP_DATA, "permissions": ["full_internet"]}
    environment.save(update_fields=["setup_data"])


def test_a_model_of_a_group_is_for_its_members(
    agent: TestAgent, provider: ProviderServer, model: Model
) -> None:
    group = Group.objects.create(name="model testers")
    model.groups.add(group)

    refused = generate(agent, model.name)
    agent.run.user.groups.add(group)
    allowed = generate(agent, model.name)

    assert refused.status == 403
    assert "model testers" in refused.error["message"]
    assert allowed.status == 200
    assert provider.count == 1
    assert [content["type"] for content in agent.contents()] == ["error", "generation"]


def test_a_hidden_model_does_not_exist(
    agent: TestAgent, provider: ProviderServer, model: Model
) -> None:
    Model.objects.filter(pk=model.pk).update(is_hidden=True)

    answer = generate(agent, model.name)
    listed = agent.get("getPermittedModelsInfo", {}).value

    assert answer.status == 404
    assert model.name not in [info["name"] for info in listed]


def test_a_model_that_is_switched_off_is_not_called(
    agent: TestAgent, provider: ProviderServer, model: Model
) -> None:
    Model.objects.filter(pk=model.pk).update(is_enabled=False)

    answer = generate(agent, model.name)

    assert answer.status == 403
    assert "switched off" in answer.error["message"]
    assert provider.count == 0


def test_a_provider_that_is_switched_off_is_not_called(
    agent: TestAgent, provider: ProviderServer
) -> None:
    Provider.objects.filter(pk="openai").update(is_enabled=False)

    answer = generate(agent, "gpt-4o-mini")

    assert answer.status == 403
    assert "Provider 'openai' is switched off" in answer.error["message"]
    assert provider.count == 0


def test_a_provider_without_a_key_says_where_to_put_one(
    agent: TestAgent, provider: ProviderServer
) -> None:
    Provider.objects.filter(pk="openai").update(sealed_key="")

    answer = generate(agent, "gpt-4o-mini")

    assert answer.status == 400
    assert "OPENAI_API_KEY" in answer.error["message"]


def test_a_model_that_nobody_knows_is_not_found(agent: TestAgent, provider: ProviderServer) -> None:
    answer = generate(agent, "nonsense-1")

    assert answer.status == 404
    assert "anthropic, gemini, openai" in answer.error["message"]


def test_a_server_of_ones_own_is_called_by_its_name(
    agent: TestAgent, provider: ProviderServer
) -> None:
    server = Provider.objects.create(name="vllm", wire="openai", base_url=f"{provider.url}/v1")
    generate(agent, "vllm/meta-llama/Llama-3")
    server.sealed_key = seal("sk-of-vllm")
    server.save()

    answer = generate(agent, "vllm/meta-llama/Llama-3")

    assert answer.status == 200
    assert answer.value["cost"] is None
    assert provider.heard[0].body["model"] == "meta-llama/Llama-3"
    assert "authorization" not in provider.heard[0].headers
    assert Spend.objects.get(user=agent.run.user).unpriced_calls == 1
    server.delete()


def test_a_row_sets_name_and_price(agent: TestAgent, provider: ProviderServer) -> None:
    Model.objects.create(
        name="house-model",
        provider_id="openai",
        name_at_provider="gpt-4o",
        input_usd=Decimal(1),
        cache_read_usd=Decimal(0),
        output_usd=Decimal(2),
    )

    result = generate(agent, "house-model").value

    numbers = provider.numbers
    assert provider.heard[0].body["model"] == "gpt-4o"
    by_hand = (numbers.prompt - numbers.cache_read + 2 * numbers.completion) / 1e6
    # What a chat's answer says of cache writes is part of its prompt.
    assert result["cost"] == pytest.approx(by_hand, rel=0.2)


@pytest.mark.parametrize("of", ["user", "batch"])
def test_a_budget_that_is_spent_refuses_further_calls(
    agent: TestAgent, provider: ProviderServer, of: str
) -> None:
    generate(agent)
    owner = {of: getattr(agent.run, of)}
    spent = Budget.objects.get(**owner).spent_usd
    assert spent == pytest.approx(agent.branch.totals.cost_usd)
    Budget.objects.filter(**owner).update(limit_usd=spent)

    answer = generate(agent)

    assert answer.status == 403
    message = answer.error["message"]
    assert f"The budget of {of} {owner[of].pk} is used up" in message
    assert "An administrator can raise it" in message
    assert provider.count == 1


def test_concurrent_calls_add_up(gateway: GatewayProcess, provider: ProviderServer) -> None:
    agents = [make_agent(gateway) for _ in range(2)]
    calls = [lambda agent=agent: generate(agent) for agent in agents for _ in range(5)]

    answers = at_once(calls)

    assert [answer.status for answer in answers] == [200] * 10
    for agent in agents:
        row = Spend.objects.get(user=agent.run.user)
        assert (row.calls, row.prompt_tokens) == (5, 5 * provider.numbers.prompt)
        assert row.cost_usd == pytest.approx(agent.branch.totals.cost_usd)
        assert Budget.objects.get(batch=agent.run.batch).spent_usd == pytest.approx(row.cost_usd)


def test_alone_on_the_internet_only_listed_models_work(
    agent: TestAgent, provider: ProviderServer
) -> None:
    internet(agent)

    answer = generate(agent, "gpt-4o-mini")

    assert answer.status == 400
    branch = agent.branch
    assert branch.state == BranchState.FAILED
    assert branch.fatal_error is not None
    assert branch.fatal_error["from"] == "agent"
    assert "NON_INTERVENTION_FULL_INTERNET_MODELS" in branch.fatal_error["detail"]
    assert provider.count == 0


def test_a_model_that_only_rates_is_let_alone(agent: TestAgent, provider: ProviderServer) -> None:
    internet(agent)
    provider.numbers.logprobs = {"5": 0.0}
    content = {
        "ratingModel": "gpt-4o-mini",
        "ratingTemplate": "{{action}}?",
        "options": [{"action": one, "fixedRating": None} for one in ("look", "leap")],
        "transcript": "",
        "description": None,
    }

    answer = agent.post("rateOptions", {**agent.place, "content": content})

    assert answer.status == 200, answer.body
    assert agent.branch.state == BranchState.RUNNING
    assert provider.count == 2


def test_with_a_person_any_model_works_on_the_internet(
    gateway: GatewayProcess, provider: ProviderServer
) -> None:
    agent = make_agent(gateway, is_interactive=True)
    internet(agent)

    assert generate(agent, "gpt-4o-mini").status == 200


def test_at_a_limit_no_money_is_spent(gateway: GatewayProcess, provider: ProviderServer) -> None:
    limits = {"tokens": 130, "actions": 10, "total_seconds": 1000, "cost": 10}
    agent = make_agent(gateway, usage_limits=limits)

    answers = [generate(agent).status for _ in range(3)]

    assert answers == [200, 200, 403]
    assert provider.count == 2
    error = agent.branch.fatal_error
    assert error is not None
    assert error["from"] == "usageLimits"


def test_a_killed_branch_asks_nobody(gateway: GatewayProcess, provider: ProviderServer) -> None:
    error = {"type": "error", "from": "user", "detail": "Killed.", "trace": None}
    agent = make_agent(gateway, state=BranchState.FAILED, fatal_error=error)

    assert generate(agent).status == 403
    assert provider.count == 0


def test_a_paused_branch_asks_once_it_goes_on(agent: TestAgent, provider: ProviderServer) -> None:
    agent.post("pause", {**agent.whose, "start": now_ms(), "reason": PauseReason.PAUSE_HOOK})
    answers: list[int] = []
    waiting = threading.Thread(target=lambda: answers.append(generate(agent).status))

    waiting.start()
    waiting.join(timeout=0.3)
    heard = provider.count
    agent.post("unpause", {**agent.whose, "reason": "unpauseHook"})
    waiting.join()

    assert (heard, answers) == (0, [200])


def test_a_delegation_token_lets_a_paused_branch_ask_for_one_thing(
    agent: TestAgent, provider: ProviderServer
) -> None:
    agent.post("pause", {**agent.whose, "start": now_ms(), "reason": PauseReason.PAUSE_HOOK})
    asked = {"settings": settings(), "prompt": "Hello"}
    token = delegation.issue(run_id=agent.run.pk, number=0, data=delegation.data_of(asked))

    allowed = generate(agent, delegation_token=token)
    other = generate(agent, prompt="Something else", delegation_token=token)

    assert allowed.status == 200
    assert other.status == 500
    assert "another generation" in other.error["message"]
    assert provider.count == 1
    assert token not in str(agent.contents())
