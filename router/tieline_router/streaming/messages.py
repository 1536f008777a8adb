"""What an answer of Anthropic's Messages says about itself: content, stop reason, usage, errors. Sans-I/O.

Observes only; nothing is changed here. Blocks and deltas of a type that this code does not know are content like any
other. An event is known by the `type` in its data; its name says the same and may be missing. Used by the native form
and the translations.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import msgspec

from tieline_router.errors import ErrorClass
from tieline_router.streaming.observe import EMPTY_VALUES, Failure, empty, read
from tieline_router.streaming.sse import Event
from tieline_router.streaming.usage import MessagesCounts, Usage, parse_messages_counts

MAX_REASON: Final = 64
"""Characters of a stop reason that are kept."""
_UNEXPLAINED: Final = frozenset({"end_turn", "tool_use"})
"""Stop reasons that do not explain why an answer is empty."""


class _Part(msgspec.Struct):
    """A content block or a delta of one."""

    type: str | None = None
    text: msgspec.Raw = msgspec.Raw()
    thinking: msgspec.Raw = msgspec.Raw()
    partial_json: msgspec.Raw = msgspec.Raw()
    stop_reason: str | None = None
    """Of the delta of the message itself."""

    def present(self) -> bool:
        """Whether it is content: text, thinking and arguments only when there is some of it, all else by being there.
        The block of a tool's call names the tool."""
        match self.type:
            case "text" | "text_delta":
                return bytes(self.text) not in EMPTY_VALUES
            case "thinking" | "thinking_delta":
                return bytes(self.thinking) not in EMPTY_VALUES
            case "input_json_delta":
                return bytes(self.partial_json) not in EMPTY_VALUES
        return True


class _Message(msgspec.Struct):
    """A whole answer, or its beginning in `message_start`."""

    type: str | None = None
    content: list[_Part] | None = None
    stop_reason: str | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()

    def present(self) -> bool:
        return any(block.present() for block in self.content or ())


class _Event(msgspec.Struct):
    type: str | None = None
    message: _Message | None = None
    content_block: _Part | None = None
    delta: _Part | None = None
    usage: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


_event: Final = msgspec.json.Decoder(_Event)
_message: Final = msgspec.json.Decoder(_Message)


class MessagesObserver:
    """Follows one stream, event by event."""

    def __init__(self) -> None:
        self.content = False
        self.ended = False
        self.finish_reason: str | None = None
        """The stop reason."""
        self._counts = MessagesCounts()

    @property
    def usage(self) -> Usage | None:
        return self._counts.usage()

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
        match told.type:
            case "message_start":
                if told.message:
                    self.content = self.content or told.message.present()
                    self._count(told.message.usage)
            case "content_block_start":
                self.content = self.content or (told.content_block is not None and told.content_block.present())
            case "content_block_delta":
                self.content = self.content or (told.delta is not None and told.delta.present())
            case "message_delta":
                if told.delta is not None and told.delta.stop_reason:
                    self.finish_reason = told.delta.stop_reason[:MAX_REASON]
                self._count(told.usage)
            case "message_stop":
                self.ended = True
        return None

    def _count(self, usage: msgspec.Raw) -> None:
        if bytes(usage) not in EMPTY_VALUES:
            self._counts = self._counts.later(parse_messages_counts(usage))

    def end(self, *, terminated: bool) -> Failure | None:
        """The stream is over; `terminated` when the provider wrote `message_stop`, which proves nothing."""
        if self.finish_reason is None:
            error = ErrorClass.MISSING_FINISH if terminated else ErrorClass.TRUNCATED
            return Failure(error, "the provider's stream ended before its stop reason")
        return empty(self.content, (self.finish_reason,), self.usage, _UNEXPLAINED)


class PlainMessage(NamedTuple):
    """A whole answer that passed the checks."""

    stop_reason: str
    usage: Usage | None


def check_message(data: bytes) -> PlainMessage | Failure:
    """Whether the body of a 200 is a complete message: JSON, content, a stop reason, not empty."""
    message = read(_message, data)
    if isinstance(message, Failure):
        return message
    if message.type == "error" or bytes(message.error) not in EMPTY_VALUES:
        return Failure(ErrorClass.ERROR_EVENT, "the provider sent an error instead of an answer", bytes(data))
    if message.content is None:
        return Failure(ErrorClass.GARBAGE, "the provider's answer has no content")
    if not message.stop_reason:
        return Failure(ErrorClass.MISSING_FINISH, "the provider's answer has no stop reason")
    reason, usage = message.stop_reason[:MAX_REASON], parse_messages_counts(message.usage).usage()
    return empty(message.present(), (reason,), usage, _UNEXPLAINED) or PlainMessage(reason, usage)
