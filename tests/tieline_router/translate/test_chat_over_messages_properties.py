"""What holds for every request, answer and stream between chat completions and Anthropic's API, found by search."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.streaming.form import Whole
from tieline_router.streaming.sse import Event
from tieline_router.translate import chat_over_messages, messages_over_chat
from tieline_router.translate.translated import EventTranslator, Translated, Untranslatable

from tests.support.translated_streams import (
    as_chat,
    as_message,
    chat_stamp,
    chat_stream,
    events,
    messages_stamp,
    messages_stream,
    run,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
CHAT_REQUEST: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "s"},
        {"role": "developer", "content": [{"type": "text", "text": "d", "cache_control": {"type": "ephemeral"}}]},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "u"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "auto"}},
                {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBE", "filename": "f"}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "r"}],
            "tool_calls": [{"id": "c:1", "type": "function", "function": {"name": "n", "arguments": "{}"}}],
            "reasoning_details": [{"type": "reasoning.text", "text": "t", "signature": "s", "index": 0}],
        },
        {"role": "tool", "tool_call_id": "c:1", "content": "x"},
    ],
    "max_tokens": 5,
    "temperature": 0.5,
    "seed": 1,
    "stop": ["x"],
    "tools": [{"type": "function", "function": {"name": "n", "parameters": SCHEMA, "strict": True}}],
    "tool_choice": {"type": "function", "function": {"name": "n"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}},
    "reasoning": {"effort": "low", "max_tokens": 5},
    "user": "u",
}
MESSAGES_REQUEST: dict[str, Any] = {
    "model": "m",
    "max_tokens": 5,
    "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    "messages": [
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "u"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
                {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "t", "signature": "s"},
                {"type": "thinking", "thinking": "t", "signature": "tieline:eyJmaWVsZCI6InJlYXNvbmluZyJ9"},
                {"type": "redacted_thinking", "data": "tieline:eyJkZXRhaWwiOnt9fQ=="},
                {"type": "tool_use", "id": "tieline_YzoxLjA", "name": "n", "input": {"a": "b"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "x",
                    "content": [{"type": "text", "text": "r"}],
                    "is_error": True,
                }
            ],
        },
    ],
    "stop_sequences": ["x"],
    "tools": [{"name": "n", "input_schema": SCHEMA, "strict": True}],
    "tool_choice": {"type": "tool", "name": "n", "disable_parallel_tool_use": True},
    "thinking": {"type": "enabled", "budget_tokens": 2},
    "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
    "metadata": {"user_id": "u"},
}
MESSAGES_EVENTS: list[dict[str, Any]] = [
    {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hmü"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "S"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "ping"},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "ä\n🎈"}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "t", "name": "n", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a": "b"}'}},
    {"type": "content_block_stop", "index": 2},
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]
CHAT_CHUNKS: list[dict[str, Any]] = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": {"reasoning": "hmü"}}]},
    {
        "choices": [
            {"index": 0, "delta": {"reasoning_details": [{"type": "reasoning.encrypted", "data": "x", "id": "y"}]}}
        ]
    },
    {"choices": [{"index": 0, "delta": {"content": "ä\n🎈"}}]},
    {
        "choices": [
            {
                "index": 0,
                "delta": {"tool_calls": [{"index": 0, "id": "a:b", "function": {"name": "n", "arguments": "{"}}]},
            }
        ]
    },
    {
        "choices": [
            {
                "index": 0,
                "delta": {"tool_calls": [{"index": 1, "id": "c", "function": {"name": "m", "arguments": "{}"}}]},
            }
        ]
    },
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": '"a": 1}'}}]}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls", "stop_reason": None}]},
    {
        "choices": [],
        "usage": {"prompt_tokens": 3, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 1}},
    },
]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
    | st.sampled_from(["text", "user", "assistant", "tool", "auto", "{", "{}", "data:,", "tieline:", "tieline_"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "text", "role", "id", "x"]), inner)
    ),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    if not path:
        return new
    changed = copy.deepcopy(value)
    target = changed
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = new
    return changed


def added(value: Any, path: tuple[Any, ...], name: str, new: Any) -> Any:
    changed = copy.deepcopy(value)
    target = changed
    for key in path:
        target = target[key]
    if isinstance(target, dict):
        target[name] = new
    return changed


def raw(body: Any) -> dict[str, msgspec.Raw]:
    fields: dict[str, msgspec.Raw] = msgspec.json.decode(json.dumps(body), type=dict[str, msgspec.Raw])
    return fields


def translated_or_refused(translate: Callable[..., Translated], body: Any) -> None:
    refusal, found = None, None
    try:
        found = translate(raw(body), max_output_tokens=None)
    except Untranslatable as error:
        refusal = error
    if refusal is not None:
        assert refusal.param in refusal.message
    if found is not None:
        assert isinstance(json.loads(msgspec.json.encode(found.fields))["messages"], list)


@pytest.mark.parametrize(
    ("translate", "body"),
    [
        (chat_over_messages.translate_request, CHAT_REQUEST),
        (messages_over_chat.translate_request, MESSAGES_REQUEST),
    ],
)
@given(st.data())
def test_any_json_in_any_place_is_translated_or_refused(
    translate: Callable[..., Translated], body: Any, data: st.DataObject
) -> None:
    path = data.draw(st.sampled_from(list(places(body))[1:]))
    value = data.draw(json_values)
    translated_or_refused(translate, replaced(body, path, value))
    translated_or_refused(translate, added(body, path, data.draw(st.text("ab_", max_size=3)), value))


@pytest.mark.parametrize(
    ("translator", "stream"),
    [
        (lambda: chat_over_messages.EventTranslator(chat_stamp()), messages_stream(*MESSAGES_EVENTS)),
        (lambda: messages_over_chat.EventTranslator(messages_stamp()), chat_stream(*CHAT_CHUNKS)),
    ],
)
def test_a_stream_cut_at_any_byte_is_the_same_stream(translator: Callable[[], EventTranslator], stream: bytes) -> None:
    whole = run(translator(), [stream])
    assert run(translator(), [stream[index : index + 1] for index in range(len(stream))]) == whole
    for cut in range(len(stream)):
        assert run(translator(), [stream[:cut], stream[cut:]]) == whole


@given(st.lists(st.integers(0, 100_000), max_size=6), st.booleans())
def test_a_stream_cut_anywhere_is_the_same_stream(cuts: list[int], chat_provider: bool) -> None:
    stream = chat_stream(*CHAT_CHUNKS) if chat_provider else messages_stream(*MESSAGES_EVENTS)

    def translator() -> EventTranslator:
        if chat_provider:
            return messages_over_chat.EventTranslator(messages_stamp())
        return chat_over_messages.EventTranslator(chat_stamp())

    places_of_cuts = sorted({cut % len(stream) for cut in cuts})
    bounds = [0, *places_of_cuts, len(stream)]
    pieces = [stream[begin:end] for begin, end in itertools.pairwise(bounds)]
    assert run(translator(), pieces) == run(translator(), [stream])


@given(st.data())
def test_any_json_in_any_event_never_raises(data: st.DataObject) -> None:
    for sent, translator in (
        (MESSAGES_EVENTS, chat_over_messages.EventTranslator(chat_stamp("openrouter"))),
        (CHAT_CHUNKS, messages_over_chat.EventTranslator(messages_stamp())),
    ):
        path = data.draw(st.sampled_from(list(places(sent))[1:]))
        changed = replaced(sent, path, data.draw(json_values))
        out = b"".join(translator.take(Event(json.dumps(event).encode())) for event in changed) + translator.end()
        for event in events(out):
            assert event.data == b"[DONE]" or isinstance(json.loads(event.data), dict)


@given(st.data())
def test_any_json_in_any_answer_never_raises(data: st.DataObject) -> None:
    message = {
        "content": [event["content_block"] for event in MESSAGES_EVENTS if event["type"] == "content_block_start"],
        "stop_reason": "end_turn",
        "stop_details": {"explanation": "x"},
        "usage": {"input_tokens": 3, "output_tokens": 1, "output_tokens_details": {"thinking_tokens": 1}},
    }
    said: dict[str, Any] = {
        "content": "c",
        "reasoning_details": [{"type": "reasoning.text", "text": "t"}],
        "refusal": None,
    }
    said |= {"tool_calls": [{"id": "a", "function": {"name": "n", "arguments": "{}"}}]}
    completion = {"choices": [{"message": said, "finish_reason": "stop"}], "usage": {"prompt_tokens": 1}}
    value = data.draw(json_values)
    for whole in (
        _whole(chat_over_messages.translate_answer, chat_stamp(), message, data, value),
        _whole(messages_over_chat.translate_answer, messages_stamp(), completion, data, value),
    ):
        assert isinstance(json.loads(whole.body), dict)


def _whole(translate: Callable[..., Whole], stamp: Any, body: Any, data: st.DataObject, value: Any) -> Whole:
    path = data.draw(st.sampled_from(list(places(body))))
    return translate(stamp, json.dumps(replaced(body, path, value)).encode())


words = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12).filter(str.strip)
ids = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
arguments = st.dictionaries(words, st.integers(-5, 5) | words | st.none(), max_size=3)
signatures = words.filter(lambda text: not text.startswith("tieline:"))
images = st.sampled_from(["data:image/png;base64,AAAA", "https://x/y.png"])


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = [{"role": "system", "content": draw(words)}] if draw(st.booleans()) else []
    parts: list[dict[str, Any]] = [{"type": "text", "text": draw(words)}]
    parts += [
        {"type": "image_url", "image_url": {"url": url}} for url in draw(st.lists(images, min_size=1, max_size=2))
    ]
    turns.append({"role": "user", "content": parts})
    for _ in range(draw(st.integers(0, 2))):
        turn: dict[str, Any] = {"role": "assistant", "content": draw(words)}
        if draw(st.booleans()):
            detail = {"type": "reasoning.text", "text": draw(words), "signature": draw(signatures)}
            turn["reasoning_details"] = [detail | {"format": "anthropic-claude-v1", "index": 0}]
        calls = draw(st.lists(st.tuples(ids, words, arguments), max_size=2, unique_by=lambda call: call[0]))
        if calls:
            turn["tool_calls"] = [
                {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(given_ones)}}
                for call_id, name, given_ones in calls
            ]
        turns.append(turn)
        turns += [{"role": "tool", "tool_call_id": call_id, "content": draw(words)} for call_id, _, _ in calls]
        turns.append({"role": "user", "content": [{"type": "text", "text": draw(words)}, *parts]})
    return turns


@given(conversations())
def test_a_conversation_there_and_back_means_the_same(turns: list[dict[str, Any]]) -> None:
    there = chat_over_messages.translate_request(raw({"messages": turns}), max_output_tokens=9)
    back = messages_over_chat.translate_request(there.fields, max_output_tokens=None)
    assert _meaning(json.loads(bytes(back.fields["messages"]))) == _meaning(turns)


def _meaning(turns: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Arguments by value: they are JSON in a string."""
    found = copy.deepcopy(turns)
    for turn in found:
        for call in turn.get("tool_calls", ()):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return found


chat_pieces = st.one_of(
    st.tuples(st.just("content"), words),
    st.tuples(st.just("reasoning"), words),
    st.tuples(st.integers(0, 2), st.just("")),
)


@given(st.lists(chat_pieces, max_size=12), st.lists(arguments, min_size=3, max_size=3), st.randoms())
def test_however_calls_interleave_the_message_is_whole(pieces: list[Any], values: list[Any], draw: Any) -> None:
    """Three calls cut into pieces that come mixed with text: each arrives whole, and every shape is right."""
    texts = [(kind, piece) for kind, piece in pieces if isinstance(kind, str)]
    queues = {index: _cut(json.dumps(value), draw) for index, value in enumerate(values)}
    chunks: list[dict[str, Any]] = []
    for kind, piece in pieces:
        if isinstance(kind, str):
            chunks.append({"choices": [{"delta": {kind: piece}}]})
        elif queues[kind]:
            chunks.append(_piece(kind, queues[kind].pop(0)))
    for index, queue in queues.items():
        chunks += [_piece(index, piece) for piece in queue]
    chunks.append({"choices": [{"delta": {}, "finish_reason": "tool_calls"}]})
    _, message = as_message(run(messages_over_chat.EventTranslator(messages_stamp()), [chat_stream(*chunks)]))
    calls = {block.id: block.input for block in message.content if block.type == "tool_use"}
    assert calls == {f"call_{index}": value for index, value in enumerate(values)}
    said = "".join(block.text for block in message.content if block.type == "text")
    assert said == "".join(piece for kind, piece in texts if kind == "content")


def _piece(index: int, arguments_piece: str) -> dict[str, Any]:
    call = {"index": index, "id": f"call_{index}", "function": {"name": "n", "arguments": arguments_piece}}
    return {"choices": [{"delta": {"tool_calls": [call]}}]}


def _cut(text: str, draw: Any) -> list[str]:
    cut = draw.randint(0, len(text))
    return [text[:cut], text[cut:]]


@given(st.lists(words, max_size=5), arguments, words)
def test_what_an_anthropic_provider_streams_arrives_whole(texts: list[str], value: Any, signature: str) -> None:
    sent = copy.deepcopy(MESSAGES_EVENTS)
    sent[3]["delta"]["signature"] = signature
    sent[10]["delta"]["partial_json"] = json.dumps(value)
    sent[7:8] = [sent[7] | {"delta": {"type": "text_delta", "text": text}} for text in texts]
    chunks, answer = as_chat(run(chat_over_messages.EventTranslator(chat_stamp()), [messages_stream(*sent)]))
    said = answer.choices[0].message
    assert said.content == "".join(texts)
    assert json.loads(said.tool_calls[0].function.arguments) == value
    details = [
        detail
        for chunk in chunks
        for choice in chunk["choices"]
        for detail in choice["delta"].get("reasoning_details", ())
    ]
    history = [{"role": "user", "content": "u"}, {"role": "assistant", "content": "a", "reasoning_details": details}]
    back = chat_over_messages.translate_request(raw({"messages": history}), max_output_tokens=None)
    block = json.loads(bytes(back.fields["messages"]))[1]["content"][0]
    assert block == {"type": "thinking", "thinking": "hmü", "signature": signature}
