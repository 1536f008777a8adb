"""From what a provider answered to a class of the error table: by status, by the error's code, by its words. Pure.

Providers agree on statuses only roughly, and say "too long" or "not permitted by policy" under several of them; the
signs below are those of the servers that pools point at. Whatever is not recognised falls to its status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from tieline_router.errors import ErrorClass
from tieline_router.routing.retry_after import MAX_SECONDS, retry_after

MAX_MESSAGE: Final = 1000
"""Characters of a provider's message that are kept."""


class Refusal(NamedTuple):
    """A provider's error, understood. `message`: its own words, cut. `retry_after`: seconds, if it named a time."""

    error: ErrorClass
    message: str
    retry_after: float | None = None


E = ErrorClass
_BY_STATUS: Final = {
    401: E.STATUS_401_402_403, 402: E.STATUS_401_402_403, 403: E.STATUS_401_402_403, 407: E.STATUS_401_402_403,
    404: E.STATUS_404_MODEL, 405: E.STATUS_404_MODEL, 410: E.STATUS_404_MODEL, 451: E.STATUS_404_MODEL,
    408: E.STATUS_5XX, 409: E.STATUS_5XX, 423: E.STATUS_5XX, 424: E.STATUS_5XX, 425: E.STATUS_5XX, 498: E.STATUS_5XX,
    499: E.STATUS_5XX, 429: E.STATUS_429,
}  # fmt: skip
"""Statuses below 500 that are not the caller's fault: credentials, models and paths, the provider's own troubles."""

CONTEXT_SIGNS: Final = (
    "context_length_exceeded",  # OpenAI, and servers that follow it
    "exceed_context_size",  # llama.cpp
    "maximum context length",  # OpenAI, vLLM, DeepSeek
    "context window",  # Together, Groq, OpenRouter
    "exceeds the available context size",  # llama.cpp
    "longer than the model's context length",  # SGLang
    "longer than the maximum model length",  # vLLM
    "prompt is too long",  # Anthropic
    "input is too long",  # Bedrock
    "token_limit_exceeded",
)
POLICY_SIGNS: Final = (
    "content_policy_violation",  # OpenAI
    "content_filter",  # Azure
    "responsibleaipolicyviolation",  # Azure
    "content management policy",  # Azure
    "content exists risk",  # DeepSeek
    "data_inspection_failed",  # Alibaba
    "requires moderation",  # OpenRouter
)
LIMIT_SIGNS: Final = ("rate_limit", "rate limit", "too many requests", "quota")
OVERLOAD_SIGNS: Final = ("overloaded", "at capacity", "engine_overloaded")


class _Error(msgspec.Struct):
    message: object = None
    code: object = None
    type: object = None
    status: object = None


class _Envelope(msgspec.Struct):
    """The shapes in use: `{"error": {…}}`, `{"error": "words"}`, `{"message": …}` (old vLLM), `{"detail": …}`."""

    error: object = None
    message: object = None
    code: object = None
    type: object = None
    detail: object = None


_RETRY_DELAY: Final = re.compile(rb'"retryDelay"\s*:\s*"([0-9]{1,9}(?:\.[0-9]{1,9})?)s"')
"""Google's RetryInfo, which stands in the body and nowhere else."""
_decoder: Final = msgspec.json.Decoder(_Envelope)


def classify_status(status: int, headers: Mapping[str, str], body: bytes, now: float | None = None) -> Refusal:
    """The class of an answer whose HTTP status is not 200.

    Args:
        status: the HTTP status.
        headers: names in lower case, or a mapping that takes them in any.
        body: as much of the body as was read; anything, JSON or not.
        now: Unix seconds, for headers that name a moment in an answer without `Date`.
    """
    if 300 <= status < 400:
        return Refusal(E.REDIRECT_REFUSED, f"the provider redirects ({status})")
    error = _error(body)
    message = _message(error, body)
    seconds = retry_after(headers, rate_limited=status == 429, now=now)
    if seconds is None and status in (429, 503):
        seconds = _retry_delay(body)
    if status < 500 and status != 429 and (special := _by_words(error, message)):
        return Refusal(special, message)
    if status == 529 or (status == 503 and seconds is not None):  # 529: Anthropic's "overloaded"
        return Refusal(E.OVERLOADED, message, seconds)
    found = _BY_STATUS.get(status) or (E.STATUS_5XX if status >= 500 else E.BAD_REQUEST if status >= 400 else E.GARBAGE)
    return Refusal(found, message, seconds)


def classify_error(body: bytes) -> Refusal:
    """The class of an error that came with status 200: inside a stream, or as the body of a plain answer. A status that
    the error itself states counts like an HTTP status."""
    error = _error(body)
    message = _message(error, body)
    special = _by_words(error, message)
    if special is not None:
        return Refusal(special, message)
    status = next((value for value in (error.code, error.status) if isinstance(value, int)), None)
    if status is not None and status in _BY_STATUS:
        return Refusal(_BY_STATUS[status], message)
    if status is not None and 400 <= status < 500:
        return Refusal(E.BAD_REQUEST, message)
    words = _words(error, message)
    if any(sign in words for sign in LIMIT_SIGNS):
        return Refusal(E.STATUS_429, message)
    if any(sign in words for sign in OVERLOAD_SIGNS):
        return Refusal(E.OVERLOADED, message)
    return Refusal(E.ERROR_EVENT, message)


def _retry_delay(body: bytes) -> float | None:
    found = _RETRY_DELAY.search(body)
    return None if found is None else min(float(found[1]), MAX_SECONDS)


def _error(body: bytes) -> _Error:
    try:
        envelope = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Error()
    inner = envelope.error
    if isinstance(inner, dict):
        return _Error(inner.get("message"), inner.get("code"), inner.get("type"), inner.get("status"))
    message = inner if isinstance(inner, str) else envelope.message or envelope.detail
    return _Error(message, envelope.code, envelope.type)


def _message(error: _Error, body: bytes) -> str:
    if isinstance(error.message, str) and error.message:
        return error.message[:MAX_MESSAGE]
    return body[: MAX_MESSAGE * 4].decode("utf-8", "replace")[:MAX_MESSAGE]


def _words(error: _Error, message: str) -> str:
    return f"{error.code} {error.type} {message}".lower()


def _by_words(error: _Error, message: str) -> ErrorClass | None:
    """Context length and content policy have a fallback of their own, and no status of their own."""
    words = _words(error, message)
    if any(sign in words for sign in CONTEXT_SIGNS):
        return E.CONTEXT_LENGTH
    if any(sign in words for sign in POLICY_SIGNS):
        return E.CONTENT_POLICY
    return None
