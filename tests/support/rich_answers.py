"""Answers with reasoning and calls of tools, one for each API, as providers send them. Pure."""

from __future__ import annotations

import json
from typing import Any, Final

from tieline_router.apis import CHAT, MESSAGES, RESPONSES


def events(*payloads: dict[str, Any], named: bool = True, done: bool = False) -> bytes:
    told = [
        (f"event: {one['type']}\n" if named else "") + f"data: {json.dumps(one, separators=(',', ':'))}\n\n"
        for one in payloads
    ]
    return "".join(told).encode() + (b"data: [DONE]\n\n" if done else b"")


def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m",
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}  # fmt: skip


def call(identity: str, arguments: str) -> dict[str, Any]:
    return {"id": identity, "type": "function", "function": {"name": "f", "arguments": arguments}}


CALL: Final = call("c1", '{"a":1}')
USAGE: Final = {"input_tokens": 3, "output_tokens": 4}
RESPONSE: Final[dict[str, Any]] = {
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
        events(
            chunk({"role": "assistant", "content": None}),
            chunk({"reasoning": "why", "reasoning_details": [{"type": "reasoning.text", "text": "why", "index": 0}]}),
            chunk({"reasoning_content": "more"}),
            chunk({"tool_calls": [{"index": 0, **CALL}, {"index": 1, **call("c2", '{"a":')}]}),
            chunk({"tool_calls": [{"index": 1, "function": {"arguments": "2}"}}]}),
            chunk({}, "tool_calls"),
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}},
            named=False,
            done=True,
        ),
    ),
    MESSAGES.path: (
        events(
            {"type": "message_start", "message": {"id": "m", "type": "message", "role": "assistant", "model": "m",
             "content": [], "stop_reason": None, "stop_sequence": None, "usage": USAGE}},
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
        events(
            {"type": "response.created", "sequence_number": 0,
             "response": RESPONSE | {"status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "sequence_number": 1, "output_index": 0,
             "item": {"type": "reasoning", "id": "rs_1", "summary": []}},
            {"type": "response.reasoning_summary_text.delta", "sequence_number": 2, "item_id": "rs_1",
             "output_index": 0, "summary_index": 0, "delta": "why"},
            {"type": "response.output_item.added", "sequence_number": 3, "output_index": 1,
             "item": {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": ""}},
            {"type": "response.function_call_arguments.delta", "sequence_number": 4, "item_id": "fc_1",
             "output_index": 1, "delta": "{}"},
            {"type": "response.output_item.done", "sequence_number": 5, "output_index": 1,
             "item": RESPONSE["output"][1]},
            {"type": "response.completed", "sequence_number": 6, "response": RESPONSE},
        ),
    ),
}  # fmt: skip
RICH_PLAIN: Final[dict[str, tuple[bytes, ...]]] = {
    CHAT.path: (
        json.dumps(
            {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
                {"index": 0, "message": {"role": "assistant", "content": None, "reasoning": "why",
                                         "tool_calls": [CALL]}, "finish_reason": "tool_calls"}],
             "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7,
                       "prompt_tokens_details": {"cached_tokens": 1}}}
        ).encode(),
    ),
    MESSAGES.path: (
        json.dumps(
            {"id": "m", "type": "message", "role": "assistant", "model": "m", "stop_reason": "tool_use",
             "stop_sequence": None, "usage": USAGE, "content": [
                 {"type": "thinking", "thinking": "why", "signature": "s"},
                 {"type": "redacted_thinking", "data": "x"},
                 {"type": "text", "text": "t"},
                 {"type": "tool_use", "id": "u1", "name": "f", "input": {"a": 1}}]}
        ).encode(),
    ),
    RESPONSES.path: (json.dumps(RESPONSE).encode(),),
}  # fmt: skip
