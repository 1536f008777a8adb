"""Chat completions for clients, from Anthropic providers: streams, by transcripts."""

from __future__ import annotations

from typing import Any

import pytest
from tieline_router.streaming.form import Stamp
from tieline_router.streaming.sse import Event
from tieline_router.translate.chat_over_messages import EventTranslator

from tests.support.translated_streams import CREATED, as_chat, chat_stamp, messages_stream, run

USAGE = {"input_tokens": 10, "cache_creation_input_tokens": 3, "cache_read_input_tokens": 20, "output_tokens": 1}


def start(usage: dict[str, Any] | None = None) -> dict[str, Any]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": []}
    return {"type": "message_start", "message": message | {"usage": usage or USAGE}}


def block(index: int, content: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": content},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(*pieces: str, index: int = 0) -> list[dict[str, Any]]:
    return block(index, {"type": "text", "text": ""}, *({"type": "text_delta", "text": piece} for piece in pieces))


def call(index: int, name: str, *pieces: str, **content: Any) -> list[dict[str, Any]]:
    whole = {"type": "tool_use", "id": f"toolu_{index}", "name": name, "input": {}} | content
    return block(index, whole, *({"type": "input_json_delta", "partial_json": piece} for piece in pieces))


def stop(reason: str = "end_turn", sequence: str | None = None, **more: Any) -> list[dict[str, Any]]:
    delta = {"stop_reason": reason, "stop_sequence": sequence} | more
    return [{"type": "message_delta", "delta": delta, "usage": {"output_tokens": 9}}, {"type": "message_stop"}]


def translate(*events: Any, stamp: Stamp | None = None) -> tuple[list[dict[str, Any]], Any]:
    return as_chat(run(EventTranslator(stamp or chat_stamp()), [messages_stream(*events)]))


def test_text_usage_and_the_terminator() -> None:
    chunks, answer = translate(start(), {"type": "ping"}, *text("Hel", "lo"), *stop())
    head = {
        "id": "gen-1",
        "object": "chat.completion.chunk",
        "created": CREATED,
        "model": "org/model",
        "provider": "Pool",
    }
    none = {"index": 0, "logprobs": None, "finish_reason": None}
    assert chunks == [
        head | {"choices": [none | {"delta": {"role": "assistant", "content": ""}}]},
        head | {"choices": [none | {"delta": {"content": "Hel"}}]},
        head | {"choices": [none | {"delta": {"content": "lo"}}]},
        head | {"choices": [none | {"delta": {}, "finish_reason": "stop"}]},
        head
        | {
            "choices": [],
            "usage": {
                "prompt_tokens": 33,
                "completion_tokens": 9,
                "total_tokens": 42,
                "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 3},
                "completion_tokens_details": {"reasoning_tokens": 0},
                "cost": 0.5,
            },
        },
    ]
    assert answer.choices[0].message.content == "Hello"
    assert answer.usage.prompt_tokens_details.cached_tokens == 20


def test_no_usage_chunk_for_those_who_did_not_ask() -> None:
    chunks, _ = translate(start(), *text("x"), *stop(), stamp=chat_stamp(usage=False))
    assert all(chunk["choices"] for chunk in chunks)


def test_openrouters_contract_has_cost_and_the_native_finish_reason() -> None:
    chunks, _ = translate(start(), *text("x"), *stop("stop_sequence", "END"), stamp=chat_stamp("openrouter"))
    assert chunks[1]["choices"][0]["native_finish_reason"] is None
    assert chunks[-2]["choices"][0] == {
        "index": 0,
        "delta": {},
        "logprobs": None,
        "finish_reason": "stop",
        "native_finish_reason": "stop_sequence",
        "stop_reason": "END",
    }
    usage = chunks[-1]["usage"]
    assert (usage["cost"], usage["is_byok"]) == (0.5, False)
    assert usage["cost_details"] == {
        "upstream_inference_cost": None,
        "upstream_inference_prompt_cost": 0.2,
        "upstream_inference_completions_cost": 0.3,
    }


def test_parallel_calls_are_numbered_and_their_arguments_pass_in_pieces() -> None:
    _, answer = translate(
        start(),
        *text("ok"),
        *call(1, "a", "", '{"x":', " 1}"),
        *call(2, "b"),
        *call(3, "c", input={"whole": [1]}),
        *stop("tool_use"),
    )
    calls = answer.choices[0].message.tool_calls
    assert [(each.id, each.function.name, each.function.arguments) for each in calls] == [
        ("toolu_1", "a", '{"x": 1}'),
        ("toolu_2", "b", "{}"),
        ("toolu_3", "c", '{"whole": [1]}'),
    ]
    assert answer.choices[0].finish_reason == "tool_calls"


def test_thinking_is_reasoning_with_its_signature() -> None:
    chunks, _ = translate(
        start(),
        *block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "h"},
            {"type": "thinking_delta", "thinking": "m"},
            {"type": "signature_delta", "signature": "S+/="},
        ),
        *block(1, {"type": "redacted_thinking", "data": "D=="}),
        *text("so", index=2),
        *stop(),
    )
    form = {"format": "anthropic-claude-v1"}
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks[1:5]]
    assert deltas == [
        {"reasoning": "h", "reasoning_details": [{"type": "reasoning.text", "text": "h", "index": 0} | form]},
        {"reasoning": "m", "reasoning_details": [{"type": "reasoning.text", "text": "m", "index": 0} | form]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "S+/=", "index": 0} | form]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "D==", "index": 1} | form]},
    ]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_finish_reasons(reason: str, expected: str) -> None:
    _, answer = translate(start(), *text("x"), *stop(reason))
    assert answer.choices[0].finish_reason == expected


def test_why_the_model_refused() -> None:
    details = {"type": "refusal", "category": None, "explanation": "not that"}
    _, answer = translate(start(), *stop("refusal", stop_details=details))
    assert answer.choices[0].message.refusal == "not that"


def test_usage_of_the_last_event_counts() -> None:
    last = {"input_tokens": 11, "output_tokens": 7, "output_tokens_details": {"thinking_tokens": 5}}
    events = [start(USAGE | {"service_tier": "priority"}), *text("x"), *stop()]
    events[-2]["usage"] = last
    chunks, _ = translate(*events)
    assert chunks[-1]["usage"]["prompt_tokens"] == 34
    assert chunks[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 5}
    assert chunks[-1]["service_tier"] == "priority"


def test_what_is_not_understood_is_skipped() -> None:
    chunks, answer = translate(
        start(),
        {"type": "something_new"},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "input_json_delta", "partial_json": "{"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "new_delta"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 5}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use"}},
        {"type": "content_block_stop", "index": 99},
        {"type": "message_delta", "delta": {}, "usage": {"output_tokens": -4}},
        *text("x"),
        *stop(),
    )
    assert answer.choices[0].message.content == "x"
    assert len(chunks) == 4


def test_a_stream_without_its_beginning_still_has_the_role() -> None:
    chunks, _ = translate(*text("x"), *stop())
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": "x"}


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"null", b'{"type":5}', b"\xff", b"[" * 5000])
def test_garbage_is_skipped(data: bytes) -> None:
    assert EventTranslator(chat_stamp()).take(Event(data)) == b""
