"""Transcripts of providers' streams, whole and cut: what reaches the client, and when."""

import json
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.errors import ErrorClass
from tieline_router.streaming.chat import HOLD_BACK_BYTES, ChatStream
from tieline_router.streaming.sse import encode_event

from tests.support.openai_answers import split

ROLE = b'{"choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}'
HEL = '{"choices":[{"index":0,"delta":{"content":"Hé😀"},"finish_reason":null}]}'.encode()
LO = b'{"choices":[{"index":0,"delta":{"content":"lo"},"finish_reason":null}]}'
STOP = b'{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}'
USAGE = b'{"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}'
ERROR = b'{"error":{"message":"out of memory","code":500}}'
DONE = b"[DONE]"


def sse(*payloads: bytes) -> bytes:
    return b"".join(map(encode_event, payloads))


TRANSCRIPTS: dict[str, tuple[bytes, bytes, ErrorClass | None]] = {
    "complete": (sse(ROLE, HEL, LO, STOP, USAGE, DONE), sse(ROLE, HEL, LO, STOP, USAGE), None),
    "comments": (b": hi\n\n" + sse(ROLE, HEL) + b":\r\n\r\n" + sse(STOP, DONE), sse(ROLE, HEL, STOP), None),
    "no terminator": (sse(ROLE, HEL, STOP), sse(ROLE, HEL, STOP), None),
    "last blank line missing": (sse(ROLE, HEL, STOP).rstrip(b"\n"), sse(ROLE, HEL, STOP), None),
    "terminator with CRLF": (sse(ROLE, HEL, STOP) + b"data: [DONE]\r\n\r\n", sse(ROLE, HEL, STOP), None),
    "after the terminator": (sse(ROLE, HEL, STOP, DONE, ERROR), sse(ROLE, HEL, STOP), None),
    "broken after the finish": (sse(ROLE, HEL, STOP) + b'data: {"choi', sse(ROLE, HEL, STOP), None),
    "error after the finish": (sse(ROLE, HEL, STOP, ERROR), sse(ROLE, HEL, STOP), None),
    "cut in an event": (sse(ROLE, HEL) + LO[:20], sse(ROLE, HEL), ErrorClass.TRUNCATED),
    "cut between events": (sse(ROLE, HEL, LO), sse(ROLE, HEL, LO), ErrorClass.TRUNCATED),
    "no finish reason": (sse(ROLE, HEL, DONE), sse(ROLE, HEL), ErrorClass.MISSING_FINISH),
    "error after content": (sse(ROLE, HEL, ERROR, LO, STOP, DONE), sse(ROLE, HEL), ErrorClass.ERROR_EVENT),
    "error before content": (sse(ROLE, ERROR), b"", ErrorClass.ERROR_EVENT),
    "garbage": (sse(ROLE, HEL, b"<html>"), sse(ROLE, HEL), ErrorClass.GARBAGE),
    "named error": (sse(ROLE) + encode_event(b'{"message":"no"}', "error"), b"", ErrorClass.ERROR_EVENT),
    "named error after content": (
        sse(ROLE, HEL) + encode_event(b'{"message":"no"}', "error") + sse(STOP, DONE),
        sse(ROLE, HEL),
        ErrorClass.ERROR_EVENT,
    ),
    "no UTF-8": (sse(ROLE, HEL, LO.replace(b"lo", b"\xff\xfe")), sse(ROLE, HEL), ErrorClass.GARBAGE),
    "nothing": (b"", b"", ErrorClass.TRUNCATED),
    "role only": (sse(ROLE), b"", ErrorClass.TRUNCATED),
    "empty": (sse(ROLE, STOP, DONE), b"", ErrorClass.EMPTY),
}


def relay(*chunks: bytes) -> tuple[bytes, ErrorClass | None]:
    stream = ChatStream(lambda data: data)
    out = b"".join(stream.feed(chunk) for chunk in chunks) + stream.end()
    return out, stream.failure.error if stream.failure else None


@cache
def transcript(name: str) -> bytes:
    return TRANSCRIPTS[name][0]


@pytest.mark.parametrize("name", TRANSCRIPTS)
def test_cut_at_every_byte_the_client_sees_the_same(name: str) -> None:
    data, expected, error = TRANSCRIPTS[name]
    for cut in range(len(data) + 1):
        assert relay(data[:cut], data[cut:]) == (expected, error), f"cut at {cut}"


@given(st.sampled_from(sorted(TRANSCRIPTS)), st.sets(st.integers(1, 700)))
def test_cut_anywhere_the_client_sees_the_same(name: str, cuts: set[int]) -> None:
    _, expected, error = TRANSCRIPTS[name]
    assert relay(*split(transcript(name), cuts)) == (expected, error)


def test_nothing_before_the_content_and_everything_at_once_after_it() -> None:
    stream = ChatStream(lambda data: data)
    assert (stream.feed(sse(ROLE)), stream.committed) == (b"", False)
    assert (stream.feed(sse(HEL)), stream.committed) == (sse(ROLE, HEL), True)
    assert stream.feed(sse(LO)[:-1]) == b""
    assert stream.feed(b"\n") == sse(LO)


def test_lifecycle_beyond_the_bound_is_let_go_without_a_commit() -> None:
    stream = ChatStream(lambda data: data)
    count = HOLD_BACK_BYTES // len(sse(ROLE)) + 1
    out = stream.feed(sse(*[ROLE] * count))
    assert out == sse(*[ROLE] * count)
    assert not stream.committed
    assert stream.feed(sse(ROLE)) == sse(ROLE)


def test_an_event_beyond_the_bound_is_the_providers_failure() -> None:
    stream = ChatStream(lambda data: data, max_event_bytes=1000)
    assert stream.feed(b"data: " + b"x" * 2000) == b""
    assert stream.failure is not None
    assert stream.failure.error is ErrorClass.ANSWER_TOO_LARGE


def test_dropped_events_leave_no_trace() -> None:
    stream = ChatStream(lambda data: None if b'"usage"' in data else data)
    assert stream.feed(sse(ROLE, HEL, STOP, USAGE, DONE)) + stream.end() == sse(ROLE, HEL, STOP)
    assert stream.observer.usage is not None


def test_an_empty_answer_with_a_reason_is_given_whole() -> None:
    stop = json.dumps({"choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]}).encode()
    assert relay(sse(ROLE, stop, DONE)) == (sse(ROLE, stop), None)
