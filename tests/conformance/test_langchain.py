"""`langchain-openai`: chat models and embeddings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, SecretStr

from tests.conformance.newest import PERSON
from tests.conformance.world import ANTHROPIC_ONLY, CHAT, KEY, REAL, REAL_ANTHROPIC, REAL_EMBEDDINGS, World, in_thread
from tests.support import replies
from tests.support.openai_answers import GREETING, json_head
from tests.support.rich_answers import RICH, RICH_PLAIN


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


@tool
def f(a: int) -> int:
    """Gives the number."""
    return a


class Chats:
    """Makes chat models, and closes their connections, which LangChain leaves to the garbage collector."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: list[ChatOpenAI] = []

    def __call__(self, model: str, **more: object) -> ChatOpenAI:
        own = {"model": model, "base_url": f"{self._world.url}/v1", "api_key": SecretStr(KEY), "max_retries": 0}
        self._made.append(ChatOpenAI.model_validate(own | more))
        return self._made[-1]

    async def close(self) -> None:
        for model in self._made:
            await model.root_async_client.close()
            model.root_client.close()


@pytest.fixture
async def chats(world: World) -> AsyncIterator[Chats]:
    chats = Chats(world)
    yield chats
    await chats.close()


@pytest.fixture
def model(chats: Chats) -> ChatOpenAI:
    return chats(CHAT)


@pytest.mark.parametrize("name", [CHAT, ANTHROPIC_ONLY, REAL, REAL_ANTHROPIC])
async def test_invoke_and_stream(chats: Chats, name: str) -> None:
    model = chats(name, max_tokens=8, temperature=0)
    answer = await model.ainvoke("Say hello.")
    assert answer.text
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] > 0
    whole: AIMessageChunk | None = None
    async for piece in model.astream("Say hello."):
        assert isinstance(piece, AIMessageChunk)
        whole = piece if whole is None else whole + piece
    assert whole is not None
    assert whole.text == answer.text


async def test_invoke_blocking(model: ChatOpenAI) -> None:
    assert await in_thread(lambda: model.invoke("Say hello.").text) == GREETING


@pytest.mark.parametrize("name", [CHAT, ANTHROPIC_ONLY])
async def test_tools(world: World, chats: Chats, name: str) -> None:
    api = "/chat/completions" if name == CHAT else "/messages"
    body = RICH_PLAIN[api][0]
    world.script(replies.replay(body, head=json_head(body)))
    answer = await chats(name).bind_tools([f]).ainvoke("call it")
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("f", {"a": 1})]


async def test_parallel_calls_are_streamed(world: World, model: ChatOpenAI) -> None:
    world.script(replies.replay(RICH["/chat/completions"][0]))
    whole: AIMessageChunk | None = None
    async for piece in model.bind_tools([f]).astream("call it"):
        assert isinstance(piece, AIMessageChunk)
        whole = piece if whole is None else whole + piece
    assert whole is not None
    assert [call["args"] for call in whole.tool_calls] == [{"a": 1}, {"a": 2}]


async def test_structured_output(world: World, model: ChatOpenAI) -> None:
    world.script(replies.ok(PERSON))
    assert await model.with_structured_output(Person).ainvoke("who?") == Person(name="Ada", age=36)


async def test_responses(chats: Chats) -> None:
    model = chats(CHAT, use_responses_api=True)
    assert (await model.ainvoke("Say hello.")).text == GREETING
    pieces = [piece.text async for piece in model.astream("Say hello.")]
    assert "".join(pieces) == GREETING


async def test_embeddings(world: World) -> None:
    own = {"model": REAL_EMBEDDINGS, "base_url": f"{world.url}/v1", "api_key": KEY, "check_embedding_ctx_length": False}
    embeddings = OpenAIEmbeddings.model_validate(own)
    one, two = await embeddings.aembed_documents(["hello", "there"])
    assert len(one) == len(two) == 576
    assert await embeddings.aembed_query("hello") == pytest.approx(one, abs=0.02)
    await embeddings.async_client._client.close()
