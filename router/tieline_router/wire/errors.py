"""Errors as each contract wants them: OpenAI's under `/v1`, OpenRouter's under `/api/v1`. Pure.

The two differ in what breaks official clients: OpenAI's `code` is a string, OpenRouter's must be an integer. In a
stream whose headers are sent, an error is one more full chunk, because a bare error object breaks OpenRouter's clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from tieline_router.apis import PathTree
from tieline_router.errors import ERRORS, ErrorClass, http_status


class Problem(NamedTuple):
    """One error on its way to a client."""

    error: ErrorClass
    message: str
    param: str | None = None
    """The request's field at fault."""
    provider: str | None = None
    """Slug of the provider that failed."""
    retry_after: float | None = None
    """Seconds."""
    availability: Mapping[str, Any] | None = None
    """Which filter removed which candidates; `error.availability` of OpenRouter's contract."""
    previous: tuple[Mapping[str, Any], ...] = ()
    """The attempts that failed: provider, error class, HTTP status."""


def error_object(problem: Problem, tree: PathTree) -> dict[str, Any]:
    """The value of the `error` key."""
    row = ERRORS[problem.error]
    availability = {} if problem.availability is None else {"availability": dict(problem.availability)}
    if tree == "openai":
        return {"message": problem.message, "type": row.type, "param": problem.param, "code": row.code} | availability
    metadata: dict[str, Any] = {"error_type": row.code}
    if problem.param is not None:
        metadata["param"] = problem.param
    if problem.provider is not None:
        metadata["provider_name"] = problem.provider
    if problem.previous:
        metadata["previous_errors"] = list(problem.previous)
    return {"code": http_status(problem.error, tree), "message": problem.message, "metadata": metadata} | availability


def error_body(problem: Problem, tree: PathTree) -> bytes:
    """The body of an error answer."""
    return msgspec.json.encode({"error": error_object(problem, tree)})


def error_chunk(
    problem: Problem, tree: PathTree, *, generation_id: str, model: str, provider: str | None, created: int
) -> bytes:
    """The data of the last event of a stream that failed after its headers were sent."""
    return msgspec.json.encode(
        {
            "id": generation_id,
            "object": "chat.completion.chunk",
            "created": created,
            "model": model,
            "provider": provider,
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error", "native_finish_reason": None}],
            "error": error_object(problem, tree),
        }
    )


def retry_after_header(seconds: float) -> str:
    """Whole seconds, rounded up, one at least: what every client understands."""
    return str(max(1, -int(-seconds // 1)))
