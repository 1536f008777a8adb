"""Errors on the wire: as a whole answer with its headers, and inside a stream whose headers are sent. Pure.

In-band, the error is the last event, and the stream ends without the terminator that says success. A bare error object
breaks OpenRouter's clients, so chat and completions get one more full chunk. Used by the runtime.
"""

from __future__ import annotations

import math
from typing import Any, Final

import msgspec

from tieline_router.apis import COMPLETIONS, MESSAGES, RESPONSES, Dialect
from tieline_router.errors import ERRORS, ErrorClass, Fault, Retry
from tieline_router.streaming.sse import encode_comment, encode_event
from tieline_router.wire.problems import (
    Problem,
    anthropic_error,
    error_object,
    error_status,
    previous_error,
)

__all__ = [
    "Problem", "error_body", "error_event", "error_headers", "error_status", "keep_alive",
    "previous_error", "retry_after_header",
]  # fmt: skip

_PING: Final = encode_event(b'{"type":"ping"}', "ping")
_COMMENT: Final = encode_comment("tieline keep-alive")
_OPENROUTER_COMMENT: Final = encode_comment("OPENROUTER PROCESSING")


def error_body(problem: Problem, dialect: Dialect, request_id: str | None = None) -> bytes:
    """The body of an error answer; `request_id` is the generation's id, which Anthropic's shape repeats."""
    if dialect.anthropic:
        return msgspec.json.encode(anthropic_error(problem, dialect, request_id))
    return msgspec.json.encode({"error": error_object(problem, dialect)})


def error_headers(problem: Problem, dialect: Dialect) -> dict[str, str]:
    """Headers that tell clients what to do next.

    `x-should-retry` overrides what the SDKs of OpenAI and Anthropic do of themselves, which is to repeat every 408,
    409, 429 and 5xx; where nothing is said they do that.
    """
    headers: dict[str, str] = {}
    status = error_status(problem, dialect)
    if problem.retry_after is not None:
        headers["Retry-After"] = retry_after_header(problem.retry_after)
        headers["retry-after-ms"] = str(max(1, math.ceil(problem.retry_after * 1000)))
    again = should_retry(problem.error, status)
    if again is not None:
        headers["x-should-retry"] = "true" if again else "false"
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if problem.error is ErrorClass.METHOD_NOT_ALLOWED:
        headers["Allow"] = problem.param or ""
    return headers


def should_retry(error: ErrorClass, status: int) -> bool | None:
    """Whether the same request may succeed soon; None leaves it to the client, who then repeats a 5xx."""
    if status in {429, 503}:
        return True
    row = ERRORS[error]
    senseless = row.fault is Fault.OPERATOR or row.retry is Retry.NO
    return False if status >= 500 and senseless else None


def retry_after_header(seconds: float) -> str:
    """Whole seconds, rounded up, one at least: what every client understands."""
    return str(max(1, math.ceil(seconds)))


def keep_alive(dialect: Dialect) -> bytes:
    """What is written while nothing has come for a while; clients ignore it, and know that somebody is there."""
    if dialect.operation is MESSAGES:
        return _PING
    return _OPENROUTER_COMMENT if dialect.tree == "openrouter" else _COMMENT


def error_event(
    problem: Problem,
    dialect: Dialect,
    *,
    generation_id: str,
    model: str,
    provider: str | None,
    created: int,
    sequence: int = 0,
) -> bytes:
    """The last event of a stream that failed after its headers were sent: whole, with its blank line.

    Args:
        problem: what happened.
        dialect: the client's.
        generation_id: the id under which the answer began.
        model: canonical name of the model that answered.
        provider: display name of the pool that answered.
        created: Unix seconds at which the answer began.
        sequence: Responses: the number of this event.
    """
    if dialect.anthropic:
        return encode_event(msgspec.json.encode(anthropic_error(problem, dialect, generation_id)), "error")
    if dialect.operation is RESPONSES:
        response = _failed_response(problem, dialect, generation_id, model, created)
        event = {"type": "response.failed", "sequence_number": sequence, "response": response}
        return encode_event(msgspec.json.encode(event), "response.failed")
    chunk = {
        "id": generation_id,
        "object": "text_completion" if dialect.operation is COMPLETIONS else "chat.completion.chunk",
        "created": created,
        "model": model,
        "provider": provider,
        "system_fingerprint": None,
        "choices": [_failed_choice(dialect)],
        "error": error_object(problem, dialect),
    }
    return encode_event(msgspec.json.encode(chunk))


def _failed_choice(dialect: Dialect) -> dict[str, Any]:
    said: dict[str, Any] = {"text": ""} if dialect.operation is COMPLETIONS else {"delta": {"content": ""}}
    return {"index": 0, **said, "logprobs": None, "finish_reason": "error", "native_finish_reason": None}


def _failed_response(
    problem: Problem, dialect: Dialect, generation_id: str, model: str, created: int
) -> dict[str, Any]:
    """A response as the SDKs parse it: every required field is there."""
    response: dict[str, Any] = {
        "id": generation_id,
        "object": "response",
        "created_at": created,
        "completed_at": None,
        "status": "failed",
        "error": {"code": _responses_code(problem, dialect), "message": problem.message},
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": model,
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "presence_penalty": None,
        "frequency_penalty": None,
        "usage": None,
    }
    if dialect.tree == "openrouter":
        response["error_type"] = ERRORS[problem.error].openrouter_type
    else:
        response["error"]["type"] = ERRORS[problem.error].code
    return response


def _responses_code(problem: Problem, dialect: Dialect) -> str:
    """One of the few codes that the Responses contract has."""
    status = error_status(problem, dialect)
    if status == 429:
        return "rate_limit_exceeded"
    return "invalid_prompt" if status < 500 else "server_error"
