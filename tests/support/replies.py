"""What a scripted upstream does with one request: the vocabulary of fault tests.

Pure: no sockets, no clock; `upstream.py` performs the actions. Every public function names one behaviour of a provider,
good or bad, and returns a `Reply`; most of them answer a stream or a plain request, whichever was asked, in the API of
the request's path. `after` counts content pieces that are sent before the fault (deltas of a stream, halves of a plain
answer). An `asyncio.Event` holds a reply at a point until the test lets it go on, so that no test needs to sleep.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable, Mapping

from tests.support.answers import TERMINATORS, answer, error_answer, error_event
from tests.support.openai_answers import (
    CLOSE,
    GREETING,
    HANG,
    RESET,
    Action,
    Asked,
    Body,
    Head,
    Raw,
    Reply,
    Wait,
    error_body,
    event,
    json_head,
    split,
    stream_head,
)

# -- good answers, early and late ----------------------------------------------------------------------------------


def ok(
    text: str = GREETING, *, chunks: int = 3, delay: float = 0.0, gate: asyncio.Event | None = None, gate_after: int = 1
) -> Reply:
    """A good answer; `delay` seconds before each content piece; `gate` holds it after `gate_after` pieces."""

    def reply(asked: Asked) -> Iterable[Action]:
        good = answer(asked, text, chunks)
        yield from good.until(0)
        for index, piece in enumerate(good.content):
            if gate is not None and index == gate_after:
                yield Wait(gate)
            if delay:
                yield Wait(delay)
            yield Body(piece)
        if gate is not None and gate_after >= len(good.content):
            yield Wait(gate)
        yield from map(Body, good.closing)

    return reply


def slow_headers(until: asyncio.Event | float, text: str = GREETING) -> Reply:
    """Not a byte before the event (or that many seconds)."""
    return lambda asked: [Wait(until), *answer(asked, text).until(0), *answer(asked, text).since(0)]


def slow_first_token(until: asyncio.Event | float, text: str = GREETING) -> Reply:
    """Headers and the role at once, content later."""
    return lambda asked: [*answer(asked, text).until(0), Wait(until), *answer(asked, text).since(0)]


# -- silence -------------------------------------------------------------------------------------------------------


def hang_before_headers() -> Reply:
    return lambda _: [HANG]


def hang_after_headers() -> Reply:
    return lambda asked: [answer(asked).head, HANG]


def hang_mid_stream(after: int = 1) -> Reply:
    return lambda asked: [*answer(asked).until(after), HANG]


def comments_only(count: int = 3, then: Action = HANG) -> Reply:
    """A stream that lives (comments, an empty line) and says nothing; then hangs, or what `then` says."""
    return lambda _: [stream_head(), *[Body(b": keep-alive\n\n")] * count, Body(b"\n"), then]


# -- broken connections --------------------------------------------------------------------------------------------


def reset_before_headers() -> Reply:
    return lambda _: [RESET]


def reset_after_headers() -> Reply:
    return lambda asked: [answer(asked).head, RESET]


def reset_mid_stream(after: int = 1, gate: asyncio.Event | None = None) -> Reply:
    """RST after some content. With `gate` not before the client has had the time to read it."""
    return lambda asked: [*answer(asked).until(after), *([Wait(gate)] if gate else []), RESET]


def close_before_headers() -> Reply:
    """FIN without a byte: what an idle keep-alive connection looks like that the server has just closed."""
    return lambda _: [CLOSE]


def close_mid_stream(after: int = 1, gate: asyncio.Event | None = None) -> Reply:
    """FIN in the middle of the body, the transfer coding not ended."""
    return lambda asked: [*answer(asked).until(after), *([Wait(gate)] if gate else []), CLOSE]


# -- answers that end wrongly --------------------------------------------------------------------------------------


def truncated(after: int = 1) -> Reply:
    """The body ends properly by HTTP's rules, but before the finish reason (a plain answer: invalid JSON)."""

    def reply(asked: Asked) -> Iterable[Action]:
        if asked.stream:
            return answer(asked).until(after)
        cut = answer(asked).content[0]
        return [json_head(cut), Body(cut)]

    return reply


def missing_finish_reason() -> Reply:
    """All content and `[DONE]`, no finish reason (a plain answer: `finish_reason` null)."""
    return lambda asked: [*(bad := answer(asked, finish_reason=None)).until(0), *bad.since(0)]


def missing_done() -> Reply:
    """A finish reason but no `[DONE]`: complete all the same. A plain answer is simply good."""

    def reply(asked: Asked) -> Iterable[Action]:
        good = answer(asked)
        return [
            step
            for step in [*good.until(0), *good.since(0)]
            if not (isinstance(step, Body) and step.data in TERMINATORS)
        ]

    return reply


def empty_answer() -> Reply:
    """A well-formed answer without any content: a role, a finish reason, no text."""

    def reply(asked: Asked) -> Iterable[Action]:
        good = answer(asked, "")
        return [*good.until(0), *good.since(0)]

    return reply


def empty_body() -> Reply:
    """Status 200 and not one byte of body."""
    return lambda asked: [stream_head() if asked.stream else json_head(b"")]


def huge_answer(size: int = 4 * 1024 * 1024, chunks: int = 64) -> Reply:
    """A good answer of `size` characters."""
    return ok("x" * size, chunks=chunks)


# -- refusals and errors -------------------------------------------------------------------------------------------


def error(
    status: int, message: str, kind: str, code: str | int | None = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """An error in OpenAI's shape with this HTTP status."""
    body = error_body(message, kind, code, "messages" if code == "context_length_exceeded" else None)
    return lambda _: [json_head(body, status, headers), Body(body)]


def rate_limited(retry_after: str | None = "1") -> Reply:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return error(429, "Rate limit reached for requests", "requests", "rate_limit_exceeded", headers)


def server_error(status: int = 500, retry_after: str | None = None) -> Reply:
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return error(status, f"The server had an error ({status})", "server_error", None, headers)


def unauthorized() -> Reply:
    return error(401, "Incorrect API key provided", "invalid_request_error", "invalid_api_key")


def payment_required() -> Reply:
    return error(402, "Insufficient Balance", "unknown_error", "invalid_request_error")


def forbidden() -> Reply:
    return error(403, "Country, region, or territory not supported", "request_forbidden", "unsupported_country")


def context_length_exceeded(limit: int = 8192, asked_for: int = 9000) -> Reply:
    message = (
        f"This model's maximum context length is {limit} tokens. However, your messages resulted in {asked_for} tokens."
    )
    return error(400, message, "invalid_request_error", "context_length_exceeded")


def error_in_ok() -> Reply:
    """Status 200 and a JSON error where an answer should be (also to a stream, with a JSON content type)."""

    def reply(asked: Asked) -> Iterable[Action]:
        body = error_answer(asked, "Provider returned error", 502)
        return [json_head(body), Body(body)]

    return reply


def error_in_stream(after: int = 0, code: int = 502) -> Reply:
    """An error object as an event of the stream, after some content; a plain request gets `error_in_ok`."""

    def reply(asked: Asked) -> Iterable[Action]:
        if not asked.stream:
            return error_in_ok()(asked)
        return [*answer(asked).until(after), Body(error_event(asked, "Provider returned error", code))]

    return reply


def redirect(location: str, status: int = 307) -> Reply:
    return lambda _: [Head(status, {"Location": location, "Content-Length": "0"})]


# -- garbage -------------------------------------------------------------------------------------------------------


def garbage_http() -> Reply:
    """Bytes that are no HTTP at all."""
    return lambda _: [Raw(b"\x16\x03\x01\x02\x00SSH-2.0-OpenSSH_9.9\r\n\r\n\x00\xff"), CLOSE]


def garbage_event(after: int = 0) -> Reply:
    """An event whose data is no JSON (a plain answer: a body that is none), then the rest as if nothing had been."""
    bad = b"<html>502 Bad Gateway</html>"

    def reply(asked: Asked) -> Iterable[Action]:
        if not asked.stream:
            return [json_head(bad), Body(bad)]
        return [*answer(asked).until(after), Body(event(bad)), *answer(asked).since(after)]

    return reply


def cut_json_event(after: int = 0) -> Reply:
    """A complete event whose JSON stops half-way, and then the end of the body (a plain answer: `truncated`)."""

    def reply(asked: Asked) -> Iterable[Action]:
        if not asked.stream:
            return truncated()(asked)
        whole = answer(asked).content[after]
        return [*answer(asked).until(after), Body(whole[: len(whole) // 2] + b"\n\n")]

    return reply


def wrong_content_type(content_type: str = "text/html") -> Reply:
    """An HTML page with status 200, as captive portals and wrong base URLs give."""
    body = b"<html><body>Welcome</body></html>"
    return lambda _: [Head(200, {"Content-Type": content_type, "Content-Length": str(len(body))}), Body(body)]


def compressed(coding: str = "gzip") -> Reply:
    """gzip, although identity was asked; under another name, what no client can read."""

    def reply(asked: Asked) -> Iterable[Action]:
        good = answer(asked)
        body = gzip.compress(b"".join((*good.opening, *good.content, *good.closing)), mtime=0)
        kind = good.head.headers["Content-Type"]
        headers = {"Content-Type": kind, "Content-Encoding": coding, "Content-Length": str(len(body))}
        return [Head(200, headers), Body(body)]

    return reply


# -- transcripts ---------------------------------------------------------------------------------------------------


def replay(body: bytes, cuts: Iterable[int] = (), head: Head | None = None) -> Reply:
    """A recorded body, one write for each part between the cuts. `head` defaults to that of an event stream."""
    parts = split(body, cuts)
    return lambda _: [head or stream_head(), *map(Body, parts)]


def events(*payloads: object, head: Head | None = None) -> Reply:
    """A stream of one's own events, in order (`b"[DONE]"` included when wanted)."""
    return lambda _: [head or stream_head(), *(Body(event(payload)) for payload in payloads)]


def raw(data: bytes, cuts: Iterable[int] = (), then: Action = CLOSE) -> Reply:
    """A recorded HTTP answer, status line included, cut anywhere; then the connection is closed."""
    parts = split(data, cuts)
    return lambda _: [*map(Raw, parts), then]
