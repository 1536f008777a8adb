"""Feeds translators between OpenAI's two APIs and reads what they give, with the official library's own types."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter
from tieline_router.apis import CHAT, RESPONSES, Dialect, PathTree
from tieline_router.streaming.form import Cost, Stamp
from tieline_router.streaming.sse import Event, SseDecoder
from tieline_router.streaming.usage import Usage
from tieline_router.translate.translated import EventTranslator, Translated

Json = dict[str, Any]

_event: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def fields(body: Json) -> dict[str, msgspec.Raw]:
    """A request as `wire` reads it."""
    return msgspec.json.decode(msgspec.json.encode(body), type=dict[str, msgspec.Raw])


def body(translated: Translated) -> Json:
    """A translated request as its provider reads it."""
    found: Json = json.loads(msgspec.json.encode(translated.fields))
    return found


def chat_stamp(tree: PathTree = "openai", *, usage: bool = True, cost: Cost | None = None) -> Stamp:
    dialect = Dialect(tree, CHAT)
    return Stamp(dialect, "gen-1", "author/slug", "Pool", 1000, usage=usage, cost=lambda _usage: cost)


def responses_stamp(request: Json | None = None, tree: PathTree = "openai", cost: Cost | None = None) -> Stamp:
    def price(_usage: Usage) -> Cost | None:
        return cost

    echo = msgspec.Raw(msgspec.json.encode(request)) if request is not None else None
    return Stamp(Dialect(tree, RESPONSES), "gen-1", "author/slug", "Pool", 1000, cost=price, echo=echo)


def transcript(translator: EventTranslator, events: Iterable[Json]) -> bytes:
    """What a client gets for a whole stream of a provider."""
    data = (Event(msgspec.json.encode(event), str(event.get("type", ""))) for event in events)
    return b"".join([translator.take(event) for event in data]) + translator.end()


def chunks(stream: bytes) -> list[Json]:
    """The chunks of a chat stream, each as the official library takes it, without the terminator that must be there."""
    *found, done = SseDecoder().feed(stream)
    assert done.data == b"[DONE]"
    for event in found:
        ChatCompletionChunk.model_validate_json(event.data, strict=True)
    return [json.loads(event.data) for event in found]


def response_events(stream: bytes) -> list[Json]:
    """The events of a Responses stream: each named by its type, each as the official library takes it, numbered without
    a gap."""
    found = SseDecoder().feed(stream)
    for event in found:
        _event.validate_json(event.data)
    events = [json.loads(event.data) for event in found]
    assert [event.name for event in found] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def completion(answer: bytes) -> Json:
    ChatCompletion.model_validate_json(answer, strict=True)
    found: Json = json.loads(answer)
    return found


def response(answer: bytes) -> Json:
    Response.model_validate_json(answer)
    found: Json = json.loads(answer)
    return found
