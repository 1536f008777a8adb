"""One attempt's stream on its way to the client: decode, observe, write, hold back. Sans-I/O; knows no API.

What a provider's event means is an *observer*'s business (one for each API), what the client gets for it a *writer*'s
(native, or a translator). Until the *content commit* (the first non-empty delta) nothing is handed out, so that another
provider can still take over unseen; lifecycle events wait, up to `HOLD_BACK_BYTES`. After the commit no complete event
is held back. The success terminator is ours: the writer gives it when `end()` has found the answer complete.
"""

from __future__ import annotations

from typing import Final, Protocol

from tieline_router.errors import ErrorClass
from tieline_router.streaming.observe import Failure
from tieline_router.streaming.sse import Event, EventTooLong, SseDecoder
from tieline_router.streaming.usage import Usage

DONE: Final = b"[DONE]"
"""The data of the event that ends streams of chat and completions. It proves nothing."""
HOLD_BACK_BYTES: Final = 64 * 1024
"""Lifecycle events beyond this are handed out before the content commit: a buffer has a bound."""


class Observer(Protocol):
    """Follows one stream of one API, event by event; changes nothing."""

    content: bool
    """The content commit: from the first non-empty delta on, the client has a part of this very answer."""
    ended: bool
    """The event that ends the answer was seen."""
    usage: Usage | None

    @property
    def finished(self) -> bool:
        """Nothing that follows can make the answer worse."""

    @property
    def finish_reason(self) -> str | None: ...

    def observe(self, event: Event) -> Failure | None:
        """Takes one event (not `[DONE]`); a failure when the event ends the attempt."""

    def end(self, *, terminated: bool) -> Failure | None:
        """The stream is over; `terminated` when the provider wrote its terminator. None: the answer is complete."""


class Writer(Protocol):
    """What the client gets for the provider's events: the shape of `translate.translated.EventTranslator`."""

    def take(self, event: Event) -> bytes: ...

    def end(self) -> bytes: ...

    @property
    def next_sequence(self) -> int: ...


class Stream:
    """The one `AnswerStream`. Feed it what the provider sends; write to the client what it returns."""

    def __init__(self, observer: Observer, writer: Writer, max_event_bytes: int) -> None:
        self._decoder = SseDecoder(max_event_bytes)
        self._observer = observer
        self._writer = writer
        self._held = bytearray()
        self.opened = False
        self.failure: Failure | None = None
        self.ended = False
        self._terminated = False
        """The provider wrote its terminator."""

    @property
    def committed(self) -> bool:
        return self._observer.content

    @property
    def finished(self) -> bool:
        return self._observer.finished

    @property
    def usage(self) -> Usage | None:
        return self._observer.usage

    @property
    def finish_reason(self) -> str | None:
        return self._observer.finish_reason

    @property
    def next_sequence(self) -> int:
        return self._writer.next_sequence

    def feed(self, chunk: bytes) -> bytes:
        """What the client may have now, often nothing before the content commit."""
        if self.failure is not None or self.ended:
            return b""
        out = bytearray()
        try:
            events = self._decoder.feed(chunk)
        except EventTooLong as error:
            self._fail(Failure(ErrorClass.ANSWER_TOO_LARGE, str(error)))
            return b""
        self._fail(self._take(events, out))
        return bytes(out)

    def end(self) -> bytes:
        """The provider's stream is over: the rest that may go out. Sets `failure` unless the answer is complete."""
        out = bytearray()
        if self.failure is None and not self.ended:
            self._fail(self._take(self._decoder.close(), out))
            self.ended = True
        if self.failure is None:
            self.failure = self._observer.end(terminated=self._terminated)
        if self.failure is None:
            out[:0] = self._held
            self._held.clear()
            self.opened = True
            out += self._writer.end()
        return bytes(out)

    def _fail(self, failure: Failure | None) -> None:
        if failure is not None and self._observer.finished:
            self.ended = True  # a broken piece after the last finish reason takes nothing from the answer
        else:
            self.failure = failure

    def _take(self, events: list[Event], out: bytearray) -> Failure | None:
        for event in events:
            if event.data.strip() == DONE:
                self.ended = self._terminated = True
                return None
            failure = self._observer.observe(event)
            if failure is not None:
                return failure
            self._emit(self._writer.take(event), out)
            if self._observer.ended:
                self.ended = self._terminated = True
                return None
        return None

    def _emit(self, event: bytes, out: bytearray) -> None:
        if self.opened:
            out += event
            return
        self._held += event
        if self._observer.content or len(self._held) > HOLD_BACK_BYTES:
            self.opened = True
            out += self._held
            self._held.clear()
