"""Answers of Anthropic's Messages, cut into pieces like those of chat. Pure."""

from __future__ import annotations

import json
from typing import Any

from tests.support.openai_answers import GREETING, Answer, Asked, event, pieces_of, plain, stream_head


def named(payload: dict[str, Any]) -> bytes:
    """One event, with its type as its name."""
    return event(payload, payload["type"])


STOP = named({"type": "message_stop"})


def counts(asked: Asked, output: int) -> dict[str, int]:
    return {"input_tokens": asked.prompt_characters // 4, "output_tokens": output}


def message(asked: Asked, content: list[dict[str, Any]], stop_reason: str | None, output: int) -> dict[str, Any]:
    """A `message`, whole or as a stream begins with it."""
    return {
        "id": f"msg_{asked.number}",
        "type": "message",
        "role": "assistant",
        "model": asked.model,
        "content": content,
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": counts(asked, output),
    }


def block(text: str = "") -> dict[str, Any]:
    return {"type": "text", "text": text}


def delta(text: str) -> bytes:
    return named({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}})


def answer(asked: Asked, text: str = GREETING, chunks: int = 3, finish_reason: str | None = "stop") -> Answer:
    """The well-formed answer to this request for a message."""
    parts = pieces_of(text, chunks)
    stop_reason = {"stop": "end_turn", "length": "max_tokens"}.get(finish_reason or "", finish_reason)
    if not asked.stream:
        return plain(json.dumps(message(asked, [block(text)] if text else [], stop_reason, len(parts))).encode())
    opening = (
        named({"type": "message_start", "message": message(asked, [], None, 0)}),
        named({"type": "content_block_start", "index": 0, "content_block": block()}),
        named({"type": "ping"}),
    )
    closing = [named({"type": "content_block_stop", "index": 0})]
    if stop_reason:
        told = {"stop_reason": stop_reason, "stop_sequence": None}
        closing.append(named({"type": "message_delta", "delta": told, "usage": {"output_tokens": len(parts)}}))
    return Answer(stream_head(), opening, tuple(map(delta, parts)), (*closing, STOP))


def error(text: str, kind: str = "api_error") -> dict[str, Any]:
    """An error in Anthropic's shape."""
    return {"type": "error", "error": {"type": kind, "message": text}}
