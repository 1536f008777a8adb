"""What holds for every request, stream and answer of this pair."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tieline_router.streaming.sse import Event, SseDecoder, encode_event
from tieline_router.translate import responses_over_chat
from tieline_router.translate.chat_over_responses import EventTranslator, translate_answer, translate_request
from tieline_router.translate.translated import Translated, Untranslatable

from tests.support.json_mutations import mutated
from tests.support.openai_transcripts import Json, body, chat_stamp, chunks, completion, fields, transcript

SEALED = {"type": "reasoning.encrypted", "data": "E", "id": "rs_1", "format": "openai-responses-v1", "index": 0}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
REQUEST: Json = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "be"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}]},
        {"role": "assistant", "content": "b", "tool_calls": [CALL], "reasoning_details": [SEALED]},
        {"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": "r"}]},
    ],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "strict": True}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
    "verbosity": "low",
    "reasoning": {"effort": "low"},
    "logprobs": True,
    "top_logprobs": 2,
    "max_tokens": 9,
    "n": 1,
    "stop": [],
    "seed": 1,
}
OUTPUT: list[Json] = [
    {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "s"}],
        "content": [{"type": "reasoning_text", "text": "t"}],
        "encrypted_content": "E",
    },
    {
        "type": "message",
        "id": "msg_1",
        "role": "assistant",
        "status": "completed",
        "content": [
            {
                "type": "output_text",
                "text": "é",
                "annotations": [{"type": "url_citation", "url": "u", "title": "t", "start_index": 0, "end_index": 1}],
                "logprobs": [{"token": "é", "logprob": -1.0, "bytes": [195, 169], "top_logprobs": []}],
            },
            {"type": "refusal", "refusal": "no"},
        ],
    },
    {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": "{}"},
]
ANSWER: Json = {
    "id": "resp_1",
    "object": "response",
    "created_at": 50,
    "status": "completed",
    "incomplete_details": None,
    "output": OUTPUT,
    "usage": {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}},
    "service_tier": "flex",
}


def _stream() -> list[Json]:
    """The answer as a Responses provider streams it."""
    events: list[Json] = [{"type": "response.created", "response": ANSWER | {"status": "in_progress", "output": []}}]
    for place, item in enumerate(OUTPUT):
        at = {"output_index": place, "item_id": item["id"]}
        events.append({"type": "response.output_item.added", **at, "item": item | _EMPTY.get(item["type"], {})})
        for index, part in enumerate(item.get("summary", ())):
            delta = {"summary_index": index, "delta": part["text"]}
            events.append({"type": "response.reasoning_summary_text.delta", **at, **delta})
        for index, part in enumerate(item.get("content", ())):
            kind = part["type"]
            delta = {"content_index": index, "delta": part.get("text") or part.get("refusal")}
            delta["logprobs"] = part.get("logprobs", [])
            events.append({"type": f"response.{kind}.delta", **at, **delta})
            events += [
                {"type": "response.output_text.annotation.added", **at, "content_index": index, "annotation": one}
                for one in part.get("annotations", ())
            ]
        if "arguments" in item:
            events.append({"type": "response.function_call_arguments.delta", **at, "delta": item["arguments"]})
            events.append({"type": "response.function_call_arguments.done", **at, "arguments": item["arguments"]})
        events.append({"type": "response.output_item.done", **at, "item": item})
    return [*events, {"type": "response.completed", "response": ANSWER}]


_EMPTY: dict[str, Json] = {
    "reasoning": {"summary": [], "content": [], "encrypted_content": None},
    "message": {"content": []},
    "function_call": {"arguments": ""},
}
STREAM = _stream()


def _joined(stream: bytes) -> Json:
    """The message that a client makes of the pieces."""
    message: Json = {}
    for chunk in chunks(stream):
        for choice in chunk["choices"]:
            for name, value in choice["delta"].items():
                if name != "tool_calls":
                    message[name] = message[name] + value if name in message else value
            for call in choice["delta"].get("tool_calls", ()):
                calls = message.setdefault("tool_calls", [])
                if call["index"] == len(calls):
                    calls.append(call | {"function": dict(call["function"])})
                else:
                    calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    return message


def test_the_examples_are_carried_whole() -> None:
    assert len(body(translate_request(fields(REQUEST), max_output_tokens=None))["input"]) == 6
    streamed = _joined(transcript(EventTranslator(chat_stamp()), STREAM))
    plain = completion(translate_answer(chat_stamp(), json.dumps(ANSWER).encode()).body)["choices"][0]["message"]
    calls = [call | {"index": index} for index, call in enumerate(plain["tool_calls"])]
    # A stream cannot know that the text will follow the summary, so it tells both; a plain answer tells the text.
    assert (streamed["reasoning"], plain["reasoning"]) == ("st", "t")
    assert streamed == plain | {"tool_calls": calls, "reasoning": "st"}


@given(st.lists(st.integers(0, 6000), max_size=8))
def test_a_stream_cut_anywhere_gives_the_same_bytes(cuts: list[int]) -> None:
    stream = b"".join(encode_event(json.dumps(event, ensure_ascii=False).encode(), event["type"]) for event in STREAM)
    decoder, translator, out = SseDecoder(), EventTranslator(chat_stamp()), b""
    edges = [0, *sorted(cuts), len(stream)]
    for begin, end in pairwise(edges):
        out += b"".join(map(translator.take, decoder.feed(stream[begin:end])))
    assert out + translator.end() == transcript(EventTranslator(chat_stamp()), STREAM)


@given(mutated(REQUEST, whole=False))
def test_any_request_is_translated_or_refused(request: Json) -> None:
    found = _attempt(request)
    if isinstance(found, Untranslatable):
        assert found.param in found.message
    else:
        assert body(found)["store"] is False


def _attempt(request: Json) -> Translated | Untranslatable:
    try:
        return translate_request(fields(request), max_output_tokens=None)
    except Untranslatable as refusal:
        return refusal


@given(mutated(STREAM))
def test_any_stream_gives_whole_chunks(stream: Any) -> None:
    events = [Event(json.dumps(event).encode()) for event in (stream if isinstance(stream, list) else [stream])]
    translator = EventTranslator(chat_stamp())
    found = SseDecoder().feed(b"".join(map(translator.take, events)) + translator.end())
    assert found[-1].data == b"[DONE]"
    choices = [choice for event in found[:-1] for choice in json.loads(event.data)["choices"]]
    assert [choice["finish_reason"] is not None for choice in choices].count(True) == 1


@given(st.lists(st.binary()))
def test_garbage_gives_no_content(garbage: list[bytes]) -> None:
    translator = EventTranslator(chat_stamp())
    found = chunks(b"".join(translator.take(Event(data)) for data in garbage) + translator.end())
    assert [chunk["choices"][0]["delta"] for chunk in found] == [{"role": "assistant", "content": ""}, {}]


@given(mutated(ANSWER))
def test_any_answer_gives_a_completion(answer: Any) -> None:
    found = json.loads(translate_answer(chat_stamp(), json.dumps(answer).encode()).body)
    assert found["choices"][0]["message"]["role"] == "assistant"


TEXT = st.text(max_size=5)
SAID = st.text(min_size=1, max_size=5)
URLS = st.builds(lambda url: {"type": "image_url", "image_url": {"url": url, "detail": "high"}}, TEXT)
PARTS = st.lists(st.one_of(st.builds(lambda text: {"type": "text", "text": text}, TEXT), URLS), min_size=2, max_size=3)
CALLS = st.builds(
    lambda call_id, name, arguments: {
        "id": call_id,
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    },
    SAID,
    SAID,
    TEXT,
)
OTHERS = st.one_of(
    st.builds(lambda text: {"role": "system", "content": text}, TEXT),
    st.builds(lambda content: {"role": "user", "content": content}, st.one_of(TEXT, PARTS)),
    st.builds(lambda call_id, text: {"role": "tool", "tool_call_id": call_id, "content": text}, SAID, TEXT),
)
TURNS = st.one_of(
    st.builds(lambda text: {"role": "assistant", "content": text}, SAID),
    st.builds(
        lambda text, calls: {"role": "assistant", "content": text, "tool_calls": calls},
        st.one_of(st.none(), SAID),
        st.lists(CALLS, min_size=1, max_size=3),
    ),
)
"""The common subset: what both APIs can say, as the translation back writes it."""
SETTINGS: st.SearchStrategy[Json] = st.fixed_dictionaries(
    {},
    optional={
        "temperature": st.floats(0, 2),
        "max_completion_tokens": st.integers(1, 9),
        "reasoning_effort": st.sampled_from(["none", "low", "high"]),
        "verbosity": st.sampled_from(["low", "high"]),
        "response_format": st.sampled_from([{"type": "json_object"}, REQUEST["response_format"]]),
        "logprobs": st.just(True),
        "stream": st.booleans(),
        "metadata": st.dictionaries(TEXT, TEXT, max_size=2),
    },
)
TOOLING: st.SearchStrategy[Json] = st.one_of(
    st.just({}),
    st.fixed_dictionaries(
        {"tools": st.just(REQUEST["tools"])},
        optional={
            "tool_choice": st.sampled_from(["auto", "none", "required", REQUEST["tool_choice"]]),
            "parallel_tool_calls": st.booleans(),
        },
    ),
)


@given(st.lists(st.tuples(OTHERS, st.one_of(st.none(), TURNS)), min_size=1, max_size=4), SETTINGS, TOOLING)
def test_what_both_apis_can_say_survives_there_and_back(exchanges: list[Any], settings: Json, tooling: Json) -> None:
    messages = [message for exchange in exchanges for message in exchange if message is not None]
    request: Json = {"model": "m", "messages": messages, **settings, **tooling}
    there = translate_request(fields(request), max_output_tokens=None)
    back = responses_over_chat.translate_request(there.fields, max_output_tokens=None)
    assert (there.dropped, back.dropped) == ((), ())
    assert body(back) == request | {"store": False}
