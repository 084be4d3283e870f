"""countPromptTokens, embeddings, getPermittedModelsInfo: what else is asked about models."""

import pytest

from middleman.models import Budget, Model, Spend
from pyhooks.types import ModelInfo
from tests.gateways import GatewayProcess, TestAgent, make_agent
from tests.providers import provider, provider_server, settings
from tests.stand_ins.provider_server import ProviderServer

__all__ = ["provider", "provider_server"]


@pytest.mark.parametrize(
    ("model", "tokens", "is_estimate"),
    [("gpt-4o-mini", 3 + 3 + 1 + 3, True), ("claude-sonnet-4-5", 100, False)],
)
def test_a_prompts_tokens_are_counted(
    agent: TestAgent, provider: ProviderServer, model: str, tokens: int, *, is_estimate: bool
) -> None:
    request = {"settings": settings(model), "prompt": "Hello there"}

    answer = agent.post("countPromptTokens", {"genRequest": request})

    assert answer.value == {"tokens": tokens, "isEstimate": is_estimate}


def test_counting_needs_a_valid_request(agent: TestAgent, provider: ProviderServer) -> None:
    answer = agent.post("countPromptTokens", {"genRequest": {"settings": settings()}})

    assert answer.status == 400


def test_embeddings_pass_every_key_on(agent: TestAgent, provider: ProviderServer) -> None:
    asked = {"input": ["a", "b"], "model": "text-embedding-3-small", "dimensions": 3}

    answer = agent.post("embeddings", asked)

    assert [one["index"] for one in answer.value["data"]] == [0, 1]
    assert answer.value["model"] == "text-embedding-3-small"
    assert provider.heard[0].body == asked
    spend = Spend.objects.get(user=agent.run.user)
    totals = agent.branch.totals
    assert spend.prompt_tokens == totals.tokens == provider.numbers.prompt
    # USD for a million tokens: 0.02.
    assert spend.cost_usd == totals.cost_usd == pytest.approx(totals.tokens * 0.02 / 1e6)


def test_embeddings_count_against_the_limits(
    gateway: GatewayProcess, provider: ProviderServer
) -> None:
    limits = {"tokens": 130, "actions": 10, "total_seconds": 1000, "cost": 10}
    agent = make_agent(gateway, usage_limits=limits)

    answers = [agent.post("embeddings", {"input": "a"}).status for _ in range(3)]

    assert answers == [200, 200, 403]
    assert provider.count == 2


def test_embeddings_need_an_input(agent: TestAgent, provider: ProviderServer) -> None:
    answer = agent.post("embeddings", {"model": "text-embedding-3-small"})

    assert answer.status == 400
    assert provider.count == 0


def test_embeddings_are_paid_from_the_budget(agent: TestAgent, provider: ProviderServer) -> None:
    Budget.objects.create(user=agent.run.user, limit_usd=0)

    assert agent.post("embeddings", {"input": "a"}).status == 403
    assert provider.count == 0


def test_permitted_models_parse_in_pyhooks(agent: TestAgent, provider: ProviderServer) -> None:
    Model.objects.update_or_create(
        name="gpt-4o-listed", defaults={"has_vision": True, "tokens_per_minute": 1000}
    )

    listed = agent.get("getPermittedModelsInfo", {}).value

    infos = {info["name"]: ModelInfo.model_validate(info) for info in listed}
    assert infos["gpt-4o-listed"].vision
    assert infos["gpt-4o-listed"].limits == {"RPM": None, "TPM": 1000, "TPD": None}
    assert {"builtin/echo", "claude-sonnet-4-5", "gpt-4o-mini"} <= set(infos)
    assert infos["gpt-4o-mini"].context_length == 128000
    assert all(
        {"lab", "name_in_lab", "context_length", "concurrency_limit"} <= set(i) for i in listed
    )
