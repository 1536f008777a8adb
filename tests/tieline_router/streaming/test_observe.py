import json
from typing import Any

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.streaming.observe import ChatObserver, Failure, PlainAnswer, check_answer
from tieline_router.streaming.sse import Event
from tieline_router.streaming.usage import Usage


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return json.dumps({"id": "x", "choices": [choice], **more}).encode()


def answer(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps({"id": "x", "choices": [choice], **more}).encode()


def observed(*chunks: bytes, n: int = 1) -> ChatObserver:
    observer = ChatObserver(n)
    for data in chunks:
        assert observer.observe(Event(data)) is None
    return observer


CONTENT: list[dict[str, Any]] = [
    {"content": "a"},
    {"content": " "},
    {"content": [{"type": "text", "text": "a"}]},
    {"reasoning": "hm"},
    {"reasoning_content": "hm"},
    {"reasoning_details": [{"type": "reasoning.text"}]},
    {"refusal": "no"},
    {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]},
    {"function_call": {"name": "f"}},
    {"audio": {"data": "AAAA"}},
    {"images": [{"type": "image_url"}]},
]
NO_CONTENT: list[dict[str, Any]] = [
    {},
    {"role": "assistant"},
    {"role": "assistant", "content": ""},
    {"content": None},
    {"content": [], "tool_calls": [], "audio": {}, "refusal": None, "reasoning": ""},
    {"unknown": "field"},
]


@pytest.mark.parametrize("delta", CONTENT)
def test_the_first_content_is_the_commit(delta: dict[str, Any]) -> None:
    assert observed(chunk(delta)).content


@pytest.mark.parametrize("delta", NO_CONTENT)
def test_lifecycle_is_no_content(delta: dict[str, Any]) -> None:
    assert not observed(chunk(delta)).content


@pytest.mark.parametrize("terminated", [False, True])
def test_complete_is_a_finish_reason_whatever_the_terminator(terminated: bool) -> None:
    observer = observed(chunk({"content": "a"}), chunk(finish="stop"))
    assert observer.finished
    assert observer.end(terminated=terminated) is None


@pytest.mark.parametrize(("terminated", "error"), [(False, ErrorClass.TRUNCATED), (True, ErrorClass.MISSING_FINISH)])
def test_without_a_finish_reason_it_is_not_complete(terminated: bool, error: ErrorClass) -> None:
    failure = observed(chunk({"content": "a"})).end(terminated=terminated)
    assert failure is not None
    assert failure.error is error


def test_every_choice_needs_its_finish_reason() -> None:
    observer = observed(chunk({"content": "a"}), chunk({"content": "b"}, index=1), chunk(finish="stop"), n=2)
    assert not observer.finished
    assert observer.end(terminated=True) is not None
    observer.observe(Event(chunk(finish="length", index=1)))
    assert observer.end(terminated=False) is None
    assert observer.finish_reasons == {0: "stop", 1: "length"}


def test_a_server_that_ignores_n_is_believed_only_with_its_terminator() -> None:
    observer = observed(chunk({"content": "a"}), chunk(finish="stop"), n=3)
    assert observer.end(terminated=False) is not None
    assert observer.end(terminated=True) is None


def test_usage_is_taken_from_wherever_it_stands() -> None:
    observer = observed(chunk({"content": "a"}, usage=None), chunk(finish="stop", usage={"prompt_tokens": 3}))
    assert observer.usage == Usage(3, 0)
    observer.observe(Event(json.dumps({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}).encode()))
    assert observer.usage == Usage(3, 1)
    observer.observe(Event(chunk(usage={"odd": 1})))
    assert observer.usage == Usage(3, 1), "what is not understood does not undo what was known"


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b'{"error": {"message": "overloaded"}}', ErrorClass.ERROR_EVENT),
        (b'{"object": "error", "message": "old vLLM"}', ErrorClass.ERROR_EVENT),
        (chunk(finish="error"), ErrorClass.ERROR_EVENT),
        (b"<html>", ErrorClass.GARBAGE),
        (b"[1]", ErrorClass.GARBAGE),
        (b'{"choices": {}}', ErrorClass.GARBAGE),
        (b'{"choices": [{"delta": "a"}]}', ErrorClass.GARBAGE),
        (b'{"choices": ' + b"[" * 100_000, ErrorClass.GARBAGE),
        (b'{"choices": [{"del', ErrorClass.TRUNCATED),
    ],
)
def test_what_ends_an_attempt(data: bytes, error: ErrorClass) -> None:
    failure = ChatObserver().observe(Event(data))
    assert failure is not None
    assert failure.error is error


def test_an_error_keeps_the_providers_body() -> None:
    data = b'{"error": {"message": "overloaded"}}'
    failure = ChatObserver().observe(Event(data))
    assert failure is not None
    assert failure.body == data


@pytest.mark.parametrize("data", [b'{"choices": null}', b'{"type": "ping"}', b'{"choices": [], "error": null}'])
def test_what_is_not_understood_passes(data: bytes) -> None:
    assert ChatObserver().observe(Event(data)) is None


def test_an_empty_answer_is_a_failure() -> None:
    failure = observed(chunk({"role": "assistant"}), chunk(finish="stop")).end(terminated=True)
    assert failure is not None
    assert failure.error is ErrorClass.EMPTY


@pytest.mark.parametrize("finish", ["length", "content_filter"])
def test_an_empty_answer_that_explains_itself_is_one(finish: str) -> None:
    assert observed(chunk(finish=finish)).end(terminated=True) is None


def test_an_empty_answer_that_counts_tokens_is_one() -> None:
    assert observed(chunk(finish="stop", usage={"completion_tokens": 1})).end(terminated=True) is None


def test_a_whole_answer() -> None:
    data = answer({"content": "hi"}, usage={"prompt_tokens": 2, "completion_tokens": 1})
    assert check_answer(data) == PlainAnswer(("stop",), Usage(2, 1))
    assert check_answer(answer({"content": None, "tool_calls": [{"id": "1"}]}, "tool_calls")) == PlainAnswer(
        ("tool_calls",), None
    )


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", ErrorClass.TRUNCATED),
        (b"<html>", ErrorClass.GARBAGE),
        (b"{}", ErrorClass.GARBAGE),
        (b'{"choices": []}', ErrorClass.GARBAGE),
        (b'{"error": {"message": "x"}, "choices": []}', ErrorClass.ERROR_EVENT),
        (answer({"content": "hi"})[:40], ErrorClass.TRUNCATED),
        (answer({"content": "hi"}, None), ErrorClass.MISSING_FINISH),
        (answer({"content": "hi"}, "error"), ErrorClass.ERROR_EVENT),
        (answer({"content": ""}), ErrorClass.EMPTY),
    ],
)
def test_what_is_no_answer(data: bytes, error: ErrorClass) -> None:
    failure = check_answer(data)
    assert isinstance(failure, Failure)
    assert failure.error is error
