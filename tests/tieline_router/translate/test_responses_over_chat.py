"""What holds for every request, stream and answer of this pair."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tieline_router.streaming.sse import Event, SseDecoder, encode_event
from tieline_router.translate import chat_over_responses, responses_over_chat
from tieline_router.translate.responses_over_chat import EventTranslator, translate_answer, translate_request
from tieline_router.translate.translated import Translated, Untranslatable

from tests.support.json_mutations import mutated
from tests.support.openai_transcripts import (
    Json,
    body,
    chat_stamp,
    completion,
    fields,
    response,
    response_events,
    responses_stamp,
    transcript,
)

TOOL = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
REQUEST: Json = {
    "model": "m",
    "instructions": "be",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "u"}]},
        {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "E"},
        {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "b"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "r"}]},
    ],
    "tools": [TOOL],
    "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
    "text": {"format": {"type": "json_schema", "name": "n", "schema": {}}, "verbosity": "low"},
    "reasoning": {"effort": "low", "summary": "auto"},
    "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
    "top_logprobs": 2,
    "prompt_cache_options": {"mode": "explicit"},
    "truncation": "disabled",
    "max_output_tokens": 9,
}
DELTA: Json = {
    "role": "assistant",
    "reasoning": "th",
    "reasoning_details": [
        {"type": "reasoning.text", "text": "th", "signature": "s", "format": "anthropic-claude-v1", "index": 0}
    ],
    "content": "é",
    "refusal": "no",
    "annotations": [{"type": "url_citation", "url_citation": {"url": "u", "title": "t"}}],
    "tool_calls": [{"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}],
}
LOGPROBS = {"content": [{"token": "é", "logprob": -1, "bytes": None, "top_logprobs": [{"token": "e", "logprob": -2}]}]}
USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}}
STREAM: list[Json] = [
    {"choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]},
    {"choices": [{"index": 0, "delta": DELTA, "logprobs": LOGPROBS, "finish_reason": None}], "service_tier": "flex"},
    {"choices": [{"index": 0, "delta": {"reasoning_content": "again"}}]},
    {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": " "}}]}}]},
    {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}], "usage": None},
    {"choices": [], "usage": USAGE},
]
ANSWER: Json = {
    "choices": [{"index": 0, "message": DELTA, "logprobs": LOGPROBS, "finish_reason": "stop"}],
    "usage": USAGE,
    "service_tier": "flex",
}


def _framed(stream: bytes) -> list[Json]:
    """Whole events of JSON objects, numbered without a gap."""
    assert stream.endswith(b"\n\n")
    events: list[Json] = [json.loads(event.data) for event in SseDecoder().feed(stream)]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def test_the_examples_are_carried_whole() -> None:
    assert body(translate_request(fields(REQUEST), max_output_tokens=None))["messages"][2]["tool_calls"]
    events = response_events(transcript(EventTranslator(responses_stamp(REQUEST)), STREAM))
    kinds = [item["type"] for item in events[-1]["response"]["output"]]
    assert kinds == ["reasoning", "message", "function_call", "image_generation_call", "reasoning"]
    assert len(response(translate_answer(responses_stamp(REQUEST), json.dumps(ANSWER).encode()).body)["output"]) == 4


@given(st.lists(st.integers(0, 4000), max_size=8))
def test_a_stream_cut_anywhere_gives_the_same_bytes(cuts: list[int]) -> None:
    stream = b"".join(encode_event(json.dumps(chunk, ensure_ascii=False).encode()) for chunk in STREAM)
    assert _fed(stream, cuts) == transcript(EventTranslator(responses_stamp(REQUEST)), STREAM)


def _fed(stream: bytes, cuts: list[int]) -> bytes:
    decoder, translator, out = SseDecoder(), EventTranslator(responses_stamp(REQUEST)), b""
    edges = [0, *sorted(cuts), len(stream)]
    for begin, end in pairwise(edges):
        out += b"".join(map(translator.take, decoder.feed(stream[begin:end])))
    return out + translator.end()


@given(mutated(REQUEST, whole=False))
def test_any_request_is_translated_or_refused(request: Json) -> None:
    found = _attempt(request)
    if isinstance(found, Untranslatable):
        assert found.param in found.message
    else:
        assert body(found)["messages"] is not None


def _attempt(request: Json) -> Translated | Untranslatable:
    try:
        return translate_request(fields(request), max_output_tokens=None)
    except Untranslatable as refusal:
        return refusal


@given(mutated(STREAM))
def test_any_stream_gives_whole_events(stream: Any) -> None:
    events = [Event(json.dumps(event).encode()) for event in (stream if isinstance(stream, list) else [stream])]
    translator = EventTranslator(responses_stamp(REQUEST))
    assert _framed(b"".join(map(translator.take, events)) + translator.end())[-1]["response"]["output"] is not None


@given(st.lists(st.binary()))
def test_garbage_gives_no_content(garbage: list[bytes]) -> None:
    translator = EventTranslator(responses_stamp())
    found = _framed(b"".join(translator.take(Event(data)) for data in garbage) + translator.end())
    assert [event["type"] for event in found] == ["response.created", "response.in_progress", "response.completed"]


@given(mutated(ANSWER))
def test_any_answer_gives_a_response(answer: Any) -> None:
    assert (
        response(translate_answer(responses_stamp(REQUEST), json.dumps(answer).encode()).body)["object"] == "response"
    )


@given(st.one_of(st.none(), mutated({name: REQUEST[name] for name in ("tools", "text", "reasoning", "tool_choice")})))
def test_whatever_is_repeated_of_a_request_breaks_nothing(echo: Any) -> None:
    answer = translate_answer(responses_stamp(echo), json.dumps(ANSWER).encode())
    assert json.loads(answer.body)["id"] == "gen-1"


TEXTS = st.text(min_size=1, max_size=5)
CALLS = st.lists(st.tuples(TEXTS, TEXTS, st.text(max_size=5)), max_size=3)


@given(st.lists(TEXTS, max_size=5), st.lists(TEXTS, max_size=5), CALLS)
def test_pieces_and_the_whole_say_the_same(thoughts: list[str], words: list[str], calls: list[Any]) -> None:
    made = [
        {"index": at, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
        for at, (call_id, name, arguments) in enumerate(calls)
    ]
    deltas: list[Json] = [{"reasoning": thought} for thought in thoughts] + [{"content": word} for word in words]
    deltas += [{"tool_calls": [call]} for call in made]
    pieces: list[Json] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    pieces.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}], "usage": USAGE})
    stream = response_events(transcript(EventTranslator(responses_stamp()), pieces))
    message: Json = {"content": "".join(words), "reasoning": "".join(thoughts), "tool_calls": made}
    whole: Json = {"choices": [{"message": message, "finish_reason": "stop"}], "usage": USAGE}
    answer = response(translate_answer(responses_stamp(), json.dumps(whole).encode()).body)
    assert stream[-1]["response"] == answer
    said = completion(chat_over_responses.translate_answer(chat_stamp(), json.dumps(answer).encode()).body)
    back = said["choices"][0]["message"]
    assert back["content"] == ("".join(words) or None)
    assert back.get("reasoning", "") == "".join(thoughts)
    assert back.get("tool_calls", []) == [
        {name: value for name, value in call.items() if name != "index"} for call in made
    ]


def test_the_module_is_what_the_runtime_looks_for() -> None:
    left_out = {"reasoning.summary", "reasoning.generate_summary", "tools.format", "tools.web_search"}
    assert left_out == responses_over_chat.DROPPABLE
    assert chat_over_responses.EventTranslator.next_sequence == 0
