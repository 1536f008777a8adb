from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.apis import MESSAGES, RESPONSES, Operation
from tieline_router.streaming.form import Stamp, Whole
from tieline_router.streaming.forms import form
from tieline_router.wire.fields import BadRequest
from tieline_router.wire.request import attempt_body, read_request

from tests.support.openai_transcripts import Json, response, response_events, responses_stamp
from tests.support.translated_streams import as_message, messages_stamp, messages_stream

TOOL_OF_RESPONSES: Json = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}}
TOOL_OF_MESSAGES: Json = {"name": "f", "description": "d", "input_schema": {"type": "object"}}
SIGNED: list[Json] = [
    {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "sig"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "I loök"}},
    {"type": "content_block_stop", "index": 1},
    {
        "type": "content_block_start",
        "index": 2,
        "content_block": {"type": "tool_use", "id": "c", "name": "f", "input": {}},
    },
    {"type": "content_block_delta", "index": 2, "delta": {"type": "input_json_delta", "partial_json": '{"a": 1}'}},
    {"type": "content_block_stop", "index": 2},
]
MESSAGE: list[Json] = [
    {"type": "message_start", "message": {"usage": {"input_tokens": 3, "output_tokens": 0}}},
    *SIGNED,
    {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 9}},
    {"type": "message_stop"},
]
REASONING: Json = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "sealed"}
CALL: Json = {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "f", "arguments": '{"a": 1}'}
SAID: Json = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "I loök"}]}
OUTPUT = [REASONING, SAID, CALL]
RESPONSE: Json = {
    "id": "resp_1",
    "object": "response",
    "status": "completed",
    "output": OUTPUT,
    "usage": {"input_tokens": 3, "output_tokens": 9},
}
RESPONSE_EVENTS: list[Json] = [
    {"type": "response.created", "response": RESPONSE | {"status": "in_progress", "output": []}},
    *({"type": "response.output_item.done", "output_index": at, "item": item} for at, item in enumerate(OUTPUT)),
    {"type": "response.completed", "response": RESPONSE},
]


def sent(client: Operation, provider: Operation, body: Json) -> Any:
    request = read_request(client, json.dumps(body).encode(), "openai")
    return json.loads(attempt_body(request, provider, "up", ask_usage=True, identity_salt=None).body)


def streamed(client: Operation, provider: Operation, stamp: Stamp, data: bytes, at: int) -> bytes:
    stream = form(client, provider).stream(stamp, 1 << 20)
    out = stream.feed(data[:at]) + stream.feed(data[at:]) + stream.end()
    assert stream.failure is None
    assert stream.usage is not None
    assert stream.usage.completion == 9
    return out


def whole(client: Operation, provider: Operation, stamp: Stamp, answer: Json) -> Whole:
    found = form(client, provider).whole(stamp, json.dumps(answer).encode())
    assert isinstance(found, Whole)
    assert found.usage is not None
    assert found.usage.completion == 9
    return found


def test_a_conversation_of_responses_with_an_anthropic_provider() -> None:
    data = messages_stream(*MESSAGE)
    events = response_events(streamed(RESPONSES, MESSAGES, responses_stamp(), data, len(data)))
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message", "function_call"]
    asked = [
        {"role": "user", "content": "hi"},
        *output,
        {"type": "function_call_output", "call_id": "c", "output": "1"},
    ]
    body = {"model": "m", "instructions": "be brief", "input": asked, "tools": [TOOL_OF_RESPONSES], "store": False}
    found = sent(RESPONSES, MESSAGES, body)
    assert found["system"] == "be brief"
    assert found["tools"] == [TOOL_OF_MESSAGES]
    assert found["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "text", "text": "I loök"},
        {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
    ]


def test_a_conversation_of_messages_with_a_responses_provider() -> None:
    data = messages_stream(*RESPONSE_EVENTS)
    _, message = as_message(streamed(MESSAGES, RESPONSES, messages_stamp(), data, len(data)))
    content = [block.model_dump(exclude_none=True) for block in message.content]
    assert [block["type"] for block in content] == ["redacted_thinking", "text", "tool_use"]
    result = {"type": "tool_result", "tool_use_id": "c", "content": "1"}
    blocks = [{k: v for k, v in block.items() if k not in {"parsed_output", "caller"}} for block in content]
    turns = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": blocks},
        {"role": "user", "content": [result]},
    ]
    found = sent(MESSAGES, RESPONSES, {"model": "m", "max_tokens": 9, "messages": turns, "tools": [TOOL_OF_MESSAGES]})
    assert found["store"] is False
    assert found["max_output_tokens"] == 9
    assert found["tools"] == [TOOL_OF_RESPONSES | {"strict": False}]
    kept = [REASONING, {"type": "message", "role": "assistant", "content": "I loök"}, {**CALL, "id": None}]
    assert [item | ({"id": None} if item["type"] == "function_call" else {}) for item in found["input"][1:4]] == kept


@given(st.integers(0, 2000))
def test_a_stream_cut_anywhere_is_the_same_stream(at: int) -> None:
    for client, provider, stamp, data in (
        (RESPONSES, MESSAGES, responses_stamp(), messages_stream(*MESSAGE)),
        (MESSAGES, RESPONSES, messages_stamp(), messages_stream(*RESPONSE_EVENTS)),
    ):
        assert streamed(client, provider, stamp, data, at) == streamed(client, provider, stamp, data, 0)


def test_a_plain_answer_says_what_a_stream_says() -> None:
    answer: Json = {
        "content": [
            {"type": "thinking", "thinking": "hm", "signature": "sig"},
            {"type": "text", "text": "I loök"},
            {"type": "tool_use", "id": "c", "name": "f", "input": {"a": 1}},
        ],
        "type": "message",
        "role": "assistant",
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 3, "output_tokens": 9},
    }
    data = messages_stream(*MESSAGE)
    plain = response(whole(RESPONSES, MESSAGES, responses_stamp(), answer).body)
    last = response_events(streamed(RESPONSES, MESSAGES, responses_stamp(), data, 0))[-1]["response"]
    assert plain["output"] == last["output"]
    assert plain["usage"] == last["usage"]
    found = whole(MESSAGES, RESPONSES, messages_stamp(), RESPONSE)
    _, message = as_message(streamed(MESSAGES, RESPONSES, messages_stamp(), messages_stream(*RESPONSE_EVENTS), 0))
    told = json.loads(found.body)
    assert [block["type"] for block in told["content"]] == [block.type for block in message.content]
    assert told["usage"]["output_tokens"] == 9
    assert found.finish_reason == "completed"


def test_what_the_second_translation_refuses_is_explained() -> None:
    with pytest.raises(BadRequest) as caught:
        sent(MESSAGES, RESPONSES, {"model": "m", "max_tokens": 1, "messages": [], "stop_sequences": ["a"]})
    assert caught.value.param == "stop"
    assert "chat completion on its way" in str(caught.value)


def test_both_say_what_they_left_out() -> None:
    body = {"model": "m", "input": "hi", "seed": 1, "reasoning": {"effort": "low", "summary": "auto"}}
    request = read_request(RESPONSES, msgspec.json.encode(body), "openai")
    made = attempt_body(request, MESSAGES, "up", ask_usage=True, identity_salt=None)
    assert made.dropped == ("reasoning.summary", "seed")
