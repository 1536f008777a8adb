import json
from typing import Any

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.streaming.observe import Failure
from tieline_router.streaming.responses import PlainResponse, ResponsesObserver, check_response
from tieline_router.streaming.sse import Event
from tieline_router.streaming.usage import Usage

MESSAGE = {"type": "message", "content": [{"type": "output_text", "text": "hi"}]}
USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 5},
}


def event(kind: str, **fields: Any) -> Event:
    return Event(json.dumps({"type": kind, **fields}).encode(), kind)


def completed(status: str = "completed", **fields: Any) -> Event:
    return event(f"response.{status}", response={"status": status, "output": [], **fields})


def observed(*events: Event) -> ResponsesObserver:
    observer = ResponsesObserver()
    for one in events:
        assert observer.observe(one) is None
    return observer


CONTENT = [
    event("response.output_text.delta", delta="a"),
    event("response.reasoning_summary_text.delta", delta="hm"),
    event("response.reasoning_text.delta", delta="hm"),
    event("response.refusal.delta", delta="no"),
    event("response.function_call_arguments.delta", delta="{"),
    event("response.audio.delta", delta="AAAA"),
    event("response.output_item.added", item={"type": "function_call", "name": "f", "arguments": ""}),
    event("response.output_item.added", item={"type": "web_search_call"}),
    event("response.output_item.added", item=MESSAGE),
    event("response.output_item.added", item={"type": "message", "content": "what is this?"}),
    event("response.output_item.done", item={"type": "reasoning", "summary": [{"type": "summary_text", "text": "a"}]}),
    event("response.content_part.added", part={"type": "output_text", "text": "a"}),
    event("response.content_part.added", part={"type": "future"}),
    event("response.output_text.done", text="a"),
    event("response.refusal.done", refusal="no"),
    event("response.web_search_call.searching"),
    event("response.future"),
    completed(output=[MESSAGE]),
]
LIFECYCLE = [
    event("response.created", response={"status": "in_progress", "output": []}),
    event("response.in_progress", response={"status": "in_progress"}),
    event("response.queued", response=None),
    event("keepalive"),
    event("response.output_item.added", item={"type": "message", "content": []}),
    event("response.output_item.added", item={"type": "reasoning", "summary": [], "encrypted_content": "x"}),
    event("response.output_item.done", item={"type": "message", "content": [{"type": "output_text", "text": ""}]}),
    event("response.content_part.added", part={"type": "output_text", "text": "", "annotations": []}),
    event("response.reasoning_summary_part.added", part={"type": "summary_text", "text": ""}),
    event("response.output_text.delta", delta=""),
    event("response.output_text.done", text=""),
    completed(),
    Event(b"{}"),
]


@pytest.mark.parametrize("one", CONTENT, ids=lambda one: one.data.decode())
def test_the_first_content_is_the_commit(one: Event) -> None:
    assert observed(one).content


@pytest.mark.parametrize("one", LIFECYCLE, ids=lambda one: one.data.decode())
def test_lifecycle_is_no_content(one: Event) -> None:
    assert not observed(one).content


def test_complete_is_the_last_event_and_it_tells_the_usage() -> None:
    observer = observed(CONTENT[0])
    assert (observer.steady, observer.finished, observer.ended) == (True, False, False)
    assert observer.observe(completed(usage=USAGE)) is None
    assert (observer.steady, observer.finished, observer.ended) == (False, True, True)
    assert observer.end(terminated=False) is None
    assert observer.usage == Usage(10, 7, cached=4, reasoning=5, cache_write=2)
    assert observer.finish_reason == "completed"


@pytest.mark.parametrize(
    ("details", "reason"), [({"reason": "max_output_tokens"}, "max_output_tokens"), (None, "incomplete")]
)
def test_an_incomplete_response_says_why(details: object, reason: str) -> None:
    observer = observed(completed("incomplete", incomplete_details=details))
    assert observer.finish_reason == reason
    assert observer.end(terminated=False) is None, "and needs no content"


@pytest.mark.parametrize(("terminated", "error"), [(False, ErrorClass.TRUNCATED), (True, ErrorClass.MISSING_FINISH)])
def test_without_its_last_event_it_is_not_complete(terminated: bool, error: ErrorClass) -> None:
    failure = observed(CONTENT[0]).end(terminated=terminated)
    assert failure is not None
    assert failure.error is error


def test_an_empty_answer_is_a_failure_unless_it_is_counted() -> None:
    failure = observed(completed()).end(terminated=False)
    assert failure is not None
    assert failure.error is ErrorClass.EMPTY
    assert observed(completed(usage=USAGE)).end(terminated=False) is None


@pytest.mark.parametrize(
    ("one", "error"),
    [
        (event("error", code="server_error", message="x"), ErrorClass.ERROR_EVENT),
        (Event(b"oops", "error"), ErrorClass.ERROR_EVENT),
        (Event(b'{"error":{"message":"x"}}'), ErrorClass.ERROR_EVENT),
        (event("response.failed", response={"status": "failed"}), ErrorClass.ERROR_EVENT),
        (event("response.cancelled", response={"status": "cancelled"}), ErrorClass.ERROR_EVENT),
        (event("response.completed", response={"status": "failed"}), ErrorClass.ERROR_EVENT),
        (event("response.completed"), ErrorClass.GARBAGE),
        (Event(b"<html>"), ErrorClass.GARBAGE),
        (Event(b'{"type":"response.out'), ErrorClass.TRUNCATED),
    ],
)
def test_what_ends_an_attempt(one: Event, error: ErrorClass) -> None:
    failure = ResponsesObserver().observe(one)
    assert failure is not None
    assert failure.error is error


def test_a_failed_response_keeps_its_error_alone() -> None:
    error = {"code": "rate_limit_exceeded", "message": "slow down"}
    failure = ResponsesObserver().observe(event("response.failed", response={"status": "failed", "error": error}))
    assert failure is not None
    assert json.loads(failure.body) == {"error": error}


def body(output: Any, status: str | None = "completed", **more: Any) -> bytes:
    return json.dumps({"object": "response", "output": output, "status": status, **more}).encode()


def test_a_whole_answer() -> None:
    told = check_response(body([MESSAGE], usage=USAGE))
    assert told == PlainResponse("completed", Usage(10, 7, cached=4, reasoning=5, cache_write=2))
    details = {"reason": "content_filter"}
    assert check_response(body([], "incomplete", incomplete_details=details)) == PlainResponse("content_filter", None)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ErrorClass.TRUNCATED),
        (b"{}", ErrorClass.GARBAGE),
        (b'{"object":"error","message":"x"}', ErrorClass.ERROR_EVENT),
        (b'{"error":{"message":"x"}}', ErrorClass.ERROR_EVENT),
        (body([MESSAGE], "failed"), ErrorClass.ERROR_EVENT),
        (body([MESSAGE], "in_progress"), ErrorClass.MISSING_FINISH),
        (body([MESSAGE], None), ErrorClass.MISSING_FINISH),
        (body([MESSAGE])[:40], ErrorClass.TRUNCATED),
        (body([]), ErrorClass.EMPTY),
    ],
)
def test_what_is_no_answer(data: bytes, error: ErrorClass) -> None:
    failure = check_response(data)
    assert isinstance(failure, Failure)
    assert failure.error is error
