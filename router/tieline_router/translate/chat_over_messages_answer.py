"""A whole message of Anthropic's API as a chat completion. Pure; never raises.

The provider-side observer has found the answer complete before; what is not understood in it is skipped. Used by
`streaming` through `chat_over_messages`; the words that both forms of an answer share stand here too.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tieline_router.streaming.form import Stamp, Whole
from tieline_router.streaming.usage import parse_messages_counts
from tieline_router.translate import thinking
from tieline_router.translate.token_counts import chat_usage, served_tier
from tieline_router.translate.tool_ids import invented

ABSENT: Final = msgspec.Raw()
FINISH_REASONS: Final = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
"""By Anthropic's `stop_reason`; one that is not here is `stop`: the provider calls the answer complete."""


class Block(msgspec.Struct):
    """A content block. Texts stay raw: their bytes pass as they are."""

    type: str | None = None
    text: msgspec.Raw = ABSENT
    thinking: msgspec.Raw = ABSENT
    signature: msgspec.Raw = ABSENT
    data: msgspec.Raw = ABSENT
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = ABSENT


class StopDetails(msgspec.Struct):
    explanation: str | None = None


class _Message(msgspec.Struct):
    content: list[msgspec.Raw] = msgspec.field(default_factory=list)
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None
    usage: msgspec.Raw = ABSENT


_message: Final = msgspec.json.Decoder(_Message).decode
_block: Final = msgspec.json.Decoder(Block).decode
_string: Final = msgspec.json.Decoder(str).decode


def translate_answer(stamp: Stamp, body: bytes) -> Whole:
    """The chat completion for a complete message."""
    try:
        message = _message(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = _Message()
    usage = parse_messages_counts(message.usage).usage()
    choice = {"index": 0, "message": _said(stamp, message), "logprobs": None}
    choice |= finish(stamp, message.stop_reason, message.stop_sequence)
    answer: dict[str, Any] = {
        "id": stamp.generation_id,
        "object": "chat.completion",
        "created": stamp.created,
        "model": stamp.model,
        "provider": stamp.provider,
        "system_fingerprint": None,
        "choices": [choice],
        "usage": chat_usage(stamp, usage),
    }
    tier = served_tier(message.usage)
    if tier is not None:
        answer["service_tier"] = tier
    return Whole(msgspec.json.encode(answer), usage, message.stop_reason)


def finish(stamp: Stamp, stop_reason: str | None, stop_sequence: str | None) -> dict[str, Any]:
    """The finish reason in the client's words; under OpenRouter's contract in the provider's own too.

    A matched stop sequence stands in `stop_reason` of the choice, where vLLM and others have it.
    """
    found: dict[str, Any] = {"finish_reason": FINISH_REASONS.get(stop_reason or "", "stop")}
    if stamp.dialect.tree == "openrouter":
        found["native_finish_reason"] = stop_reason
    if stop_sequence is not None:
        found["stop_reason"] = stop_sequence
    return found


def read_block(raw: msgspec.Raw) -> Block | None:
    try:
        return _block(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def is_text(raw: msgspec.Raw) -> bool:
    """A JSON string that is not empty."""
    value = bytes(raw)
    return value.startswith(b'"') and value != b'""'


def _said(stamp: Stamp, message: _Message) -> dict[str, Any]:
    texts: list[str] = []
    thoughts: list[str] = []
    details: list[dict[str, object]] = []
    calls: list[dict[str, object]] = []
    for raw in message.content:
        block = read_block(raw)
        if block is None:
            continue
        match block.type:
            case "text":
                texts.append(_text(block.text))
            case "thinking":
                thoughts.append(_text(block.thinking))
                signature = block.signature if is_text(block.signature) else None
                details.append(thinking.text_detail(len(details), thoughts[-1], signature))
            case "redacted_thinking" if is_text(block.data):
                details.append(thinking.encrypted_detail(len(details), block.data))
            case "tool_use":
                calls.append(_call(block, block.id or invented(stamp.generation_id, len(calls))))
    refusal = message.stop_details.explanation if message.stop_details and message.stop_reason == "refusal" else None
    said: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts else None, "refusal": refusal}
    if details:
        said |= {"reasoning": "".join(thoughts) or None, "reasoning_details": details}
    if calls:
        said["tool_calls"] = calls
    return said


def _call(block: Block, call_id: str) -> dict[str, object]:
    arguments = bytes(block.input).decode("utf-8", "replace") or "{}"
    return {
        "id": call_id,
        "type": "function",
        "function": {"name": block.name or "", "arguments": arguments},
    }


def _text(raw: msgspec.Raw) -> str:
    try:
        return _string(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
