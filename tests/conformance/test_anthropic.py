"""`anthropic`, synchronous and asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import anthropic
import pytest
from anthropic import Anthropic, AsyncAnthropic
from anthropic.types import MessageParam, ToolParam

from tests.conformance.newest import WEATHER
from tests.conformance.world import (
    ANTHROPIC_ONLY,
    CHAT,
    KEY,
    OPENAI_ONLY,
    REAL,
    REAL_ANTHROPIC,
    REAL_OPENAI,
    World,
    in_thread,
    plain,
)
from tests.support import answers, replies
from tests.support.answers import answer
from tests.support.openai_answers import GREETING, Body, Wait
from tests.support.rich_answers import RICH, RICH_PLAIN

GREET: list[MessageParam] = [{"role": "user", "content": "Say hello."}]
COLD = {"temperature": 0}
"""The newest client has no argument for it any more."""
TOOL: ToolParam = {"name": "f", "description": "the weather", "input_schema": WEATHER}


@pytest.fixture(params=["", "/api"])
async def client(request: pytest.FixtureRequest, world: World) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=world.url + request.param, api_key=KEY, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", [CHAT, ANTHROPIC_ONLY, OPENAI_ONLY])
async def test_messages(client: AsyncAnthropic, model: str) -> None:
    message = await client.messages.create(model=model, messages=GREET, max_tokens=100, system="Be brief.")
    (block,) = message.content
    assert block.type == "text"
    assert (block.text, message.stop_reason, message.model) == (GREETING, "end_turn", model)
    assert message.id.startswith("gen-")
    assert message.usage.output_tokens > 0


@pytest.mark.parametrize("model", [CHAT, OPENAI_ONLY])
async def test_messages_stream(client: AsyncAnthropic, model: str) -> None:
    async with client.messages.stream(model=model, messages=GREET, max_tokens=100) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        message = await stream.get_final_message()
    assert text == GREETING
    assert (message.stop_reason, message.usage.output_tokens > 0) == ("end_turn", True)


async def test_messages_of_the_blocking_client_with_a_bearer_token(world: World) -> None:
    def talk() -> tuple[str, str]:
        with Anthropic(base_url=world.url, auth_token=KEY, max_retries=0) as client:
            block = client.messages.create(model=CHAT, messages=GREET, max_tokens=100).content[0]
            assert block.type == "text"
            with client.messages.stream(model=CHAT, messages=GREET, max_tokens=100) as stream:
                return block.text, stream.get_final_text()

    assert await in_thread(talk) == (GREETING, GREETING)


@pytest.mark.parametrize("model", [REAL, REAL_ANTHROPIC, REAL_OPENAI])
async def test_messages_of_a_real_model(client: AsyncAnthropic, model: str) -> None:
    message = await client.messages.create(model=model, messages=GREET, max_tokens=8, extra_body=COLD)
    async with client.messages.stream(model=model, messages=GREET, max_tokens=8, extra_body=COLD) as stream:
        text = await stream.get_final_text()
        usage = (await stream.get_final_message()).usage
    block = message.content[0]
    assert block.type == "text"
    assert text == block.text != ""
    assert message.stop_reason == "max_tokens"
    assert 0 < usage.output_tokens <= 8


@pytest.mark.parametrize("model", [CHAT, OPENAI_ONLY])
async def test_tools(world: World, client: AsyncAnthropic, model: str) -> None:
    api = "/messages" if model == CHAT else "/chat/completions"
    world.script(plain(RICH_PLAIN[api][0]), replies.replay(RICH[api][0]))
    message = await client.messages.create(model=model, messages=GREET, max_tokens=100, tools=[TOOL])
    assert message.stop_reason == "tool_use"
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("f", {"a": 1})
    async with client.messages.stream(model=model, messages=GREET, max_tokens=100, tools=[TOOL]) as stream:
        streamed = await stream.get_final_message()
    inputs = [block.input for block in streamed.content if block.type == "tool_use"]
    assert inputs == ([{}] if model == CHAT else [{"a": 1}, {"a": 2}])
    results: list[MessageParam] = [
        *GREET,
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]},
    ]
    again = await client.messages.create(model=model, messages=results, max_tokens=100, tools=[TOOL])
    assert again.content[-1].type == "text"


@pytest.mark.parametrize("model", [CHAT, OPENAI_ONLY])
async def test_thinking(world: World, client: AsyncAnthropic, model: str) -> None:
    api = "/messages" if model == CHAT else "/chat/completions"
    world.script(replies.replay(RICH[api][0]))
    async with client.messages.stream(
        model=model, messages=GREET, max_tokens=2048, thinking={"type": "enabled", "budget_tokens": 1024}
    ) as stream:
        message = await stream.get_final_message()
    thoughts = [block for block in message.content if block.type == "thinking"]
    assert "".join(block.thinking for block in thoughts).startswith("why")
    if model == CHAT:
        assert thoughts[0].signature == "s"


async def test_tokens_are_counted_by_the_model_server_or_not_at_all(client: AsyncAnthropic) -> None:
    counted = await client.messages.count_tokens(model=REAL_ANTHROPIC, messages=GREET)
    assert counted.input_tokens > 5
    for model in (OPENAI_ONLY,):
        with pytest.raises(anthropic.NotFoundError):
            await client.messages.count_tokens(model=model, messages=GREET)


async def test_models(world: World) -> None:
    async with AsyncAnthropic(base_url=world.url, api_key=KEY, max_retries=0) as client:
        listed = [model async for model in client.models.list()]
        assert {CHAT, REAL} <= {model.id for model in listed}
        assert {model.type for model in listed} == {"model"}
        assert (await client.models.retrieve(CHAT)).id == CHAT
        with pytest.raises(anthropic.NotFoundError):
            await client.models.retrieve("nobody/knows")


async def test_errors_are_typed(world: World, client: AsyncAnthropic) -> None:
    async def ask(client: AsyncAnthropic, model: str = CHAT, tokens: int = 100) -> None:
        await client.messages.create(model=model, messages=GREET, max_tokens=tokens)

    with pytest.raises(anthropic.AuthenticationError):
        await ask(client.with_options(api_key="sk-wrong"))
    with pytest.raises(anthropic.BadRequestError, match="max_tokens"):
        await ask(client, tokens=-1)
    with pytest.raises((anthropic.NotFoundError, anthropic.BadRequestError), match="nobody/knows"):
        await ask(client, "nobody/knows")
    world.script(replies.rate_limited("7"))
    with pytest.raises(anthropic.RateLimitError) as limited:
        await ask(client)
    assert 0 < int(limited.value.response.headers["Retry-After"]) <= 7
    world.script(replies.server_error(500))
    with pytest.raises(anthropic.InternalServerError):
        await ask(client, ANTHROPIC_ONLY)
    world.script(replies.rate_limited("1"))
    await ask(client.with_options(max_retries=2), OPENAI_ONLY)


@pytest.mark.parametrize("model", [CHAT, OPENAI_ONLY])
async def test_an_error_inside_a_stream_is_raised(world: World, client: AsyncAnthropic, model: str) -> None:
    gate = asyncio.Event()
    world.script(lambda asked: [*answer(asked).until(1), Wait(gate), Body(answers.error_event(asked, "sorry", 529))])
    async with client.messages.stream(model=model, messages=GREET, max_tokens=100) as stream:
        text = await anext(aiter(stream.text_stream))
        assert GREETING.startswith(text)
        gate.set()
        with pytest.raises(anthropic.APIError):
            await stream.until_done()
