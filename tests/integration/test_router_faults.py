"""Every fault of a provider, plain and streaming: before the content commit the client sees nothing of it, after it the
client is told in-band and never gets a terminator."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable

import pytest
from tieline_api.snapshot import FirstToken, Header, Retries, SecretRef, Timeouts

from tests.support import frames, replies
from tests.support.clock import VirtualClock
from tests.support.gateway import Gateway
from tests.support.openai_answers import (
    CLOSE,
    DONE,
    GREETING,
    HANG,
    RESET,
    Body,
    Head,
    Reply,
    Wait,
    event,
    json_head,
    stream_head,
)
from tests.support.upstream import Upstream

QUICK = Timeouts(connect=2, first_token=FirstToken(base=1, per_thousand_tokens=0), response=1, idle=1, request=20)
"""They hold for the good server too, and for ours: a busy machine must not take as long."""
CONTENT = {"id": "x", "choices": [{"index": 0, "delta": {"content": GREETING}, "finish_reason": None}]}
COMPLETE = {"id": "x", "choices": [{"index": 0, "delta": {"content": GREETING}, "finish_reason": "stop"}]}
FAILED = {"error": {"message": "out of memory", "code": 500}}
EMPTY = {"id": "x", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}

BEFORE_COMMIT: dict[str, Callable[[], Reply]] = {
    "hang before headers": replies.hang_before_headers,
    "hang after headers": replies.hang_after_headers,
    "comments only": replies.comments_only,
    "comments, then the end": lambda: replies.comments_only(then=CLOSE),
    "reset before headers": replies.reset_before_headers,
    "reset after headers": replies.reset_after_headers,
    "closed before headers": replies.close_before_headers,
    "closed at once": lambda: replies.close_mid_stream(0),
    "truncated": lambda: replies.truncated(0),
    "empty body": replies.empty_body,
    "429": replies.rate_limited,
    "429 without Retry-After": lambda: replies.rate_limited(None),
    "500": replies.server_error,
    "503 with Retry-After": lambda: replies.server_error(503, "1"),
    "529": lambda: replies.server_error(529),
    "401": replies.unauthorized,
    "402": replies.payment_required,
    "403": replies.forbidden,
    "404": lambda: replies.error(404, "The model does not exist", "invalid_request_error", "model_not_found"),
    "error in a 200": replies.error_in_ok,
    "error in the stream": replies.error_in_stream,
    "content and error in one piece": lambda: _at_once(event(CONTENT) + event(FAILED)),
    "redirect": lambda: replies.redirect("http://127.0.0.1:9/elsewhere"),
    "no HTTP": replies.garbage_http,
    "garbage event": replies.garbage_event,
    "JSON cut in an event": replies.cut_json_event,
    "HTML page": replies.wrong_content_type,
    "unknown coding": lambda: replies.compressed("br"),
}
AFTER_COMMIT: dict[str, tuple[Callable[[], Reply], str]] = {
    "hang": (lambda: replies.hang_mid_stream(2), "timeout_idle"),
    "reset": (lambda: replies.reset_mid_stream(2, gate=_later()), "reset_mid_stream"),
    "closed": (lambda: replies.close_mid_stream(2, gate=_later()), "reset_mid_stream"),
    "truncated": (lambda: replies.truncated(2), "truncated"),
    "no finish reason": (replies.missing_finish_reason, "missing_finish"),
    "error in the stream": (lambda: replies.error_in_stream(2), "error_event"),
    "garbage event": (lambda: replies.garbage_event(2), "garbage"),
    "JSON cut in an event": (lambda: replies.cut_json_event(2), "truncated"),
}


def _at_once(body: bytes) -> Reply:
    """A stream in one write; to a plain request, which it is no answer to either, the same."""
    return lambda _: [stream_head(), Body(body)]


def _failing(error: dict[str, object]) -> Reply:
    """An error with status 200: in the stream, or as the body of a plain answer."""
    body = json.dumps({"error": error}).encode()
    return lambda asked: (
        [stream_head(), Body(event({"error": error}))] if asked.stream else [json_head(body), Body(body)]
    )


def _later() -> asyncio.Event:
    """An event that is set when the loop has had time to carry what was written to the client."""
    event = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, event.set)
    return event


@pytest.fixture
async def bad() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def good() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway(bad: Upstream, good: Upstream) -> AsyncIterator[Gateway]:
    """Two own pools, the bad one first."""
    async with Gateway() as gateway:
        await gateway.configure(
            [frames.own_pool("bad"), frames.own_pool("good")],
            [frames.route("bad", "good", timeouts=QUICK)],
            addresses={"bad": [bad.address], "good": [good.address]},
        )
        yield gateway


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("fault", BEFORE_COMMIT)
async def test_a_fault_before_the_commit_is_invisible(
    gateway: Gateway, bad: Upstream, good: Upstream, fault: str, stream: bool
) -> None:
    bad.default = BEFORE_COMMIT[fault]()
    answer = await gateway.chat(stream=stream)
    assert (answer.status, answer.text, answer.complete) == (200, GREETING, True)
    assert answer.done is stream
    assert len(good.completions) == 1
    assert bad.requests
    providers = {event["provider"] for event in answer.events[:-1]} if stream else {answer.json["provider"]}
    assert providers == {"good"}
    assert b"error" not in answer.body


@pytest.mark.parametrize("fault", AFTER_COMMIT)
async def test_a_fault_after_the_commit_is_told_in_band(
    gateway: Gateway, bad: Upstream, good: Upstream, fault: str
) -> None:
    make, code = AFTER_COMMIT[fault]
    bad.default = make()
    answer = await gateway.chat(stream=True)
    assert answer.status == 200
    assert answer.complete
    assert not answer.done
    assert GREETING.startswith(answer.text)
    assert len(answer.text) >= 5
    last = answer.events[-1]
    assert last["error"]["code"] == code
    assert last["choices"][0]["finish_reason"] == "error"
    assert last["id"] == answer.headers["X-Generation-Id"] == answer.events[0]["id"]
    assert not good.completions


@pytest.mark.parametrize("fault", ["truncated", "no finish reason", "garbage event", "JSON cut in an event"])
async def test_a_plain_answer_is_whole_or_comes_from_elsewhere(gateway: Gateway, bad: Upstream, fault: str) -> None:
    bad.default = AFTER_COMMIT[fault][0]()
    answer = await gateway.chat()
    assert (answer.status, answer.text, answer.json["provider"]) == (200, GREETING, "good")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_missing_terminator_harms_nothing(gateway: Gateway, bad: Upstream, stream: bool) -> None:
    bad.default = replies.missing_done()
    answer = await gateway.chat(stream=stream)
    assert (answer.status, answer.text, answer.done) == (200, GREETING, stream)


@pytest.mark.parametrize("how", ["error", "reset"])
async def test_what_breaks_after_the_last_finish_reason_harms_nothing(
    gateway: Gateway, bad: Upstream, how: str
) -> None:
    gate = _later()
    end = [Body(event(FAILED))] if how == "error" else [Wait(gate), RESET]
    bad.default = lambda _: [stream_head(), Body(event(COMPLETE)), *end]
    answer = await gateway.chat(stream=True)
    assert (answer.text, answer.done) == (GREETING, True)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_an_empty_answer_is_asked_for_once_more(gateway: Gateway, bad: Upstream, stream: bool) -> None:
    bad.default = replies.events(EMPTY, b"[DONE]") if stream else replies.empty_answer()
    answer = await gateway.chat(stream=stream)
    assert (answer.status, answer.text, answer.done) == (200, GREETING, stream)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_when_all_fail_the_last_failure_is_told(
    gateway: Gateway, bad: Upstream, good: Upstream, stream: bool
) -> None:
    bad.default, good.default = replies.server_error(), replies.reset_before_headers()
    answer = await gateway.chat(stream=stream)
    assert (answer.status, answer.error["code"]) == (502, "status_5xx")
    assert "bad: status_5xx, good: reset_before_headers, bad: status_5xx" in answer.error["message"]


async def test_retry_after_is_passed_on_when_every_provider_limits(
    gateway: Gateway, bad: Upstream, good: Upstream
) -> None:
    bad.default, good.default = replies.rate_limited("99"), replies.rate_limited("77")
    answer = await gateway.chat()
    assert (answer.status, answer.error["code"], answer.headers["Retry-After"]) == (429, "rate_limit_exceeded", "77")


async def test_a_pause_that_the_provider_asks_for_is_kept(bad: Upstream) -> None:
    clock = VirtualClock()
    bad.script(replies.server_error(503, "3"))
    async with Gateway(clock) as gateway:
        await gateway.configure([frames.own_pool("bad")], [frames.route("bad")], addresses={"bad": [bad.address]})
        answer = await gateway.chat()
    assert (answer.status, len(bad.completions)) == (200, 2)
    assert any(seconds >= 3 for seconds in clock.slept)


async def test_redirects_are_never_followed(gateway: Gateway, bad: Upstream, good: Upstream) -> None:
    async with Upstream() as elsewhere:
        bad.default = replies.redirect(f"{elsewhere.base_url}/v1/chat/completions")
        assert (await gateway.chat()).json["provider"] == "good"
        assert not elsewhere.requests


async def test_the_callers_own_fault_is_not_tried_elsewhere(gateway: Gateway, bad: Upstream, good: Upstream) -> None:
    bad.default = replies.error(400, "temperature must be below 2", "invalid_request_error", "invalid_value")
    answer = await gateway.chat()
    assert (answer.status, answer.error["message"]) == (400, "temperature must be below 2")
    assert not good.completions


async def test_a_longer_context_is_looked_for_elsewhere(gateway: Gateway, bad: Upstream, good: Upstream) -> None:
    bad.default = replies.context_length_exceeded()
    answer = await gateway.chat()
    assert (answer.status, answer.json["provider"]) == (200, "good")


async def test_the_type_of_a_stream_is_known_in_any_case(gateway: Gateway, bad: Upstream) -> None:
    head = Head(200, {"Content-Type": "Text/Event-Stream ; charset=UTF-8"})
    bad.default = lambda _: [head, Body(event(COMPLETE)), Body(DONE)]
    answer = await gateway.chat(stream=True)
    assert (answer.text, answer.done, answer.events[0]["provider"]) == (GREETING, True, "bad")


@pytest.mark.parametrize("usage", [False, True], ids=["bare", "usage"])
async def test_a_server_that_neither_ends_nor_closes_after_the_last_finish_reason_harms_nothing(
    gateway: Gateway, bad: Upstream, usage: bool
) -> None:
    counted = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 3, "total_tokens": 4}}
    pieces = [event(COMPLETE), *([event(counted)] if usage else [])]
    bad.default = lambda _: [stream_head(), *map(Body, pieces), HANG]
    answer = await gateway.chat(stream=True, path="/api/v1/chat/completions")
    assert (answer.done, answer.complete) == (True, True)
    assert [one["usage"]["completion_tokens"] for one in answer.events[:-1] if "usage" in one] == [3] * usage
    endpoint = (await gateway.admin("/admin/endpoints"))["endpoints"][0]
    assert (endpoint["pool"], endpoint["consecutiveFailures"]) == ("default/bad", 0)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    "quote",
    [
        lambda key: replies.error(400, f"Incorrect header: Bearer {key}.", "invalid_request_error"),
        lambda key: replies.error(422, "x" * 990 + key, "invalid_request_error"),
        lambda key: replies.error(400, f"{base64.b64encode(f'user:{key}'.encode()).decode()} is wrong", "bad"),
        lambda key: replies.error(400, f"maximum context length; your title {key}", "bad"),
        lambda key: _failing({"message": f"{key} is no field", "code": 400}),
    ],
    ids=["whole", "cut", "encoded", "context", "with status 200"],
)
async def test_a_providers_words_never_hold_our_secrets(
    bad: Upstream, caplog: pytest.LogCaptureFixture, quote: Callable[[str], Reply], stream: bool
) -> None:
    caplog.set_level("DEBUG")
    header = Header(name="X-Title", secret=SecretRef(id="title", version="1"))
    async with Gateway() as gateway:
        await gateway.configure(
            [frames.external_pool("bad", bad.base_url, headers=(header,))],
            [frames.route("bad", retries=Retries(attempts=1))],
            secrets={"bad_key": "sk-KEYcanary123456", "title": "TITLEcanary123456"},
        )
        for secret in ("sk-KEYcanary123456", "TITLEcanary123456"):
            bad.default = quote(secret)
            answer = await gateway.chat(stream=stream)
            assert answer.status == 400
            assert "canary" not in answer.error["message"]
            assert base64.b64encode(b"canary").decode()[1:7] not in answer.error["message"]
            assert "[redacted]" in answer.error["message"]
    assert "canary" not in caplog.text


async def test_the_words_are_those_of_the_failure_that_is_told(gateway: Gateway, bad: Upstream, good: Upstream) -> None:
    bad.default = replies.error(400, "This model's maximum context length is 10 tokens", "invalid_request_error")
    good.default = replies.rate_limited()
    answer = await gateway.chat(path="/api/v1/chat/completions")
    assert answer.status == 400
    assert answer.error["message"] == "This model's maximum context length is 10 tokens"
    assert answer.error["metadata"]["provider_name"] == "bad"
    assert [one["provider"] for one in answer.error["metadata"]["previous_errors"]][:2] == ["bad", "good"]


async def test_the_total_time_ends_all(bad: Upstream) -> None:
    bad.default = replies.hang_before_headers()
    async with Gateway() as gateway:
        timeouts = Timeouts(response=0, request=0.3)
        await gateway.configure(
            [frames.own_pool("bad")], [frames.route("bad", timeouts=timeouts)], addresses={"bad": [bad.address]}
        )
        answer = await gateway.chat()
        assert (answer.status, answer.error["code"]) == (504, "timeout_total")
        await bad.disconnected()


async def test_a_long_wait_is_bridged_by_comments_and_fails_in_band(bad: Upstream) -> None:
    bad.default = replies.hang_before_headers()
    timeouts = Timeouts(first_token=FirstToken(base=0.4, per_thousand_tokens=0), keep_alive_after=0.1)
    async with Gateway() as gateway:
        await gateway.configure(
            [frames.own_pool("bad")],
            [frames.route("bad", timeouts=timeouts, retries=Retries(attempts=1))],
            addresses={"bad": [bad.address]},
        )
        answer = await gateway.chat(stream=True)
    assert answer.status == 200
    assert answer.body.startswith(b": tieline keep-alive\n\n")
    assert not answer.done
    assert answer.error["code"] == "timeout_first_token"


async def test_failover_goes_on_after_the_first_comment(gateway: Gateway, bad: Upstream, good: Upstream) -> None:
    timeouts = Timeouts(first_token=FirstToken(base=0.4, per_thousand_tokens=0), keep_alive_after=0.1)
    bad.default = replies.hang_before_headers()
    await gateway.configure(
        [frames.own_pool("bad"), frames.own_pool("good")],
        [frames.route("bad", "good", timeouts=timeouts)],
        addresses={"bad": [bad.address], "good": [good.address]},
    )
    answer = await gateway.chat(stream=True)
    assert answer.body.startswith(b": tieline keep-alive\n\n")
    assert (answer.text, answer.done) == (GREETING, True)
