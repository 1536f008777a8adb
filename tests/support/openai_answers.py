"""The pieces of scripted answers: the actions that an upstream performs, and chat completions cut into them.

Pure: no sockets, no clock. `replies.py` composes these into named behaviours, `upstream.py` performs them; the answers
of the other APIs stand in `completions_answers`, `responses_answers` and `anthropic_answers`.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

CREATED = 1_700_000_000  # constant, so that a test can compare whole answers
GREETING = "Hello from the upstream."


@dataclass(frozen=True)
class Head:
    """Status line and headers. Without `Content-Length` the body is sent chunked."""

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Body:
    """One write of body bytes: one chunk of the transfer coding, one send to the socket."""

    data: bytes


@dataclass(frozen=True)
class Raw:
    """Bytes straight to the socket, beside HTTP."""

    data: bytes


@dataclass(frozen=True)
class Wait:
    """Goes on when the event is set, or after that many seconds."""

    until: asyncio.Event | float


@dataclass(frozen=True)
class Hang:
    """Nothing more happens until the client goes away."""


@dataclass(frozen=True)
class Cut:
    """Ends the TCP connection at once: `Reset` sends RST, `Close` sends FIN after what was written."""

    how: Literal["Reset", "Close"]


Action: TypeAlias = Head | Body | Raw | Wait | Hang | Cut
HANG, RESET, CLOSE = Hang(), Cut("Reset"), Cut("Close")


@dataclass(frozen=True)
class Asked:
    """The parts of a request that a reply depends on."""

    model: str = "unknown"
    stream: bool = False
    include_usage: bool = False
    prompt_characters: int = 0
    number: int = 1  # counts the upstream's completions from 1
    path: str = "/chat/completions"

    @classmethod
    def from_json(cls, body: Any, number: int, path: str = "/chat/completions") -> Asked:
        """Reads a decoded request as far as it is well-formed; anything else keeps its default."""
        if not isinstance(body, dict):
            return cls(number=number, path=path)
        options = body.get("stream_options")
        messages = body.get("messages", body.get("input", body.get("prompt")))
        return cls(
            model=str(body.get("model", "unknown")),
            stream=body.get("stream") is True,
            include_usage=isinstance(options, dict) and options.get("include_usage") is True,
            prompt_characters=len(json.dumps(messages)) if messages else 0,
            number=number,
            path=path,
        )


Reply: TypeAlias = Callable[[Asked], Iterable[Action]]


@dataclass(frozen=True)
class Answer:
    """A well-formed answer in pieces: `content` may be interrupted, `opening` and `closing` stand around it."""

    head: Head
    opening: tuple[bytes, ...]
    content: tuple[bytes, ...]
    closing: tuple[bytes, ...]

    def until(self, after: int) -> list[Action]:
        """Headers, opening and the first `after` content pieces."""
        return [self.head, *map(Body, self.opening), *map(Body, self.content[:after])]

    def since(self, after: int) -> list[Action]:
        """What `until(after)` left out."""
        return [*map(Body, self.content[after:]), *map(Body, self.closing)]


def event(payload: object, name: str = "") -> bytes:
    """One server-sent event, with `payload` as JSON unless it is bytes already."""
    data = payload if isinstance(payload, bytes) else json.dumps(payload, separators=(",", ":")).encode()
    return (f"event: {name}\n".encode() if name else b"") + b"data: " + data + b"\n\n"


DONE = event(b"[DONE]")


def pieces_of(text: str, count: int) -> list[str]:
    """Cuts text into `count` parts of nearly equal length (fewer when the text is shorter, none when there is none)."""
    if not text:
        return []
    count = max(1, min(count, len(text)))
    return [text[len(text) * i // count : len(text) * (i + 1) // count] for i in range(count)]


def chunk(asked: Asked, delta: Mapping[str, object] | None, finish_reason: str | None = None, **extra: object) -> bytes:
    """One `chat.completion.chunk` event; `delta` None leaves `choices` empty, as the usage chunk has it."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]
    return event(
        {
            "id": f"chatcmpl-{asked.number}",
            "object": "chat.completion.chunk",
            "created": CREATED,
            "model": asked.model,
            "choices": choices,
            **extra,
        }
    )


def usage(asked: Asked, completion_tokens: int) -> dict[str, int]:
    """Token counts by a fixed rule: a quarter of the prompt's characters, and one token for each content piece."""
    prompt_tokens = asked.prompt_characters // 4
    total = prompt_tokens + completion_tokens
    return {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": total}


def completion(asked: Asked, text: str, tokens: int, finish_reason: str | None = "stop") -> bytes:
    """A plain `chat.completion` object."""
    message = {"role": "assistant", "content": text, "refusal": None}
    body = {
        "id": f"chatcmpl-{asked.number}",
        "object": "chat.completion",
        "created": CREATED,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish_reason}],
        "usage": usage(asked, tokens),
    }
    return json.dumps(body, separators=(",", ":")).encode()


def error_body(message: str, kind: str, code: str | int | None, param: str | None = None) -> bytes:
    """An error in OpenAI's shape."""
    return json.dumps({"error": {"message": message, "type": kind, "param": param, "code": code}}).encode()


def split(data: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cuts bytes at these offsets (any order; outside the data they are ignored)."""
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(data)}), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def stream_head() -> Head:
    return Head(200, {"Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-cache"})


def json_head(body: bytes, status: int = 200, headers: Mapping[str, str] | None = None) -> Head:
    return Head(status, {"Content-Type": "application/json", "Content-Length": str(len(body)), **(headers or {})})


def answer(asked: Asked, text: str = GREETING, chunks: int = 3, finish_reason: str | None = "stop") -> Answer:
    """The well-formed answer to this chat request, with another text or no finish reason where a fault wants it."""
    parts = pieces_of(text, chunks)
    if not asked.stream:
        return plain(completion(asked, text, len(parts), finish_reason))
    closing = [chunk(asked, {}, finish_reason)] if finish_reason else []
    if asked.include_usage:
        closing.append(chunk(asked, None, usage=usage(asked, len(parts))))
    opening = (chunk(asked, {"role": "assistant", "content": ""}),)
    content = tuple(chunk(asked, {"content": part}) for part in parts)
    return Answer(stream_head(), opening, content, (*closing, DONE))


def plain(body: bytes) -> Answer:
    """A whole body, in two halves."""
    half = len(body) // 2
    return Answer(json_head(body), (), (body[:half], body[half:]), ())
