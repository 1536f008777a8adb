"""What an answer of OpenAI's Responses says about itself: content, status, usage, errors. Sans-I/O.

Observes only; nothing is changed here. Events, items and parts of a type that this code does not know are content like
any other. An event is known by the `type` in its data; its name says the same and may be missing. Used by the native
form and the translations.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from tieline_router.errors import ErrorClass
from tieline_router.streaming.observe import EMPTY_VALUES, Failure, empty, read
from tieline_router.streaming.sse import Event
from tieline_router.streaming.usage import Usage, parse_responses_usage

MAX_REASON: Final = 64
"""Characters of a finish reason that are kept."""
LIFECYCLE: Final = frozenset({"response.created", "response.queued", "response.in_progress", "keepalive", "ping"})
"""Events that say nothing but that the provider is at work."""
FINAL: Final = frozenset({"response.completed", "response.incomplete"})
"""Events that end a complete answer. Each repeats all of it."""
_BROKEN: Final = frozenset({"failed", "cancelled"})
"""Of a response's `status`."""
_COMPLETED: Final = "completed"


class _Part(msgspec.Struct):
    """A part of an item's content or summary."""

    type: str | None = None
    text: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()

    def present(self) -> bool:
        if self.type in {"output_text", "reasoning_text", "summary_text", "text", "refusal"}:
            return bytes(self.text) not in EMPTY_VALUES or bytes(self.refusal) not in EMPTY_VALUES
        return True


class _Item(msgspec.Struct):
    """An item of the output."""

    type: str | None = None
    content: msgspec.Raw = msgspec.Raw()
    summary: msgspec.Raw = msgspec.Raw()

    def present(self) -> bool:
        """Whether it is content: messages and thoughts only if they say something, all else (calls) by being there."""
        if self.type in {"message", "reasoning"}:
            return _said(self.content) or _said(self.summary)
        return True


_parts: Final = msgspec.json.Decoder(list[_Part])


def _said(raw: msgspec.Raw) -> bool:
    if bytes(raw) in EMPTY_VALUES:
        return False
    parts = read(_parts, bytes(raw))
    return isinstance(parts, Failure) or any(part.present() for part in parts)


class _Details(msgspec.Struct):
    reason: str | None = None


class _Response(msgspec.Struct):
    status: str | None = None
    output: list[_Item] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()
    incomplete_details: _Details | None = None

    @property
    def failed(self) -> bool:
        return self.status in _BROKEN or bytes(self.error) not in EMPTY_VALUES

    @property
    def reason(self) -> str:
        """Why it ended: the reason for which it is incomplete, else `completed`."""
        if self.incomplete_details is not None and self.incomplete_details.reason:
            return self.incomplete_details.reason[:MAX_REASON]
        return "incomplete" if self.status == "incomplete" else _COMPLETED

    def present(self) -> bool:
        return any(item.present() for item in self.output or ())

    def counts(self) -> Usage | None:
        return None if bytes(self.usage) in EMPTY_VALUES else parse_responses_usage(self.usage)


class _Event(msgspec.Struct):
    type: str | None = None
    response: _Response | None = None
    item: _Item | None = None
    part: _Part | None = None
    delta: msgspec.Raw = msgspec.Raw()
    text: msgspec.Raw = msgspec.Raw()
    refusal: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()

    def present(self) -> bool:
        """Whether it is content: what it holds of text, if it is of the kind that holds text; else by being there."""
        if self.type is None or self.type in LIFECYCLE:
            return False
        if self.item is not None or self.part is not None:
            return any(one is not None and one.present() for one in (self.item, self.part))
        values = [bytes(value) for value in (self.delta, self.text, self.refusal) if bytes(value)]
        return not values or any(value not in EMPTY_VALUES for value in values)


class _Plain(_Response):
    object: str | None = None


_event: Final = msgspec.json.Decoder(_Event)
_plain: Final = msgspec.json.Decoder(_Plain)


class ResponsesObserver:
    """Follows one stream, event by event."""

    def __init__(self) -> None:
        self.content = False
        self.ended = False
        self.finish_reason: str | None = None
        """`completed`, or why it is incomplete."""
        self.usage: Usage | None = None

    @property
    def finished(self) -> bool:
        return self.finish_reason is not None

    @property
    def steady(self) -> bool:
        return self.content and self.finish_reason is None

    def observe(self, event: Event) -> Failure | None:
        """Takes one event; a failure when the event ends the attempt."""
        if event.name == "error":
            return Failure(ErrorClass.ERROR_EVENT, "the provider sent an error event", bytes(event.data))
        told = read(_event, event.data)
        if isinstance(told, Failure):
            return told
        if told.type == "error" or bytes(told.error) not in EMPTY_VALUES:
            return Failure(ErrorClass.ERROR_EVENT, "the provider sent an error instead of an answer", bytes(event.data))
        response = told.response
        if told.type in {"response.failed", "response.cancelled"} or (response is not None and response.failed):
            return _failed(response, event.data)
        if told.type in FINAL:
            if response is None:
                return Failure(ErrorClass.GARBAGE, "the provider's last event has no response")
            self.content = self.content or response.present()
            self.usage = response.counts() or self.usage
            self.finish_reason = response.reason if told.type == "response.completed" else _incomplete(response)
            self.ended = True
        elif not self.content:
            self.content = told.present()
        return None

    def end(self, *, terminated: bool) -> Failure | None:
        """The stream is over; `terminated` when the provider wrote `[DONE]`, which proves nothing."""
        if self.finish_reason is None:
            error = ErrorClass.MISSING_FINISH if terminated else ErrorClass.TRUNCATED
            return Failure(error, "the provider's stream ended before the response was complete")
        return empty(self.content, (self.finish_reason,), self.usage, {_COMPLETED})


def _incomplete(response: _Response) -> str:
    reason = response.reason
    return "incomplete" if reason == _COMPLETED else reason


def _failed(response: _Response | None, data: bytes) -> Failure:
    """The error alone, because the rest of a failed response says nothing of why."""
    error = b"" if response is None else bytes(response.error)
    body = data if error in EMPTY_VALUES else b'{"error":' + error + b"}"
    return Failure(ErrorClass.ERROR_EVENT, "the provider says that the response failed", bytes(body))


class PlainResponse(NamedTuple):
    """A whole answer that passed the checks."""

    finish_reason: str
    usage: Usage | None


def check_response(data: bytes) -> PlainResponse | Failure:
    """Whether the body of a 200 is a complete response: JSON, an output, a final status, not empty."""
    response = read(_plain, data)
    if isinstance(response, Failure):
        return response
    if response.failed or response.object == "error":
        return _failed(response, data)
    if response.output is None:
        return Failure(ErrorClass.GARBAGE, "the provider's answer has no output")
    if response.status not in {_COMPLETED, "incomplete"}:
        return Failure(ErrorClass.MISSING_FINISH, "the provider's response has no final status")
    usage = response.counts()
    return empty(response.present(), (response.reason,), usage, {_COMPLETED}) or PlainResponse(response.reason, usage)
