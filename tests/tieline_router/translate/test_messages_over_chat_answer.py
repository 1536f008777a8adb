"""Anthropic's Messages API for clients, from chat providers: whole answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from anthropic.types import Message
from tieline_router.streaming.form import Stamp
from tieline_router.translate.messages_over_chat import translate_answer

from tests.support.translated_streams import messages_stamp

USAGE = {"prompt_tokens": 33, "completion_tokens": 9, "prompt_tokens_details": {"cached_tokens": 20}}


def completion(reason: str = "stop", usage: Any = USAGE, choice: Any = None, **said: Any) -> bytes:
    found = {"index": 0, "finish_reason": reason, "message": {"role": "assistant"} | said} | (choice or {})
    return json.dumps({"id": "c", "choices": [found], "usage": usage}).encode()


def translate(body: bytes, stamp: Stamp | None = None) -> dict[str, Any]:
    whole = translate_answer(stamp or messages_stamp(), body)
    Message.model_validate_json(whole.body)
    answer: dict[str, Any] = json.loads(whole.body)
    return answer


def test_a_whole_answer() -> None:
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "a", "arguments": '{"x": 2.50}'}},
        {"type": "function", "function": {"name": "b", "arguments": ""}},
        {"id": "call_3", "function": {"name": "c", "arguments": "not json"}},
    ]
    assert translate(completion("tool_calls", content="look", tool_calls=calls)) == {
        "id": "gen-1",
        "type": "message",
        "role": "assistant",
        "model": "org/model",
        "provider": "Pool",
        "content": [
            {"type": "text", "text": "look"},
            {"type": "tool_use", "id": "call_1", "name": "a", "input": {"x": 2.5}},
            {"type": "tool_use", "id": "call_gen-1_1", "name": "b", "input": {}},
            {"type": "tool_use", "id": "call_3", "name": "c", "input": {"arguments": "not json"}},
        ],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 13,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 20,
            "output_tokens": 9,
            "output_tokens_details": {"thinking_tokens": 0},
        },
    }


def test_reasoning_signed_and_not() -> None:
    claude = {"type": "reasoning.text", "text": "hm", "signature": "S+/=", "format": "anthropic-claude-v1"}
    details = [claude, {"type": "reasoning.encrypted", "data": "D==", "format": "anthropic-claude-v1"}]
    assert translate(completion(content="so", reasoning="hm", reasoning_details=details))["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "S+/="},
        {"type": "redacted_thinking", "data": "D=="},
        {"type": "text", "text": "so"},
    ]
    plain = translate(completion(content="so", reasoning_content="hm"))["content"][0]
    assert plain["thinking"] == "hm"
    assert plain["signature"].startswith("tieline:")


def test_what_the_caller_learns() -> None:
    whole = translate_answer(messages_stamp(), completion("length", content="x"))
    assert whole.finish_reason == "length"
    assert whole.usage is not None
    assert (whole.usage.prompt, whole.usage.completion, whole.usage.cached) == (33, 9, 20)


def test_the_stop_sequence_that_matched() -> None:
    answer = translate(completion(content="x", choice={"stop_reason": "END"}))
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", "END")


def test_a_refusal_is_said() -> None:
    answer = translate(completion("content_filter", content=None, refusal="no"))
    assert (answer["content"], answer["stop_reason"]) == ([{"type": "text", "text": "no"}], "refusal")


def test_parts_of_a_count_are_no_more_than_the_whole() -> None:
    odd = {"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}}
    usage = translate(completion(content="x", usage=odd))["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"]) == (0, 5)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices":[]}', b'{"choices":[{"message":5}]}', b"[" * 5000])
def test_it_never_raises(body: bytes) -> None:
    assert translate(body)["content"] == []
    assert translate_answer(messages_stamp(), body).usage is None
