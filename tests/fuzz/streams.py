"""Answers of providers: any bytes, cut anywhere, become a complete answer or a failure, and never both.

For every pair of client's and provider's API: what reaches the client does not depend on the cuts, is server-sent
events of JSON, has the success terminator if and only if the answer is complete, and no buffer grows beyond its bound.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec
from tieline_router.apis import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES, TRANSLATIONS, Operation, PathTree
from tieline_router.streaming.form import Whole
from tieline_router.streaming.forms import form
from tieline_router.streaming.observe import Failure
from tieline_router.streaming.sse import Event, SseDecoder
from tieline_router.streaming.stream import HOLD_BACK_BYTES, Stream

from tests.fuzz.choices import Choices, made
from tests.support import replies
from tests.support.openai_answers import Asked
from tests.support.rich_answers import RICH, RICH_PLAIN
from tests.support.transcripts import Result, body, relay, stamp

_STREAMED: Final = (CHAT, COMPLETIONS, RESPONSES, MESSAGES)
_PLAIN: Final = (*_STREAMED, EMBEDDINGS)


def _providers(client: Operation) -> tuple[Operation, ...]:
    """Who may answer this client; its own API first."""
    return (client, *TRANSLATIONS.get(client, ()))


_TREES: Final[tuple[PathTree, ...]] = ("openai", "openrouter")
_LIMITS: Final = (1 << 20, 1 << 20, 1 << 20, 512)
"""Of one event."""
_ECHO: Final = msgspec.Raw(b'{"model":"m","input":"i","tools":[],"metadata":{"a":"b"}}')
_SENT: Final = 4096
"""Pieces of a stream are a read of a socket each."""


def streams(data: bytes) -> None:
    """Feeds a provider's stream in two cuts and compares."""
    choices = Choices(data)
    client = choices.pick(_STREAMED)
    provider = choices.pick(_providers(client))
    ours = stamp(client, choices.pick(_TREES), usage=choices.pick((True, False)), choices=choices.pick((1, 2)))
    if client is RESPONSES:
        ours = ours._replace(echo=_ECHO)
    limit = choices.pick(_LIMITS)
    made_ = form(client, provider)
    whole = relay(made_, ours, [choices.payload], limit)
    cut = relay(made_, ours, choices.pieces(choices.payload), limit)
    assert cut == whole, f"another cut, another answer:\n{cut}\n{whole}"
    check_client_side(client, whole)
    stream = made_.stream(ours, limit)
    assert isinstance(stream, Stream)
    for start in range(0, len(choices.payload), _SENT):
        if stream.ended or stream.failure is not None:
            break
        stream.feed(choices.payload[start : start + _SENT])
        _check_bounds(stream, limit)


def _check_bounds(stream: Stream, limit: int) -> None:
    decoder = stream._decoder
    assert len(decoder._line) <= limit + _SENT
    assert len(decoder._data or b"") <= limit + _SENT
    assert len(stream._held) <= HOLD_BACK_BYTES + 16 * _SENT


def check_client_side(client: Operation, result: Result) -> None:
    """What the client got is well-formed, and its end tells the truth."""
    decoder = SseDecoder(1 << 30)
    events = decoder.feed(result.client)
    assert decoder.idle or not result.client, "the last event is whole"
    ends = [place for place, event in enumerate(events) if is_terminator(client, event)]
    if result.failure is None:
        assert ends == [len(events) - 1], "one terminator, at the end"
    else:
        assert not ends, "a success was told of an answer that failed"
    for event in events:
        if event.data != b"[DONE]":
            event.data.decode()
            json.loads(event.data)


def is_terminator(client: Operation, event: Event) -> bool:
    """The event says that the answer came to its end as it should."""
    if client is CHAT or client is COMPLETIONS:
        return event.data == b"[DONE]"
    if client is MESSAGES:
        return event.name == "message_stop"
    return event.name in {"response.completed", "response.incomplete"}


def answers(data: bytes) -> None:
    """Reads a plain answer of any bytes."""
    choices = Choices(data)
    client = choices.pick(_PLAIN)
    provider = choices.pick(_providers(client))
    ours = stamp(client, choices.pick(_TREES), choices=choices.pick((1, 2)))
    if client is RESPONSES:
        ours = ours._replace(echo=_ECHO)
    found = form(client, provider).whole(ours, choices.payload)
    if isinstance(found, Failure):
        assert found.detail
        return
    assert isinstance(found, Whole)
    found.body.decode()
    told: Any = json.loads(found.body)
    assert isinstance(told, dict)
    if client is not EMBEDDINGS:
        assert told["id"] == ours.generation_id
    assert told["model"] == ours.model


_FAULTS: Final = (
    replies.ok(), replies.missing_done(), replies.missing_finish_reason(), replies.truncated(), replies.empty_answer(),
    replies.error_in_stream(1), replies.garbage_event(1), replies.cut_json_event(1), replies.comments_only(),
)  # fmt: skip


def _pairs(clients: Sequence[Operation]) -> Iterator[tuple[int, int, Operation]]:
    """The two decisions that name a pair, and the provider's operation."""
    for number, client in enumerate(clients):
        for place, provider in enumerate(_providers(client)):
            yield number, place, provider


def stream_seeds() -> Iterator[bytes]:
    """Every fault of every API for every pair, and one stream with tools and reasoning each."""
    for client, place, provider in _pairs(_STREAMED):
        asked = Asked("m", stream=True, include_usage=True, prompt_characters=9, path=provider.path)
        for number, fault in enumerate(_FAULTS):
            yield made(body(fault, asked), client, place, number, number // 2, 0, number % 4, number)
        for payload in RICH.get(provider.path, ()):
            yield made(payload, client, place, 0, 0, 0, 0, 7)


def answer_seeds() -> Iterator[bytes]:
    for client, place, provider in _pairs(_PLAIN):
        asked = Asked("m", prompt_characters=9, path=provider.path)
        for tree, fault in enumerate((replies.ok(), replies.error_in_ok(), replies.missing_finish_reason())):
            yield made(body(fault, asked), client, place, tree % 2)
        for payload in RICH_PLAIN.get(provider.path, ()):
            yield made(payload, client, place, 1)
