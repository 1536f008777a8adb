"""Chat completions for clients, from Anthropic providers: whole answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.chat import ChatCompletion
from tieline_router.streaming.form import Stamp
from tieline_router.streaming.usage import Usage
from tieline_router.translate.chat_over_messages import translate_answer

from tests.support.translated_streams import CREATED, chat_stamp

USAGE = {"input_tokens": 10, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 20, "output_tokens": 9}


def message(*content: Any, reason: str = "end_turn", **more: Any) -> bytes:
    fields = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": list(content)}
    return json.dumps(fields | {"stop_reason": reason, "usage": USAGE} | more).encode()


def translate(body: bytes, stamp: Stamp | None = None) -> dict[str, Any]:
    whole = translate_answer(stamp or chat_stamp(), body)
    ChatCompletion.model_validate_json(whole.body)
    answer: dict[str, Any] = json.loads(whole.body)
    return answer


def test_a_whole_answer() -> None:
    body = message(
        {"type": "thinking", "thinking": "hm", "signature": "S+/="},
        {"type": "redacted_thinking", "data": "D=="},
        {"type": "text", "text": "let me ", "citations": None},
        {"type": "text", "text": "look"},
        {"type": "tool_use", "id": "toolu_1", "name": "a", "input": {"x": [1, 2.50]}},
        {"type": "tool_use", "name": "b", "input": {}},
        {"type": "something_new"},
        5,
        reason="tool_use",
    )
    form = {"format": "anthropic-claude-v1"}
    calls = [
        {"id": "toolu_1", "type": "function", "function": {"name": "a", "arguments": '{"x": [1, 2.5]}'}},
        {"id": "call_gen-1_1", "type": "function", "function": {"name": "b", "arguments": "{}"}},
    ]
    assert translate(body) == {
        "id": "gen-1",
        "object": "chat.completion",
        "created": CREATED,
        "model": "org/model",
        "provider": "Pool",
        "system_fingerprint": None,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "let me look",
                    "refusal": None,
                    "reasoning": "hm",
                    "reasoning_details": [
                        {"type": "reasoning.text", "text": "hm", "signature": "S+/=", "index": 0} | form,
                        {"type": "reasoning.encrypted", "data": "D==", "index": 1} | form,
                    ],
                    "tool_calls": calls,
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 33,
            "completion_tokens": 9,
            "total_tokens": 42,
            "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 3},
            "completion_tokens_details": {"reasoning_tokens": 0},
            "cost": 0.5,
        },
    }


def test_what_the_caller_learns() -> None:
    whole = translate_answer(chat_stamp(), message({"type": "text", "text": "x"}, reason="max_tokens"))
    assert whole.finish_reason == "max_tokens"
    assert whole.usage is not None
    assert (whole.usage.prompt, whole.usage.completion, whole.usage.cached) == (33, 9, 20)
    assert isinstance(whole.usage, Usage)


def test_openrouters_contract() -> None:
    body = message({"type": "text", "text": "x"}, reason="stop_sequence", stop_sequence="END")
    answer = translate(body, chat_stamp("openrouter"))
    choice = answer["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"], choice["stop_reason"]) == (
        "stop",
        "stop_sequence",
        "END",
    )
    assert answer["usage"]["cost"] == 0.5


def test_why_the_model_refused() -> None:
    body = message(reason="refusal", stop_details={"type": "refusal", "explanation": "not that"})
    choice = translate(body)["choices"][0]
    assert (choice["message"]["content"], choice["message"]["refusal"]) == (None, "not that")
    assert choice["finish_reason"] == "content_filter"


def test_the_served_tier() -> None:
    assert translate(message(usage=USAGE | {"service_tier": "standard"}))["service_tier"] == "default"


def test_counts_that_cannot_be_are_no_counts() -> None:
    odd = {"input_tokens": -5, "cache_read_input_tokens": None, "output_tokens": 3, "output_tokens_details": None}
    assert translate(message(usage=odd))["usage"]["total_tokens"] == 3


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"content":5}', b"[" * 5000])
def test_it_never_raises(body: bytes) -> None:
    answer = translate(body)
    assert answer["choices"][0]["message"]["content"] is None
    assert translate_answer(chat_stamp(), body).usage is None
