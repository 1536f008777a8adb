"""One error on its way to a client, and the objects that the three dialects make of it. Pure; used by `errors`.

OpenAI's under `/v1` (`code` is a string or null), OpenRouter's under `/api/v1` (`code` must be an integer, or its
official clients break), Anthropic's wherever Messages are called. What happened is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from tieline_router.apis import Dialect
from tieline_router.errors import ERRORS, ErrorClass, Fault, anthropic_type, http_status


class Problem(NamedTuple):
    """One error on its way to a client."""

    error: ErrorClass
    message: str
    param: str | None = None
    """The request's field at fault. `method_not_allowed`: the methods that the path has, for the Allow header."""
    provider: str | None = None
    """Slug of the provider that failed."""
    retry_after: float | None = None
    """Seconds."""
    availability: Mapping[str, Any] | None = None
    """What `Decision.availability` says: which filter removed which candidates."""
    previous: tuple[Mapping[str, Any], ...] = ()
    """The attempts that failed, see `previous_error`."""
    raw: str | None = None
    """The provider's own answer; shown only where the fault is the caller's, because only then it speaks to him."""


def previous_error(provider: str, error: ErrorClass, status: int | None = None) -> dict[str, Any]:
    """An entry of `Problem.previous`.

    Args:
        provider: slug of the pool that failed.
        error: the class of the failure.
        status: what the provider answered; None when it did not answer, where the class's own status stands.
    """
    row = ERRORS[error]
    return {"provider": provider, "code": row.code, "status": row.status if status is None else status}


def error_status(problem: Problem, dialect: Dialect) -> int:
    """The HTTP status of an error, while headers are not sent."""
    return http_status(problem.error, dialect.tree)


def error_object(problem: Problem, dialect: Dialect) -> dict[str, Any]:
    """The value of the `error` key in OpenAI's and OpenRouter's shape."""
    row = ERRORS[problem.error]
    found: dict[str, Any]
    if dialect.tree == "openai":
        found = {"message": problem.message, "type": row.type, "param": _param(problem), "code": row.code}
    else:
        metadata = _metadata(problem)
        found = {"code": error_status(problem, dialect), "message": problem.message, "metadata": metadata}
    if problem.availability is not None:
        found["availability"] = _refined(problem.availability)
    return found


def _metadata(problem: Problem) -> dict[str, Any]:
    row = ERRORS[problem.error]
    metadata: dict[str, Any] = {"error_type": row.openrouter_type}
    optional = {
        "reason": row.code,
        "param": _param(problem),
        "provider_name": problem.provider,
        "raw": problem.raw if row.fault is Fault.CALLER else None,
        "previous_errors": list(problem.previous) or None,
    }
    metadata.update((name, value) for name, value in optional.items() if value is not None)
    return metadata


def anthropic_error(problem: Problem, dialect: Dialect, request_id: str | None) -> dict[str, Any]:
    """The whole body of an error in Anthropic's shape."""
    error = {"type": anthropic_type(problem.error), "message": problem.message}
    if dialect.tree == "openrouter":
        error["error_type"] = ERRORS[problem.error].openrouter_type
    return {"type": "error", "error": error, "request_id": request_id}


def _param(problem: Problem) -> str | None:
    return None if problem.error is ErrorClass.METHOD_NOT_ALLOWED else problem.param


def _refined(availability: Mapping[str, Any]) -> dict[str, Any]:
    """`constraint_filtered` in a narrower word of OpenRouter's, where all filters that removed something agree."""
    found = dict(availability)
    if found.get("code") == "constraint_filtered":
        excluded = frozenset(found.get("excluded_by", ()))
        words = (code for code, filters in _NARROWER.items() if excluded <= filters)
        found["code"] = next(words, "constraint_filtered")
    return found


_NARROWER: Final = {
    "no_endpoints": frozenset[str](),
    "wrong_endpoint": frozenset({"api", "protocol"}),
    "privacy_restricted": frozenset({"data_policy:training", "data_policy:zdr"}),
}
