import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.errors import ErrorClass
from tieline_router.routing.classify import MAX_MESSAGE, classify_error, classify_status


def body(**error: object) -> bytes:
    return json.dumps({"error": error}).encode()


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (302, ErrorClass.REDIRECT_REFUSED),
        (400, ErrorClass.BAD_REQUEST),
        (401, ErrorClass.STATUS_401_402_403),
        (402, ErrorClass.STATUS_401_402_403),
        (403, ErrorClass.STATUS_401_402_403),
        (404, ErrorClass.STATUS_404_MODEL),
        (405, ErrorClass.STATUS_404_MODEL),
        (408, ErrorClass.STATUS_5XX),
        (413, ErrorClass.BAD_REQUEST),
        (422, ErrorClass.BAD_REQUEST),
        (429, ErrorClass.STATUS_429),
        (500, ErrorClass.STATUS_5XX),
        (503, ErrorClass.STATUS_5XX),
        (529, ErrorClass.OVERLOADED),
        (204, ErrorClass.GARBAGE),
    ],
)
def test_by_status(status: int, error: ErrorClass) -> None:
    assert classify_status(status, {}, b"").error is error


def test_a_server_that_says_when_to_come_back_is_overloaded_not_broken() -> None:
    found = classify_status(503, {"retry-after": "4"}, body(message="busy"))
    assert found == (ErrorClass.OVERLOADED, "busy", 4.0)
    assert classify_status(500, {"retry-after": "4"}, b"").error is ErrorClass.STATUS_5XX


def test_a_time_to_come_back_may_stand_in_the_body_or_need_our_clock() -> None:
    google = body(message="m", details=[{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "36.5s"}])
    assert classify_status(429, {}, google).retry_after == 36.5
    assert classify_status(429, {"retry-after": "2"}, google).retry_after == 2
    assert classify_status(429, {"x-ratelimit-reset": "1700000009"}, b"", now=1_700_000_000.0).retry_after == 9


@pytest.mark.parametrize(
    ("status", "answer", "error"),
    [
        (400, body(message="x", code="context_length_exceeded"), ErrorClass.CONTEXT_LENGTH),
        (400, body(code=400, message="…", type="exceed_context_size_error"), ErrorClass.CONTEXT_LENGTH),
        (400, b'{"object":"error","message":"This model\'s maximum context length is 10"}', ErrorClass.CONTEXT_LENGTH),
        (413, body(message="prompt is too long: 9 tokens"), ErrorClass.CONTEXT_LENGTH),
        (400, body(message="filtered", code="content_filter"), ErrorClass.CONTENT_POLICY),
        (403, body(message="this input requires moderation"), ErrorClass.CONTENT_POLICY),
        (400, b'{"detail":"data_inspection_failed"}', ErrorClass.CONTENT_POLICY),
        (500, body(message="maximum context length"), ErrorClass.STATUS_5XX),
        (429, body(message="token_limit_exceeded"), ErrorClass.STATUS_429),
        (400, b"<html>", ErrorClass.BAD_REQUEST),
    ],
)
def test_by_words(status: int, answer: bytes, error: ErrorClass) -> None:
    assert classify_status(status, {}, answer).error is error


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (body(message="boom"), ErrorClass.ERROR_EVENT),
        (body(message="slow down", code=429), ErrorClass.STATUS_429),
        (body(message="Rate limit reached", type="rate_limit_error"), ErrorClass.STATUS_429),
        (body(message="x", code=401), ErrorClass.STATUS_401_402_403),
        (body(message="x", code=400), ErrorClass.BAD_REQUEST),
        (body(message="x", code=500), ErrorClass.ERROR_EVENT),
        (body(message="Overloaded", type="overloaded_error"), ErrorClass.OVERLOADED),
        (body(message="x", code="context_length_exceeded"), ErrorClass.CONTEXT_LENGTH),
        (b'{"error":"plain words"}', ErrorClass.ERROR_EVENT),
        (b"not json", ErrorClass.ERROR_EVENT),
    ],
)
def test_errors_inside_an_answer(answer: bytes, error: ErrorClass) -> None:
    assert classify_error(answer).error is error


def test_the_message_is_the_providers_own_and_bounded() -> None:
    assert classify_error(b'{"error":"plain words"}').message == "plain words"
    assert classify_error(b'{"detail":"why"}').message == "why"
    assert classify_error(b"<html>bad gateway").message == "<html>bad gateway"
    assert len(classify_error(body(message="x" * 5000)).message) == MAX_MESSAGE
    assert len(classify_error("ü".encode() * 5000).message) == MAX_MESSAGE


@given(st.integers(100, 599).filter(lambda status: status != 200), st.binary(max_size=200))
def test_total(status: int, data: bytes) -> None:
    assert classify_status(status, {}, data).error in ErrorClass
    assert classify_error(data).error in ErrorClass


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x), max_leaves=5
    )
)
def test_any_json_is_understood_somehow(value: object) -> None:
    for answer in (value, {"error": value}, {"error": {"message": value, "code": value, "type": value}}):
        assert isinstance(classify_error(json.dumps(answer).encode()).message, str)
