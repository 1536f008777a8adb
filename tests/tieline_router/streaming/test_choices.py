import json
from typing import Any

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.streaming.choices import MAX_CHOICES, ChoicesObserver, PlainAnswer, check_choices
from tieline_router.streaming.observe import Failure
from tieline_router.streaming.sse import Event
from tieline_router.streaming.usage import Usage


def chunk(delta: dict[str, Any] | None = None, finish: str | None = None, index: int = 0, **more: Any) -> bytes:
    choice = {"index": index, "delta": delta or {}, "finish_reason": finish}
    return json.dumps({"id": "x", "choices": [choice], **more}).encode()


def answer(message: dict[str, Any], finish: str | None = "stop", **more: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return json.dumps({"id": "x", "choices": [choice], **more}).encode()


def observed(*chunks: bytes, n: int = 1) -> ChoicesObserver:
    observer = ChoicesObserver(n)
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


def test_a_choice_that_was_asked_for_and_never_began_is_missing() -> None:
    observer = observed(chunk({"content": "a"}), chunk(finish="stop"), n=3)
    for terminated in (False, True):
        failure = observer.end(terminated=terminated)
        assert failure is not None
        assert failure.error is (ErrorClass.MISSING_FINISH if terminated else ErrorClass.TRUNCATED)


def test_a_choice_that_nobody_asked_for_must_finish_too() -> None:
    observer = observed(chunk({"content": "a"}), chunk({"content": "b"}, index=4), chunk(finish="stop"))
    assert not observer.finished
    assert observer.observe(Event(chunk(finish="length", index=4))) is None
    assert (observer.finished, observer.finish_reason) == (True, "stop")


def test_what_is_remembered_has_a_bound() -> None:
    for index in (-1, MAX_CHOICES, 10**30):
        failure = ChoicesObserver().observe(Event(chunk({"content": "a"}, index=index)))
        assert failure is not None
        assert failure.error is ErrorClass.GARBAGE
    assert observed(chunk(finish="x" * 1000)).finish_reasons == {0: "x" * 64}


def test_dull_events_teach_nothing_only_while_every_choice_has_begun_and_none_has_finished() -> None:
    both = [chunk({"content": "a"}), chunk({"content": "a"}, index=1)]
    assert not observed(both[0], n=2).steady
    assert observed(*both, n=2).steady
    assert not observed(*both, chunk(finish="stop", index=1), n=2).steady
    assert not observed(chunk({"role": "assistant"})).steady
    assert not observed(chunk({"content": "a"}, index=1)).steady


@pytest.mark.parametrize("text", ["a", " "])
def test_text_is_the_content_of_completions(text: str) -> None:
    def completion(text: str | None) -> bytes:
        return json.dumps({"choices": [{"index": 0, "text": text, "finish_reason": None}]}).encode()

    assert observed(completion(text)).content
    assert not observed(completion(""), completion(None)).content


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
        (chunk(finish="abort"), ErrorClass.ERROR_EVENT),
        (chunk(finish="insufficient_system_resource"), ErrorClass.ERROR_EVENT),
        (chunk({"content": "a\ud800"}).replace(b"\\ud800", b"\xff"), ErrorClass.GARBAGE),
        (b"<html>", ErrorClass.GARBAGE),
        (b"[1]", ErrorClass.GARBAGE),
        (b'{"choices": {}}', ErrorClass.GARBAGE),
        (b'{"choices": [{"delta": "a"}]}', ErrorClass.GARBAGE),
        (b'{"choices": ' + b"[" * 100_000, ErrorClass.GARBAGE),
        (b'{"choices": [{"del', ErrorClass.TRUNCATED),
    ],
)
def test_what_ends_an_attempt(data: bytes, error: ErrorClass) -> None:
    failure = ChoicesObserver().observe(Event(data))
    assert failure is not None
    assert failure.error is error


def test_an_error_keeps_the_providers_body() -> None:
    data = b'{"error": {"message": "overloaded"}}'
    failure = ChoicesObserver().observe(Event(data))
    assert failure is not None
    assert failure.body == data


@pytest.mark.parametrize("data", [b'{"choices": null}', b'{"type": "ping"}', b'{"choices": [], "error": null}'])
def test_what_is_not_understood_passes(data: bytes) -> None:
    assert ChoicesObserver().observe(Event(data)) is None


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
    assert check_choices(data) == PlainAnswer(("stop",), Usage(2, 1))
    assert check_choices(answer({"content": None, "tool_calls": [{"id": "1"}]}, "tool_calls")) == PlainAnswer(
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
    failure = check_choices(data)
    assert isinstance(failure, Failure)
    assert failure.error is error
