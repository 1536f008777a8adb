"""Answers of providers: any bytes, cut anywhere, become a complete answer or a failure, and never both.

For every pair of client's and provider's API: what reaches the client does not depend on the cuts, is server-sent
events of JSON, has the success terminator if and only if the answer is complete, and no buffer grows beyond its bound.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
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
from tests.support.transcripts import Result, body, relay, stamp

_STREAMED: Final = (CHAT, COMPLETIONS, RESPONSES, MESSAGES)
PAIRS: Final[tuple[tuple[Operation, Operation], ...]] = tuple(
    (client, provider) for client in _STREAMED for provider in (client, *TRANSLATIONS.get(client, ()))
)
_TREES: Final[tuple[PathTree, ...]] = ("openai", "openrouter")
_LIMITS: Final = (1 << 20, 1 << 20, 1 << 20, 512)
"""Of one event."""
_ECHO: Final = msgspec.Raw(b'{"model":"m","input":"i","tools":[],"metadata":{"a":"b"}}')
_SENT: Final = 4096
"""Pieces of a stream are a read of a socket each."""


def streams(data: bytes) -> None:
    """Feeds a provider's stream in two cuts and compares."""
    choices = Choices(data)
    client, provider = choices.pick(PAIRS)
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


_WHOLE: Final = (*PAIRS, (EMBEDDINGS, EMBEDDINGS))


def answers(data: bytes) -> None:
    """Reads a plain answer of any bytes."""
    choices = Choices(data)
    client, provider = choices.pick(_WHOLE)
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


def stream_seeds() -> Iterator[bytes]:
    """Every fault of every API for every pair, and one stream with tools and reasoning each."""
    for index, (_client, provider) in enumerate(PAIRS):
        asked = Asked("m", stream=True, include_usage=True, prompt_characters=9, path=provider.path)
        for number, fault in enumerate(_FAULTS):
            yield made(body(fault, asked), index, number, number // 2, 0, number % 4, number)
        for payload in RICH.get(provider.path, ()):
            yield made(payload, index, 0, 0, 0, 0, 7)


def answer_seeds() -> Iterator[bytes]:
    for index, (_client, provider) in enumerate(_WHOLE):
        asked = Asked("m", prompt_characters=9, path=provider.path)
        for tree, fault in enumerate((replies.ok(), replies.error_in_ok(), replies.missing_finish_reason())):
            yield made(body(fault, asked), index, tree % 2)
        for payload in RICH_PLAIN.get(provider.path, ()):
            yield made(payload, index, 1)


def _events(*payloads: dict[str, Any], named: bool = True, done: bool = False) -> bytes:
    told = [
        (f"event: {one['type']}\n" if named else "") + f"data: {json.dumps(one, separators=(',', ':'))}\n\n"
        for one in payloads
    ]
    return "".join(told).encode() + (b"data: [DONE]\n\n" if done else b"")


def _chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}  # fmt: skip


_CALL: Final[dict[str, Any]] = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
_USAGE: Final = {"input_tokens": 3, "output_tokens": 4}
_RESPONSE: Final[dict[str, Any]] = {
    "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "error": None,
    "incomplete_details": None, "instructions": None, "metadata": {}, "parallel_tool_calls": True, "temperature": 1.0,
    "tool_choice": "auto", "tools": [], "top_p": 1.0,
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "why"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": "{}", "status": "completed"},
    ],
    "usage": {"input_tokens": 3, "input_tokens_details": {"cached_tokens": 1}, "output_tokens": 4,
              "output_tokens_details": {"reasoning_tokens": 2}, "total_tokens": 7},
}  # fmt: skip
RICH: Final[dict[str, tuple[bytes, ...]]] = {
    CHAT.path: (
        _events(
            _chunk({"role": "assistant", "content": None}),
            _chunk({"reasoning": "why", "reasoning_details": [{"type": "reasoning.text", "text": "why", "index": 0}]}),
            _chunk({"reasoning_content": "more"}),
            _chunk({"tool_calls": [{"index": 0, **_CALL}, {"index": 1, **_CALL, "id": "c2"}]}),
            _chunk({"tool_calls": [{"index": 1, "function": {"arguments": "}"}}]}),
            _chunk({}, "tool_calls"),
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}},
            named=False,
            done=True,
        ),
    ),
    MESSAGES.path: (
        _events(
            {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "m",
             "content": [], "stop_reason": None, "stop_sequence": None, "usage": _USAGE}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "why"}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "s"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1,
             "content_block": {"type": "tool_use", "id": "u1", "name": "f", "input": {}}},
            {"type": "content_block_delta", "index": 1, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
            {"type": "content_block_stop", "index": 1},
            {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None},
             "usage": {"output_tokens": 4, "cache_read_input_tokens": 1}},
            {"type": "message_stop"},
        ),
    ),
    RESPONSES.path: (
        _events(
            {"type": "response.created", "sequence_number": 0, "response": _RESPONSE | {"status": "in_progress"}},
            {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0,
             "item": {"type": "reasoning", "id": "rs_1", "summary": []}},
            {"type": "response.reasoning_summary_text.delta", "sequence_number": 2, "item_id": "rs_1",
             "output_index": 0, "summary_index": 0, "delta": "why"},
            {"type": "response.output_item.added", "sequence_number": 3, "output_index": 1,
             "item": {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": ""}},
            {"type": "response.function_call_arguments.delta", "sequence_number": 4, "item_id": "fc_1",
             "output_index": 1, "delta": "{}"},
            {"type": "response.output_item.done", "sequence_number": 5, "output_index": 1,
             "item": _RESPONSE["output"][1]},
            {"type": "response.completed", "sequence_number": 6, "response": _RESPONSE},
        ),
    ),
}  # fmt: skip
RICH_PLAIN: Final[dict[str, tuple[bytes, ...]]] = {
    CHAT.path: (
        json.dumps(
            {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
                {"index": 0, "message": {"role": "assistant", "content": None, "reasoning": "why",
                                         "tool_calls": [_CALL]}, "finish_reason": "tool_calls"}],
             "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
                       "prompt_tokens_details": {"cached_tokens": 1}}}
        ).encode(),
    ),
    MESSAGES.path: (
        json.dumps(
            {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
             "stop_sequence": None, "usage": _USAGE, "content": [
                 {"type": "thinking", "thinking": "why", "signature": "s"},
                 {"type": "redacted_thinking", "data": "x"},
                 {"type": "text", "text": "t"},
                 {"type": "tool_use", "id": "u1", "name": "f", "input": {"a": 1}}]}
        ).encode(),
    ),
    RESPONSES.path: (json.dumps(_RESPONSE).encode(),),
}  # fmt: skip
