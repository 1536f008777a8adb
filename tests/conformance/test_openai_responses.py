"""Responses of `openai`, under both trees."""

from __future__ import annotations

import asyncio

import openai
import pytest
from openai import AsyncOpenAI
from openai.types.responses import FunctionToolParam

from tests.conformance.newest import PERSON, WEATHER, Person
from tests.conformance.world import CHAT, OPENAI_ONLY, REAL, REAL_OPENAI, World, plain
from tests.support import replies
from tests.support.openai_answers import GREETING
from tests.support.rich_answers import RICH, RICH_PLAIN

GREET = "Say hello."
RESPONSES_TOOL: FunctionToolParam = {"type": "function", "name": "f", "parameters": WEATHER, "strict": True}


@pytest.fixture(name="client")
def _client(openai_client: AsyncOpenAI) -> AsyncOpenAI:
    return openai_client


@pytest.mark.parametrize("model", [CHAT, OPENAI_ONLY, REAL_OPENAI])
async def test_responses(client: AsyncOpenAI, model: str) -> None:
    answer = await client.responses.create(model=model, input=GREET, max_output_tokens=64, temperature=0, store=False)
    assert answer.id.startswith("gen-")
    assert answer.output_text
    assert answer.usage is not None
    assert answer.usage.output_tokens > 0
    text = ""
    async with client.responses.stream(model=model, input=GREET, max_output_tokens=64, temperature=0) as stream:
        kinds = []
        async for event in stream:
            kinds.append(event.type)
            if event.type == "response.output_text.delta":
                text += event.delta
        final = await stream.get_final_response()
    assert kinds[0] == "response.created"
    assert text == final.output_text == answer.output_text


async def test_responses_of_a_real_model_that_speaks_them(client: AsyncOpenAI) -> None:
    answer = await client.responses.create(model=REAL, input=GREET, max_output_tokens=8, temperature=0)
    stream = await client.responses.create(model=REAL, input=GREET, max_output_tokens=8, temperature=0, stream=True)
    events = [event async for event in stream]  # llama.cpp leaves out what the client's accumulating helper needs
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == answer.output_text != ""
    assert events[-1].type in {"response.completed", "response.incomplete"}


@pytest.mark.parametrize("model", [CHAT, OPENAI_ONLY])
async def test_responses_call_tools(world: World, client: AsyncOpenAI, model: str) -> None:
    api = "/responses" if model == CHAT else "/chat/completions"
    world.script(plain(RICH_PLAIN[api][0]), replies.replay(RICH[api][0]))
    answer = await client.responses.create(model=model, input="weather?", tools=[RESPONSES_TOOL])
    (call,) = [item for item in answer.output if item.type == "function_call"]
    assert call.name == "f"
    async with client.responses.stream(model=model, input="weather?", tools=[RESPONSES_TOOL]) as stream:
        final = await stream.get_final_response()
    assert {item.type for item in final.output} >= {"function_call"}
    again = await client.responses.create(
        model=model,
        input=[
            {"role": "user", "content": "weather?"},
            {"type": "function_call", "call_id": call.call_id, "name": "f", "arguments": call.arguments},
            {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"},
        ],
        tools=[RESPONSES_TOOL],
    )
    assert again.output_text == GREETING


@pytest.mark.parametrize("model", [CHAT, OPENAI_ONLY])
async def test_responses_are_parsed(world: World, client: AsyncOpenAI, model: str) -> None:
    world.script(replies.ok(PERSON))
    answer = await client.responses.parse(model=model, input="who?", text_format=Person)
    assert answer.output_parsed == Person(name="Ada", age=36)


async def test_responses_are_not_stored(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="store"):
        await client.responses.create(model=CHAT, input=GREET, store=True)
    with pytest.raises(openai.BadRequestError, match="previous_response_id"):
        await client.responses.create(model=CHAT, input=GREET, previous_response_id="resp_1")
    with pytest.raises(openai.NotFoundError, match="stored"):
        await client.responses.retrieve("resp_1")


async def test_a_response_that_breaks_has_failed(world: World, client: AsyncOpenAI) -> None:
    gate = asyncio.Event()
    world.script(replies.close_mid_stream(1, gate))
    stream = await client.responses.create(model=CHAT, input=GREET, stream=True)
    events = [await anext(stream)]
    gate.set()
    events += [event async for event in stream]
    assert events[-1].type == "response.failed"
    assert [event.sequence_number for event in events] == list(range(len(events)))
