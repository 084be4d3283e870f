"""A remote gateway in the providers' place, and a server that asks none at all."""

from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

from tests.gateways import GatewayProcess, TestAgent, make_agent, new_gateway
from tests.llm import CLAUDE, GPT, HELLO, anthropic_of, generations, openai_of
from tests.providers import generate
from tests.stand_ins.provider_server import ProviderServer

pytestmark = pytest.mark.usefixtures("transactional_db")

TOKEN = "access-token-of-this-server"


def started(redis_url: str, **environment: str) -> Iterator[GatewayProcess]:
    process = new_gateway(redis_url)
    process.environment |= environment
    process.start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def remote(
    django_db_setup: None, redis_url: str, providers: ProviderServer
) -> Iterator[GatewayProcess]:
    yield from started(
        redis_url,
        VIVARIA_MIDDLEMAN_TYPE="remote",
        MIDDLEMAN_API_URL=providers.url,
        ACCESS_TOKEN=TOKEN,
        OPENAI_API_URL="http://127.0.0.1:9",
    )


@pytest.fixture(scope="module")
def noop(
    django_db_setup: None, redis_url: str, providers: ProviderServer
) -> Iterator[GatewayProcess]:
    yield from started(redis_url, VIVARIA_MIDDLEMAN_TYPE="noop", OPENAI_API_URL=providers.url)


def by_generate(agent: TestAgent, model: str) -> Any:
    return generate(agent, model).value["outputs"]


def by_openai(agent: TestAgent, model: str) -> Any:
    return openai_of(agent).chat.completions.create(model=model, messages=HELLO).choices


def by_anthropic(agent: TestAgent, model: str) -> Any:
    answer = anthropic_of(agent).messages.create(model=model, messages=HELLO, max_tokens=9)
    return answer.content


@pytest.mark.parametrize(
    ("ask", "model", "path"),
    [
        (by_generate, GPT, "/openai/v1/chat/completions"),
        (by_generate, CLAUDE, "/anthropic/v1/messages"),
        (by_openai, "a-model-of-the-remote", "/openai/v1/chat/completions"),
        (by_anthropic, CLAUDE, "/anthropic/v1/messages"),
    ],
    ids=["generate-gpt", "generate-claude", "openai", "anthropic"],
)
@pytest.mark.parametrize("is_low", [True, False], ids=["low", "high"])
def test_a_remote_gateway_hears_the_servers_token_and_the_runs_priority(
    remote: GatewayProcess,
    provider: ProviderServer,
    ask: Callable[[TestAgent, str], Any],
    model: str,
    path: str,
    *,
    is_low: bool,
) -> None:
    agent = make_agent(remote)
    agent.run.is_low_priority = is_low
    agent.run.save(update_fields=["is_low_priority"])

    assert ask(agent, model)

    heard = provider.heard[-1]
    assert (heard.path, heard.key) == (path, TOKEN)
    assert heard.headers["x-middleman-priority"] == ("low" if is_low else "high")
    assert TOKEN not in str(generations(agent))


def test_a_server_without_models_says_so(noop: GatewayProcess, provider: ProviderServer) -> None:
    agent = make_agent(noop)

    refused = generate(agent, GPT)
    with pytest.raises(openai.PermissionDeniedError) as of_sdk:
        by_openai(agent, GPT)
    with pytest.raises(openai.PermissionDeniedError) as of_own_key:
        openai_of(agent, "sk-my-own").chat.completions.create(model=GPT, messages=HELLO)

    assert refused.status == 403
    for said in (refused.error["message"], str(of_sdk.value), str(of_own_key.value)):
        assert "VIVARIA_MIDDLEMAN_TYPE is noop" in said
    assert provider.count == 0
    assert not generations(agent)


def test_a_server_without_models_has_its_own(noop: GatewayProcess) -> None:
    assert generate(make_agent(noop), "builtin/echo", prompt="Hi").value["outputs"]
