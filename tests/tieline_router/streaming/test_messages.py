import json
from typing import Any

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.streaming.messages import MessagesObserver, PlainMessage, check_message
from tieline_router.streaming.observe import Failure
from tieline_router.streaming.sse import Event
from tieline_router.streaming.usage import Usage


def event(kind: str, **fields: Any) -> Event:
    return Event(json.dumps({"type": kind, **fields}).encode(), kind)


def start(**block: Any) -> Event:
    return event("content_block_start", index=0, content_block=block)


def delta(**delta: Any) -> Event:
    return event("content_block_delta", index=0, delta=delta)


def finish(reason: str | None = "end_turn", **usage: Any) -> Event:
    return event("message_delta", delta={"stop_reason": reason}, usage=usage or None)


def observed(*events: Event) -> MessagesObserver:
    observer = MessagesObserver()
    for one in events:
        assert observer.observe(one) is None
    return observer


CONTENT = [
    start(type="text", text="a"),
    start(type="thinking", thinking="hm"),
    start(type="tool_use", id="toolu_1", name="f", input={}),
    start(type="redacted_thinking", data="x"),
    start(type="future"),
    delta(type="text_delta", text="a"),
    delta(type="thinking_delta", thinking="hm"),
    delta(type="input_json_delta", partial_json="{"),
    delta(type="signature_delta", signature="x"),
    delta(type="citations_delta", citation={}),
    delta(type="future_delta"),
    event("message_start", message={"content": [{"type": "text", "text": "a"}]}),
]
LIFECYCLE = [
    event("ping"),
    event("message_start", message={"content": []}),
    event("message_start", message=None),
    start(type="text", text=""),
    start(type="thinking", thinking="", signature=""),
    delta(type="text_delta", text=""),
    delta(type="thinking_delta", thinking=""),
    delta(type="input_json_delta", partial_json=""),
    event("content_block_stop", index=0),
    event("message_delta", delta={"stop_reason": None}),
    event("future"),
    Event(b"{}"),
]


@pytest.mark.parametrize("one", CONTENT, ids=lambda one: one.data.decode())
def test_the_first_content_is_the_commit(one: Event) -> None:
    assert observed(one).content
    assert observed(one).steady


@pytest.mark.parametrize("one", LIFECYCLE, ids=lambda one: one.data.decode())
def test_lifecycle_is_no_content(one: Event) -> None:
    assert not observed(one).content


def test_complete_is_a_stop_reason_whatever_the_last_event() -> None:
    observer = observed(CONTENT[0], finish("max_tokens"))
    assert (observer.finished, observer.steady, observer.finish_reason) == (True, False, "max_tokens")
    assert observer.end(terminated=False) is None
    assert observed(CONTENT[0], finish(), event("message_stop")).ended


@pytest.mark.parametrize(("terminated", "error"), [(False, ErrorClass.TRUNCATED), (True, ErrorClass.MISSING_FINISH)])
def test_without_a_stop_reason_it_is_not_complete(terminated: bool, error: ErrorClass) -> None:
    failure = observed(CONTENT[0], finish(None)).end(terminated=terminated)
    assert failure is not None
    assert failure.error is error


def test_usage_is_joined_from_both_ends_and_the_prompt_is_all_that_was_read() -> None:
    told = {"input_tokens": 10, "cache_read_input_tokens": 5, "cache_creation_input_tokens": 3, "output_tokens": 1}
    observer = observed(event("message_start", message={"content": [], "usage": told}))
    assert observer.usage == Usage(18, 1, cached=5, cache_write=3)
    observer.observe(finish(output_tokens=20, output_tokens_details={"thinking_tokens": 12}))
    assert observer.usage == Usage(18, 20, cached=5, reasoning=12, cache_write=3)
    observer.observe(finish(input_tokens=11, output_tokens=21))
    assert observer.usage == Usage(19, 21, cached=5, reasoning=12, cache_write=3)


@pytest.mark.parametrize(
    ("one", "error"),
    [
        (event("error", error={"type": "overloaded_error", "message": "Overloaded"}), ErrorClass.ERROR_EVENT),
        (Event(b"overloaded", "error"), ErrorClass.ERROR_EVENT),
        (Event(b'{"type":"error","error":{"message":"x"}}'), ErrorClass.ERROR_EVENT),
        (Event(b'{"error":{"message":"x"}}'), ErrorClass.ERROR_EVENT),
        (Event(b"<html>"), ErrorClass.GARBAGE),
        (Event(b'{"type":"content_block_delta","delta":1}'), ErrorClass.GARBAGE),
        (Event(b'{"type":"content_bl'), ErrorClass.TRUNCATED),
    ],
)
def test_what_ends_an_attempt(one: Event, error: ErrorClass) -> None:
    failure = MessagesObserver().observe(one)
    assert failure is not None
    assert failure.error is error
    assert failure.body in {b"", one.data}


def test_an_empty_answer_is_a_failure_unless_it_is_explained_or_counted() -> None:
    failure = observed(start(type="text", text=""), finish()).end(terminated=True)
    assert failure is not None
    assert failure.error is ErrorClass.EMPTY
    for explained in (finish("refusal"), finish("max_tokens"), finish("stop_sequence"), finish(output_tokens=2)):
        assert observed(explained).end(terminated=True) is None


def body(content: Any, reason: str | None = "end_turn", **more: Any) -> bytes:
    return json.dumps({"type": "message", "content": content, "stop_reason": reason, **more}).encode()


def test_a_whole_answer() -> None:
    usage = {"input_tokens": 2, "output_tokens": 1}
    text = [{"type": "text", "text": "hi"}]
    assert check_message(body(text, usage=usage)) == PlainMessage("end_turn", Usage(2, 1))
    assert check_message(body([{"type": "tool_use"}], "tool_use")) == PlainMessage("tool_use", None)


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ErrorClass.TRUNCATED),
        (b"<html>", ErrorClass.GARBAGE),
        (b"{}", ErrorClass.GARBAGE),
        (b'{"type":"error","error":{"message":"x"}}', ErrorClass.ERROR_EVENT),
        (body([{"type": "text", "text": "hi"}])[:30], ErrorClass.TRUNCATED),
        (body([{"type": "text", "text": "hi"}], None), ErrorClass.MISSING_FINISH),
        (body([]), ErrorClass.EMPTY),
        (body([{"type": "text", "text": ""}]), ErrorClass.EMPTY),
    ],
)
def test_what_is_no_answer(data: bytes, error: ErrorClass) -> None:
    failure = check_message(data)
    assert isinstance(failure, Failure)
    assert failure.error is error
