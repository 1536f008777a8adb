"""Refusals of providers and errors of ours: any status, headers and body have a class, and every error can be told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final

from multidict import CIMultiDict
from tieline_router.apis import OPERATIONS, Dialect, PathTree
from tieline_router.errors import ERRORS, ErrorClass
from tieline_router.routing.classify import MAX_MESSAGE, classify_error, classify_status
from tieline_router.routing.retry_after import MAX_SECONDS, retry_after
from tieline_router.streaming.sse import SseDecoder
from tieline_router.wire.errors import Problem, error_body, error_event, error_headers, error_status

from tests.fuzz.choices import Choices, made

_TREES: Final[tuple[PathTree, ...]] = ("openai", "openrouter")
_OPERATIONS: Final = (None, *OPERATIONS.values())
_CLASSES: Final = tuple(ErrorClass)


def headers(data: bytes) -> None:
    """Header lines before a blank one, then the body: as an answer that refuses."""
    choices = Choices(data)
    status = 100 + choices.number() + choices.number()  # 100 to 610
    head, _, body = choices.payload.partition(b"\n\n")
    found: CIMultiDict[str] = CIMultiDict()
    for line in head.split(b"\n"):
        name, _, value = line.partition(b":")
        found.add(name.decode("utf-8", "surrogateescape"), value.strip().decode("utf-8", "surrogateescape"))
    now = choices.pick((None, 0.0, 1.8e9))
    for limited in (True, False):
        seconds = retry_after(found, rate_limited=limited, now=now)
        assert seconds is None or 0 <= seconds <= MAX_SECONDS
    for refusal in (classify_status(status, found, body, now), classify_error(body)):
        assert refusal.error in ERRORS
        assert len(refusal.message) <= MAX_MESSAGE
        assert refusal.retry_after is None or 0 <= refusal.retry_after <= MAX_SECONDS
        tell(refusal.error, refusal.message, choices, refusal.retry_after)


def tell(error: ErrorClass, message: str, choices: Choices, seconds: float | None) -> None:
    """The error in one dialect: whole, and in-band."""
    operation = choices.pick(_OPERATIONS)
    dialect = Dialect(choices.pick(_TREES), operation)
    problem = Problem(error, message, param=message[:9] or None, provider="p", retry_after=seconds, raw=message)
    assert 400 <= error_status(problem, dialect) < 600
    for name, value in error_headers(problem, dialect).items():
        (name + value).encode("latin-1")
        assert error is ErrorClass.METHOD_NOT_ALLOWED or not {"\r", "\n", "\0"} & set(value)
    json.loads(error_body(problem, dialect, "gen-1"))
    if operation is not None and operation.streams:
        event = error_event(
            problem, dialect, generation_id="gen-1", model="m", provider="p", created=1, sequence=choices.number() % 9
        )
        (only,) = SseDecoder().feed(event)
        json.loads(only.data)


_SEEDS: Final = (
    (429, "Retry-After: 7", {"error": {"message": "Rate limit", "code": "rate_limit_exceeded"}}),
    (429, "retry-after-ms: 250\nDate: Sun, 06 Nov 1994 08:49:37 GMT", {"error": "slow down"}),
    (429, "x-ratelimit-reset-requests: 6m0s\nx-ratelimit-remaining-requests: 0", {"message": "too many requests"}),
    (429, "anthropic-ratelimit-tokens-reset: 2026-01-01T00:00:00Z", {"type": "error", "error": {"type": "x"}}),
    (429, 'ratelimit: "default";r=0;t=30', {"error": {"details": [{"retryDelay": "12.5s"}]}}),
    (503, "Retry-After: Wed, 21 Oct 2026 07:28:00 GMT", {"detail": "overloaded"}),
    (400, "Content-Type: application/json", {"error": {"code": "context_length_exceeded"}}),
    (400, "X: y", {"object": "error", "message": "maximum context length is 1", "code": 400}),
    (401, "", {"error": {"message": "Incorrect API key"}}),
    (529, "x-ratelimit-reset: 1893456000000", {"error": {"status": 429}}),
)


def seeds() -> Iterator[bytes]:
    for number, (status, head, body) in enumerate(_SEEDS):
        first = min(255, status - 100)
        payload = head.encode() + b"\n\n" + json.dumps(body).encode()
        yield made(payload, first, status - 100 - first, number, number, number)
