"""`openrouter`, the official and strict client, under `/api/v1`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from openrouter import OpenRouter, errors
from openrouter.components import ChatMessages, ChatStreamChunk, ChatUserMessage
from openrouter.utils.eventstreaming import EventStreamAsync

from tests.conformance.newest import ITS_OWN_WARNINGS
from tests.conformance.world import ANTHROPIC_ONLY, CHAT, KEY, REAL, World, in_thread
from tests.support import answers, replies
from tests.support.answers import answer
from tests.support.openai_answers import GREETING, Body, Wait
from tests.support.rich_answers import RICH

pytestmark = pytest.mark.filterwarnings(ITS_OWN_WARNINGS)
GREET: list[ChatMessages] = [ChatUserMessage(role="user", content="Say hello.")]


@pytest.fixture
async def client(world: World) -> AsyncIterator[OpenRouter]:
    async with OpenRouter(api_key=KEY, server_url=f"{world.url}/api/v1", retry_config=None) as client:
        yield client


@pytest.mark.parametrize("model", [CHAT, ANTHROPIC_ONLY, REAL])
async def test_chat(client: OpenRouter, model: str) -> None:
    found = await client.chat.send_async(model=model, messages=GREET, max_tokens=8)
    assert found.choices[0].message.content
    assert found.model == model
    assert found.id.startswith("gen-")
    assert found.usage is not None
    assert found.usage.completion_tokens > 0


async def stream_of(client: OpenRouter, model: str) -> EventStreamAsync[ChatStreamChunk]:
    found = await client.chat.send_async(model=model, messages=GREET, max_tokens=8, stream=True)
    assert isinstance(found, EventStreamAsync)
    return found


@pytest.mark.parametrize("model", [CHAT, ANTHROPIC_ONLY, REAL])
async def test_chat_streams(client: OpenRouter, model: str) -> None:
    async with await stream_of(client, model) as stream:
        chunks = [chunk async for chunk in stream]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None


async def test_chat_of_the_blocking_client(world: World) -> None:
    def talk() -> object:
        with OpenRouter(api_key=KEY, server_url=f"{world.url}/api/v1") as client:
            return client.chat.send(model=CHAT, messages=GREET).choices[0].message.content

    assert await in_thread(talk) == GREETING


async def test_tools_are_streamed(world: World, client: OpenRouter) -> None:
    world.script(replies.replay(RICH["/chat/completions"][0]))
    async with await stream_of(client, CHAT) as stream:
        calls = [call async for chunk in stream for choice in chunk.choices for call in choice.delta.tool_calls or ()]
    assert {call.index for call in calls} == {0, 1}


async def test_an_error_inside_a_stream_is_a_chunk(world: World, client: OpenRouter) -> None:
    gate = asyncio.Event()
    world.script(lambda asked: [*answer(asked).until(1), Wait(gate), Body(answers.error_event(asked, "sorry", 502))])
    chunks = []
    async with await stream_of(client, CHAT) as stream:
        async for chunk in stream:
            chunks.append(chunk)
            gate.set()
    assert chunks[-1].error is not None
    assert chunks[-1].error.code == 502
    assert chunks[-1].choices[0].finish_reason == "error"


async def test_models_and_endpoints(client: OpenRouter) -> None:
    listed = await client.models.list_async()
    assert listed is not None
    assert {CHAT, REAL} <= {model.id for model in listed.result.data}
    found = await client.endpoints.list_async(author="acme", slug="chat")
    assert found.data.id == CHAT
    assert [endpoint.provider_name for endpoint in found.data.endpoints] == ["acme-chat"]
    assert [provider.slug for provider in (await client.providers.list_async()).data]


async def test_a_generation_is_found_again(client: OpenRouter) -> None:
    made = await client.chat.send_async(model=CHAT, messages=GREET)
    found = (await client.generations.get_generation_async(id=made.id)).data
    assert (found.id, found.model) == (made.id, CHAT)


async def test_errors_are_typed(client: OpenRouter) -> None:
    with pytest.raises(errors.BadRequestResponseError, match="nobody/knows"):
        await client.chat.send_async(model="nobody/knows", messages=GREET)
    async with OpenRouter(api_key="sk-wrong", server_url=str(client.sdk_configuration.server_url)) as stranger:
        with pytest.raises(errors.UnauthorizedResponseError):
            await stranger.chat.send_async(model=CHAT, messages=GREET)


async def test_what_is_not_metered_is_null_and_not_made_up(client: OpenRouter) -> None:
    """The contract has numbers there, and its client knows no null: it says so, with the answer in its error."""
    with pytest.raises(errors.ResponseValidationError, match="usage_monthly") as key:
        await client.api_keys.get_current_key_metadata_async()
    assert json.loads(key.value.body)["data"]["label"] == "default/team key-0"
    with pytest.raises(errors.ResponseValidationError, match="total_credits"):
        await client.credits.get_credits_async()
