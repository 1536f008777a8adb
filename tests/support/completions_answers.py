"""Answers of OpenAI's completions and embeddings, cut into pieces like those of chat. Pure."""

from __future__ import annotations

import json

from tests.support.openai_answers import (
    CREATED,
    DONE,
    GREETING,
    Answer,
    Asked,
    event,
    pieces_of,
    plain,
    stream_head,
    usage,
)


def chunk(asked: Asked, text: str | None, finish_reason: str | None = None, **extra: object) -> dict[str, object]:
    """A `text_completion`, whole or a chunk of a stream; `text` None leaves `choices` empty."""
    choices = [] if text is None else [{"index": 0, "text": text, "logprobs": None, "finish_reason": finish_reason}]
    return {
        "id": f"cmpl-{asked.number}",
        "object": "text_completion",
        "created": CREATED,
        "model": asked.model,
        "choices": choices,
        **extra,
    }


def answer(asked: Asked, text: str = GREETING, chunks: int = 3, finish_reason: str | None = "stop") -> Answer:
    """The well-formed answer to this request for a completion."""
    parts = pieces_of(text, chunks)
    if not asked.stream:
        return plain(json.dumps(chunk(asked, text, finish_reason, usage=usage(asked, len(parts)))).encode())
    closing = [event(chunk(asked, "", finish_reason))] if finish_reason else []
    if asked.include_usage:
        closing.append(event(chunk(asked, None, usage=usage(asked, len(parts)))))
    content = tuple(event(chunk(asked, part)) for part in parts)
    return Answer(stream_head(), (), content, (*closing, DONE))


def embeddings(asked: Asked, text: str = GREETING, chunks: int = 1, finish_reason: str | None = "stop") -> Answer:
    """One vector; none when there is no text. Embeddings have no finish reason and do not stream."""
    data = [{"object": "embedding", "index": 0, "embedding": [0.25, -0.5]}] if text else []
    counts = {"prompt_tokens": asked.prompt_characters // 4, "total_tokens": asked.prompt_characters // 4}
    return plain(json.dumps({"object": "list", "data": data, "model": asked.model, "usage": counts}).encode())
