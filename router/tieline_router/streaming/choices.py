"""What an answer made of choices says about itself: chat completions and completions. Sans-I/O.

Observes only; nothing is changed here. A value whose type this code does not know is content like any other, so that
providers may add fields; an answer that cannot be read at all is the provider's failure. The two APIs differ in where
the text stands (`delta`, `message` or `text`), which one type holds. Used by the native forms and the translations.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from tieline_router.errors import ErrorClass
from tieline_router.streaming.observe import EMPTY_VALUES, Failure, empty, read
from tieline_router.streaming.sse import Event
from tieline_router.streaming.usage import Usage, parse_usage

MAX_CHOICES: Final = 128
"""Largest number of choices that an answer may have: OpenAI's largest `n`. What is remembered has a bound."""
MAX_REASON: Final = 64
"""Characters of a finish reason that are kept."""
_BROKEN: Final = frozenset({"error", "abort", "insufficient_system_resource"})
"""Finish reasons that say that the answer is not whole: OpenRouter's, vLLM's and SGLang's, DeepSeek's."""
_UNEXPLAINED: Final = frozenset({"stop", "tool_calls", "function_call"})
"""Finish reasons that do not explain why an answer is empty."""


class _Content(msgspec.Struct):
    """A delta or a message: every field that counts as content, whatever its type. Empty ones are false in Python, so
    that nothing has to be looked at one by one (0.2 µs, against 2 for nine raw values)."""

    content: object = None
    reasoning: object = None
    reasoning_content: object = None
    reasoning_details: object = None
    refusal: object = None
    tool_calls: object = None
    function_call: object = None
    audio: object = None
    images: object = None

    def present(self) -> bool:
        """Whether any of it is there."""
        return bool(
            self.content
            or self.reasoning
            or self.reasoning_content
            or self.reasoning_details
            or self.tool_calls
            or self.function_call
            or self.refusal
            or self.audio
            or self.images
        )


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: _Content | None = None
    message: _Content | None = None
    text: str | None = None
    finish_reason: str | None = None

    def present(self) -> bool:
        delta, message = self.delta, self.message
        return bool(self.text) or (delta is not None and delta.present()) or (message is not None and message.present())


class _Answer(msgspec.Struct):
    """A chunk of a stream or a whole answer."""

    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    object: str | None = None


_decoder: Final = msgspec.json.Decoder(_Answer)


def _decode(data: bytes) -> _Answer | Failure:
    answer = read(_decoder, data)
    if isinstance(answer, Failure):
        return answer
    if bytes(answer.error) not in EMPTY_VALUES or answer.object == "error":
        return Failure(ErrorClass.ERROR_EVENT, "the provider sent an error instead of an answer", bytes(data))
    for choice in answer.choices or ():
        if choice.finish_reason in _BROKEN:
            return Failure(ErrorClass.ERROR_EVENT, "the provider ended the answer with an error", bytes(data))
        if not 0 <= (choice.index or 0) < MAX_CHOICES:
            return Failure(ErrorClass.GARBAGE, "the provider numbers a choice beyond every possible one")
    return answer


class ChoicesObserver:
    """Follows one stream, event by event. `choices` is the number that the request asked for (`n`)."""

    def __init__(self, choices: int = 1) -> None:
        self._asked = choices
        self.seen: set[int] = set()
        """The choices that have begun."""
        self.finish_reasons: dict[int, str] = {}
        self.content = False
        self.ended = False
        """Never: only `[DONE]` ends a stream of chunks, which is not given here."""
        self.usage: Usage | None = None

    @property
    def finished(self) -> bool:
        """Every choice that was asked for, and every one that has begun, has its finish reason."""
        return len(self.finish_reasons) >= max(self._asked, len(self.seen))

    @property
    def finish_reason(self) -> str | None:
        return self.finish_reasons[min(self.finish_reasons)] if self.finish_reasons else None

    @property
    def steady(self) -> bool:
        """All choices have begun and none has finished: a dull event (see `choices_native`) teaches nothing."""
        return self.content and not self.finish_reasons and len(self.seen) == self._asked == max(self.seen) + 1

    def observe(self, event: Event) -> Failure | None:
        """Takes one event (not `[DONE]`); a failure when the event ends the attempt."""
        if event.name == "error":
            return Failure(ErrorClass.ERROR_EVENT, "the provider sent an error event", bytes(event.data))
        answer = _decode(event.data)
        if isinstance(answer, Failure):
            return answer
        for choice in answer.choices or ():
            index = choice.index or 0
            self.seen.add(index)
            if not self.content and choice.present():
                self.content = True
            if choice.finish_reason:
                self.finish_reasons[index] = choice.finish_reason[:MAX_REASON]
        if bytes(answer.usage) not in EMPTY_VALUES:
            self.usage = parse_usage(answer.usage) or self.usage
        return None

    def end(self, *, terminated: bool) -> Failure | None:
        """The stream is over; `terminated` when the provider wrote its `[DONE]`, which proves nothing."""
        if not self.finished:
            error = ErrorClass.MISSING_FINISH if terminated else ErrorClass.TRUNCATED
            return Failure(error, "the provider's stream ended before every choice had its finish reason")
        return empty(self.content, self.finish_reasons.values(), self.usage, _UNEXPLAINED)


class PlainAnswer(NamedTuple):
    """A whole answer that passed the checks."""

    finish_reasons: tuple[str, ...]
    usage: Usage | None


def check_choices(data: bytes, choices: int = 1) -> PlainAnswer | Failure:
    """Whether the body of a 200 is a complete answer: JSON, all choices, a finish reason on each, not empty."""
    answer = _decode(data)
    if isinstance(answer, Failure):
        return answer
    if not answer.choices:
        return Failure(ErrorClass.GARBAGE, "the provider's answer has no choices")
    reasons = [choice.finish_reason[:MAX_REASON] for choice in answer.choices if choice.finish_reason]
    if len(reasons) < max(choices, len(answer.choices)):
        return Failure(ErrorClass.MISSING_FINISH, "the provider's answer lacks a choice, or the finish reason of one")
    usage = parse_usage(answer.usage) if bytes(answer.usage) not in EMPTY_VALUES else None
    content = any(choice.present() for choice in answer.choices)
    return empty(content, reasons, usage, _UNEXPLAINED) or PlainAnswer(tuple(reasons), usage)
