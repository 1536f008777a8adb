"""Answers of OpenAI's Responses, cut into pieces like those of chat. Pure."""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests.support.openai_answers import CREATED, GREETING, Answer, Asked, event, pieces_of, plain, stream_head

ITEM = "msg_1"


def response(asked: Asked, status: str, output: list[dict[str, Any]], tokens: int | None = None) -> dict[str, Any]:
    """A `response` object; `tokens` None leaves its usage open."""
    prompt = asked.prompt_characters // 4
    usage = (
        None
        if tokens is None
        else {
            "input_tokens": prompt,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": tokens,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": prompt + tokens,
        }
    )
    return {
        "id": f"resp_{asked.number}",
        "object": "response",
        "created_at": CREATED,
        "status": status,
        "error": None,
        "incomplete_details": {"reason": "max_output_tokens"} if status == "incomplete" else None,
        "instructions": None,
        "metadata": {},
        "model": asked.model,
        "output": output,
        "parallel_tool_calls": True,
        "temperature": 1.0,
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "usage": usage,
    }


def part(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def item(text: str, status: str = "completed") -> dict[str, Any]:
    content = [part(text)] if status == "completed" else []
    return {"id": ITEM, "type": "message", "role": "assistant", "status": status, "content": content}


def answer(asked: Asked, text: str = GREETING, chunks: int = 3, finish_reason: str | None = "stop") -> Answer:
    """The well-formed answer to this request for a response. Without a finish reason its last event is missing."""
    parts = pieces_of(text, chunks)
    status = {"stop": "completed", "length": "incomplete", None: "in_progress"}[finish_reason]
    whole = response(asked, status, [item(text)], len(parts))
    if not asked.stream:
        return plain(json.dumps(whole).encode())
    numbers = itertools.count()

    def numbered(kind: str, **fields: Any) -> bytes:
        return event({"type": kind, **fields, "sequence_number": next(numbers)}, kind)

    place = {"item_id": ITEM, "output_index": 0, "content_index": 0}
    begun = response(asked, "in_progress", [])
    opening = (
        numbered("response.created", response=begun),
        numbered("response.in_progress", response=begun),
        numbered("response.output_item.added", output_index=0, item=item("", "in_progress")),
        numbered("response.content_part.added", **place, part=part("")),
    )
    content = tuple(numbered("response.output_text.delta", **place, delta=piece, logprobs=[]) for piece in parts)
    closing = [
        numbered("response.output_text.done", **place, text=text, logprobs=[]),
        numbered("response.content_part.done", **place, part=part(text)),
        numbered("response.output_item.done", output_index=0, item=item(text)),
    ]
    if finish_reason:
        closing.append(numbered(f"response.{status}", response=whole))
    return Answer(stream_head(), opening, content, tuple(closing))


def failed(asked: Asked, message: str, code: str = "server_error") -> bytes:
    """The event of a response that failed."""
    told = response(asked, "failed", []) | {"error": {"code": code, "message": message}}
    return event({"type": "response.failed", "response": told, "sequence_number": 0}, "response.failed")
