"""Streams of both APIs as bytes, run through a translator, and read as the newest SDKs read them. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pydantic
from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import ParsedMessage, RawMessageStreamEvent
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletionChunk
from tieline_router.apis import CHAT, MESSAGES, Dialect, PathTree
from tieline_router.streaming.form import Cost, Stamp
from tieline_router.streaming.sse import Event, SseDecoder, encode_event
from tieline_router.translate.translated import EventTranslator

CREATED = 1_700_000_000
_stream_event: pydantic.TypeAdapter[RawMessageStreamEvent] = pydantic.TypeAdapter(RawMessageStreamEvent)


def chat_stamp(tree: PathTree = "openai", *, usage: bool = True) -> Stamp:
    cost = Cost(0.5, 0.2, 0.3)
    return Stamp(Dialect(tree, CHAT), "gen-1", "org/model", "Pool", CREATED, usage=usage, cost=lambda _usage: cost)


def messages_stamp(tree: PathTree = "openai") -> Stamp:
    return Stamp(Dialect(tree, MESSAGES), "gen-1", "org/model", "Pool", CREATED)


def messages_stream(*events: dict[str, Any]) -> bytes:
    """What an Anthropic provider sends."""
    return b"".join(encode_event(json.dumps(event).encode(), event["type"]) for event in events)


def chat_stream(*chunks: dict[str, Any]) -> bytes:
    """What a chat provider sends, with its terminator."""
    return b"".join(encode_event(json.dumps(chunk).encode()) for chunk in chunks) + b"data: [DONE]\n\n"


def run(translator: EventTranslator, pieces: Iterable[bytes]) -> bytes:
    """All that the client gets; the provider's terminator is the observer's and never comes here."""
    decoder = SseDecoder()
    out = bytearray()
    for piece in pieces:
        for event in decoder.feed(piece):
            if event.data != b"[DONE]":
                out += translator.take(event)
    return bytes(out) + translator.end()


def events(stream: bytes) -> list[Event]:
    return SseDecoder().feed(stream)


def as_chat(stream: bytes) -> tuple[list[dict[str, Any]], Any]:
    """The chunks, and what OpenAI's SDK makes of them all; checks the terminator and every shape."""
    *chunks, done = events(stream)
    assert done.data == b"[DONE]"
    state: Any = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate_json(chunk.data))
    return [json.loads(chunk.data) for chunk in chunks], state.current_completion_snapshot


def as_message(stream: bytes) -> tuple[list[dict[str, Any]], Any]:
    """The events, and the message that Anthropic's SDK makes of them; checks order, names and every shape."""
    found = [json.loads(event.data) for event in events(stream)]
    assert [event.name for event in events(stream)] == [event["type"] for event in found]
    assert found[0]["type"] == "message_start"
    assert [event["type"] for event in found[-2:]] == ["message_delta", "message_stop"]
    snapshot: ParsedMessage[Any] | None = None
    buffers: dict[int, bytes] = {}
    open_block: int | None = None
    for event in found:
        kind = event["type"]
        if kind == "content_block_start":
            assert open_block is None
            open_block = event["index"]
        elif kind.startswith("content_block"):
            assert event["index"] == open_block
            open_block = None if kind == "content_block_stop" else open_block
        snapshot = accumulate_event(
            event=_stream_event.validate_python(event), current_snapshot=snapshot, json_bufs=buffers
        )
    assert open_block is None
    return found, snapshot
