"""What an answer of the OpenAI chat protocol says about itself: content, finish reasons, usage, errors. Sans-I/O.

Observes only; nothing is changed here. A value whose type this code does not know is content like any other, so that
providers may add fields; an answer that cannot be read at all is the provider's failure. Used by `chat` for streams and
by the runtime for plain answers.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from functools import wraps
from typing import Final, NamedTuple, ParamSpec, TypeVar

import msgspec

from tieline_router.errors import ErrorClass
from tieline_router.streaming.sse import Event
from tieline_router.streaming.usage import Usage, parse_usage

P = ParamSpec("P")
T = TypeVar("T")

EMPTY_VALUES: Final = frozenset({b"", b"null", b'""', b"[]", b"{}"})
"""Raw JSON values that say nothing; an absent one is empty bytes."""
_EMPTY_VALUES = EMPTY_VALUES


class Failure(NamedTuple):
    """Why an answer is no answer. `body` is the provider's error as JSON, where it sent one."""

    error: ErrorClass
    detail: str
    body: bytes = b""


def read(decoder: msgspec.json.Decoder[T], data: bytes) -> T | Failure:
    """The data of an event, or a whole body, as what the API says it is; a failure when it is not. Never raises."""
    try:
        if not data.isascii():
            data.decode()  # msgspec passes over the bytes of values that it does not read
        return decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        # msgspec has one class for all; its text is the only sign that the JSON was good as far as it went.
        kind = ErrorClass.TRUNCATED if "truncated" in str(error) else ErrorClass.GARBAGE
        return Failure(kind, f"the provider sent what is no answer of its API: {error}")


UNREADABLE: Final = (msgspec.MsgspecError, ValueError, RecursionError)
"""What reading JSON a second time can raise although the first went well: it is nested as deep as just bearable, and
bears no more from a place that is deeper in the program."""


def never_raises(write: Callable[P, T]) -> Callable[P, T | Failure]:
    """Makes a failure of the provider of what it sent and cannot be read a second time."""

    @wraps(write)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T | Failure:
        try:
            return write(*args, **kwargs)
        except UNREADABLE as error:
            return unwritable(error)

    return guarded


def unwritable(error: Exception) -> Failure:
    return Failure(ErrorClass.GARBAGE, f"the provider sent what cannot be passed on: {error}")


def empty(content: bool, reasons: Iterable[str], usage: Usage | None, unexplained: Container[str]) -> Failure | None:
    """An answer without content is a failure unless its finish reason explains it (`length`, a filter) or the provider
    counts tokens for it: models do end at once now and then, and say so."""
    if content or (usage is not None and usage.completion > 0):
        return None
    if any(reason not in unexplained for reason in reasons):
        return None
    return Failure(ErrorClass.EMPTY, "the provider's answer is empty")


class _Content(msgspec.Struct):
    """A delta or a message: every field that counts as content, as raw bytes."""

    content: msgspec.Raw = msgspec.Raw()
    reasoning: msgspec.Raw = msgspec.Raw()
    reasoning_content: msgspec.Raw = msgspec.Raw()
    reasoning_details: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()
    tool_calls: msgspec.Raw = msgspec.Raw()
    function_call: msgspec.Raw = msgspec.Raw()
    audio: msgspec.Raw = msgspec.Raw()
    images: msgspec.Raw = msgspec.Raw()

    def present(self) -> bool:
        """Whether any of it is there."""
        return any(bytes(getattr(self, field)) not in _EMPTY_VALUES for field in self.__struct_fields__)


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: _Content | None = None
    message: _Content | None = None
    finish_reason: str | None = None


class _Answer(msgspec.Struct):
    """A chunk of a stream or a whole answer: the two differ only in `delta` and `message`."""

    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    object: str | None = None


_decoder = msgspec.json.Decoder(_Answer)


def _decode(data: bytes) -> _Answer | Failure:
    try:
        if not data.isascii():
            data.decode()  # msgspec passes over the bytes of values that it does not read
        answer = _decoder.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        # msgspec has one class for all; its text is the only sign that the JSON was good as far as it went.
        cut = "truncated" in str(error)
        kind = ErrorClass.TRUNCATED if cut else ErrorClass.GARBAGE
        return Failure(kind, f"the provider sent what is not a chat answer: {error}")
    if bytes(answer.error) not in _EMPTY_VALUES or answer.object == "error":
        return Failure(ErrorClass.ERROR_EVENT, "the provider sent an error instead of an answer", bytes(data))
    for choice in answer.choices or ():
        if choice.finish_reason == "error":
            return Failure(ErrorClass.ERROR_EVENT, "the provider ended the answer with an error", bytes(data))
    return answer


class ChatObserver:
    """Follows one stream, event by event. `choices` is the number that the request asked for (`n`)."""

    def __init__(self, choices: int = 1) -> None:
        self._asked = choices
        self._seen: set[int] = set()
        self.finish_reasons: dict[int, str] = {}
        self.content = False
        """The content commit: from the first non-empty delta on, the client has a part of this very answer."""
        self.ended = False
        """Never: only `[DONE]` ends a stream of chunks, which is not given here."""
        self.usage: Usage | None = None

    @property
    def finish_reason(self) -> str | None:
        """Of the first choice that has one, in the provider's own words."""
        return self.finish_reasons[min(self.finish_reasons)] if self.finish_reasons else None

    @property
    def finished(self) -> bool:
        """Every choice that was asked for has its finish reason: nothing that follows can make the answer worse."""
        return bool(self.finish_reasons) and len(self.finish_reasons) >= max(self._asked, len(self._seen))

    def observe(self, event: Event) -> Failure | None:
        """Takes one event (not `[DONE]`); a failure when the event ends the attempt."""
        if event.name == "error":
            return Failure(ErrorClass.ERROR_EVENT, "the provider sent an error event", bytes(event.data))
        answer = _decode(event.data)
        if isinstance(answer, Failure):
            return answer
        for choice in answer.choices or ():
            index = choice.index or 0
            self._seen.add(index)
            if not self.content and choice.delta is not None and choice.delta.present():
                self.content = True
            if choice.finish_reason:
                self.finish_reasons[index] = choice.finish_reason
        if bytes(answer.usage) not in _EMPTY_VALUES:
            self.usage = parse_usage(answer.usage) or self.usage
        return None

    def end(self, *, terminated: bool) -> Failure | None:
        """The stream is over; `terminated` when the provider wrote its `[DONE]`. None when the answer is complete.

        Complete means a finish reason on every choice: all that were asked for, or, when the provider wrote its
        terminator, all that it began (many servers know only one choice and ignore `n`).
        """
        begun_are_finished = bool(self.finish_reasons) and self._seen <= self.finish_reasons.keys()
        if not (self.finished or (terminated and begun_are_finished)):
            error = ErrorClass.MISSING_FINISH if terminated else ErrorClass.TRUNCATED
            return Failure(error, "the provider's stream ended before every choice had its finish reason")
        return _empty(self.content, list(self.finish_reasons.values()), self.usage)


class PlainAnswer(NamedTuple):
    """A whole answer that passed the checks."""

    finish_reasons: tuple[str, ...]
    usage: Usage | None


def check_answer(data: bytes) -> PlainAnswer | Failure:
    """Whether the body of a 200 is a complete chat answer: JSON, choices, a finish reason on each, not empty."""
    answer = _decode(data)
    if isinstance(answer, Failure):
        return answer
    if not answer.choices:
        return Failure(ErrorClass.GARBAGE, "the provider's answer has no choices")
    reasons = [choice.finish_reason for choice in answer.choices]
    complete = [reason for reason in reasons if reason]
    if len(complete) < len(reasons):
        return Failure(ErrorClass.MISSING_FINISH, "the provider's answer has a choice without a finish reason")
    usage = parse_usage(answer.usage) if bytes(answer.usage) not in _EMPTY_VALUES else None
    content = any(choice.message is not None and choice.message.present() for choice in answer.choices)
    return _empty(content, complete, usage) or PlainAnswer(tuple(complete), usage)


def _empty(content: bool, reasons: list[str], usage: Usage | None) -> Failure | None:
    """An answer without content is a failure unless its finish reason explains it (`length`, `content_filter`) or the
    provider counts tokens for it: models do end at once now and then, and say so."""
    if content or (usage is not None and usage.completion > 0):
        return None
    if any(reason not in {"stop", "tool_calls", "function_call"} for reason in reasons):
        return None
    return Failure(ErrorClass.EMPTY, "the provider's answer is empty")
