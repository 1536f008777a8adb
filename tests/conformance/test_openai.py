"""`openai`, synchronous and asynchronous, under both trees."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from openai.types.chat import ChatCompletionChunk, ChatCompletionFunctionToolParam

from tests.conformance.newest import PERSON, WEATHER, Person
from tests.conformance.world import (
    ANTHROPIC_ONLY,
    CHAT,
    KEY,
    OPENAI_ONLY,
    REAL,
    REAL_ANTHROPIC,
    REAL_EMBEDDINGS,
    REAL_OPENAI,
    TREES,
    World,
    in_thread,
    plain,
)
from tests.support import answers, replies
from tests.support.answers import answer
from tests.support.openai_answers import GREETING, Body, Reply, Wait
from tests.support.rich_answers import RICH, RICH_PLAIN

GREET = "Say hello."
TOOL: ChatCompletionFunctionToolParam = {
    "type": "function",
    "function": {"name": "f", "description": "the weather", "parameters": WEATHER, "strict": True},
}
REAL_MODELS = [REAL, REAL_OPENAI, REAL_ANTHROPIC]


@pytest.fixture(name="client")
def _client(openai_client: AsyncOpenAI) -> AsyncOpenAI:
    return openai_client


@pytest.fixture(params=TREES)
def blocking(request: pytest.FixtureRequest, world: World) -> Iterator[OpenAI]:
    with OpenAI(base_url=world.url + request.param, api_key=KEY, max_retries=0) as client:
        yield client


# -- chat ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [CHAT, OPENAI_ONLY, ANTHROPIC_ONLY])
async def test_chat(client: AsyncOpenAI, model: str) -> None:
    answer = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": GREET}])
    assert answer.choices[0].message.content == GREETING
    assert (answer.choices[0].finish_reason, answer.model) == ("stop", model)
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert answer.id.startswith("gen-")


@pytest.mark.parametrize("model", [CHAT, ANTHROPIC_ONLY])
async def test_chat_streams_with_usage_when_asked(client: AsyncOpenAI, model: str) -> None:
    for asked in (True, False):
        stream = await client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": GREET}],
            stream=True,
            stream_options={"include_usage": asked},
        )
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == GREETING
        usage = [chunk.usage for chunk in chunks if chunk.usage is not None]
        assert [one.total_tokens > 0 for one in usage] == ([True] if asked else [])
        assert len({chunk.id for chunk in chunks}) == 1


async def test_chat_of_the_blocking_client(world: World, blocking: OpenAI) -> None:
    def talk() -> tuple[str | None, str]:
        answer = blocking.chat.completions.create(model=CHAT, messages=[{"role": "user", "content": GREET}])
        with blocking.chat.completions.stream(model=CHAT, messages=[{"role": "user", "content": GREET}]) as stream:
            stream.until_done()
            final = stream.get_final_completion()
        return answer.choices[0].message.content, final.choices[0].message.content or ""

    assert await in_thread(talk) == (GREETING, GREETING)


@pytest.mark.parametrize("model", REAL_MODELS)
async def test_chat_with_a_real_model(client: AsyncOpenAI, model: str) -> None:
    answer = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": GREET}], max_tokens=8, temperature=0
    )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 8
    stream = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": GREET}], max_tokens=8, temperature=0, stream=True
    )
    text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])
    assert text == answer.choices[0].message.content


# -- tools, structured output, reasoning ---------------------------------------------------------------------------


@pytest.mark.parametrize("model", [CHAT, ANTHROPIC_ONLY])
async def test_tools(world: World, client: AsyncOpenAI, model: str) -> None:
    api = "/messages" if model == ANTHROPIC_ONLY else "/chat/completions"
    world.script(plain(RICH_PLAIN[api][0]))
    answer = await client.chat.completions.create(
        model=model, messages=[{"role": "user", "content": "weather?"}], tools=[TOOL], parallel_tool_calls=True
    )
    choice = answer.choices[0]
    assert (choice.finish_reason, choice.message.tool_calls is not None) == ("tool_calls", True)
    assert choice.message.tool_calls
    call = choice.message.tool_calls[0]
    assert call.type == "function"
    assert (call.function.name, call.function.arguments.replace(" ", "")) == ("f", '{"a":1}')
    again = await client.chat.completions.create(
        model=model,
        messages=[
            {"role": "user", "content": "weather?"},
            {
                "role": "assistant",
                "tool_calls": [
                    {"id": call.id, "type": "function", "function": {"name": "f", "arguments": call.function.arguments}}
                ],
            },
            {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
        ],
        tools=[TOOL],
    )
    assert again.choices[0].message.content == GREETING


async def test_parallel_calls_are_streamed(world: World, client: AsyncOpenAI) -> None:
    world.script(replies.replay(RICH["/chat/completions"][0]))
    async with client.chat.completions.stream(
        model=CHAT, messages=[{"role": "user", "content": "weather?"}], tools=[TOOL]
    ) as stream:
        done = [event async for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = await stream.get_final_completion()
    assert [event.arguments for event in done] == ['{"a":1}', '{"a":2}']
    assert [call.id for call in final.choices[0].message.tool_calls or []] == ["c1", "c2"]


async def test_structured_output(world: World, client: AsyncOpenAI) -> None:
    world.script(replies.ok(PERSON))
    answer = await client.chat.completions.parse(
        model=CHAT, messages=[{"role": "user", "content": "who?"}], response_format=Person
    )
    assert answer.choices[0].message.parsed == Person(name="Ada", age=36)
    assert world.upstream.completions[0].json["response_format"]["type"] == "json_schema"


async def test_structured_output_of_a_real_model(client: AsyncOpenAI) -> None:
    answer = await client.chat.completions.parse(
        model=REAL,
        messages=[{"role": "user", "content": "Ada is 36 years old. Who?"}],
        response_format=Person,
        max_tokens=64,
        temperature=0,
    )
    assert isinstance(answer.choices[0].message.parsed, Person)


# -- completions, embeddings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [CHAT, REAL])
async def test_completions(client: AsyncOpenAI, model: str) -> None:
    answer = await client.completions.create(model=model, prompt="Once", max_tokens=8, temperature=0)
    text = ""
    stream = await client.completions.create(model=model, prompt="Once", max_tokens=8, temperature=0, stream=True)
    async for chunk in stream:
        text += "".join(choice.text for choice in chunk.choices)
    assert text == answer.choices[0].text != ""


@pytest.mark.parametrize("model", [CHAT, REAL_EMBEDDINGS])
async def test_embeddings(client: AsyncOpenAI, model: str) -> None:
    floats = await client.embeddings.create(model=model, input=["hello"], encoding_format="float")
    assert floats.model == model
    assert len(floats.data[0].embedding) == (576 if model == REAL_EMBEDDINGS else 2)
    if model == REAL_EMBEDDINGS:  # the client asks for base64 by itself, and decodes it
        packed = await client.embeddings.create(model=model, input=["hello", "there"])
        assert packed.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-6)
        assert len(packed.data) == 2


# -- models and errors ---------------------------------------------------------------------------------------------


async def test_models(client: AsyncOpenAI) -> None:
    listed = [model.id async for model in client.models.list()]
    assert {CHAT, REAL, REAL_EMBEDDINGS} <= set(listed)
    if client.base_url.path == "/v1/":  # OpenRouter's shape of one model, below /api/v1, is not OpenAI's
        assert (await client.models.retrieve(CHAT)).id == CHAT
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("nobody/knows")


async def chat(client: AsyncOpenAI, model: str = CHAT, **more: object) -> object:
    body = {"messages": [{"role": "user", "content": GREET}], **more}
    return await client.chat.completions.create(model=model, messages=[], extra_body=body)


async def test_errors_are_typed(world: World, client: AsyncOpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as wrong:
        await chat(client.with_options(api_key="sk-wrong"))
    assert wrong.value.code is not None
    with pytest.raises(openai.BadRequestError):
        await chat(client, messages="no list")
    unknown = openai.NotFoundError if client.base_url.path == "/v1/" else openai.BadRequestError
    with pytest.raises(unknown, match="nobody/knows"):
        await chat(client, "nobody/knows")
    world.script(replies.rate_limited("7"))
    with pytest.raises(openai.RateLimitError) as limited:
        await chat(client)
    assert 0 < int(limited.value.response.headers["Retry-After"]) <= 7
    world.script(replies.server_error(500))
    with pytest.raises(openai.InternalServerError) as failed:
        await chat(client, OPENAI_ONLY)
    assert failed.value.status_code == 502


async def test_a_rate_limit_is_waited_for_and_tried_again(world: World, client: AsyncOpenAI) -> None:
    world.script(replies.rate_limited("1"))
    answer = await client.with_options(max_retries=2).chat.completions.create(
        model=CHAT, messages=[{"role": "user", "content": GREET}]
    )
    assert answer.choices[0].message.content == GREETING
    assert len(world.upstream.completions) == 2


async def drained(stream: openai.AsyncStream[ChatCompletionChunk]) -> None:
    async for _ in stream:
        pass


def error_event(gate: asyncio.Event) -> Reply:
    return lambda asked: [*answer(asked).until(1), Wait(gate), Body(answers.error_event(asked, "sorry", 502))]


@pytest.mark.parametrize("broken", [error_event, lambda gate: replies.close_mid_stream(1, gate)], ids=["error", "cut"])
async def test_a_stream_that_breaks_is_an_error_and_no_end(
    world: World, client: AsyncOpenAI, broken: Callable[[asyncio.Event], Reply]
) -> None:
    gate = asyncio.Event()
    world.script(broken(gate))
    stream = await client.chat.completions.create(
        model=CHAT, messages=[{"role": "user", "content": GREET}], stream=True
    )
    while not (text := (await anext(stream)).choices[0].delta.content):
        pass
    assert GREETING.startswith(text)
    gate.set()
    with pytest.raises(openai.APIError):
        await drained(stream)


async def test_a_client_that_leaves_stops_the_model(world: World, client: AsyncOpenAI) -> None:
    gate = asyncio.Event()
    world.script(replies.ok(chunks=9, gate=gate))
    stream = await client.chat.completions.create(
        model=CHAT, messages=[{"role": "user", "content": GREET}], stream=True
    )
    async for _ in stream:
        break
    await stream.close()
    await world.upstream.disconnected()
    gate.set()
