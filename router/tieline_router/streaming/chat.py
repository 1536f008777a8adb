"""One attempt's stream of chat chunks on its way to the client: decode, observe, rewrite, hold back. Sans-I/O.

Until the *content commit* (the first non-empty delta) nothing is handed out, so that another provider can still take
over unseen; lifecycle events (role-only deltas) wait, up to `HOLD_BACK_BYTES`. After the commit no complete event is
held back. The provider's `[DONE]` is never passed on: the caller writes its own after `end()` found the answer
complete.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tieline_router.errors import ErrorClass
from tieline_router.streaming.observe import ChatObserver, Failure
from tieline_router.streaming.sse import DEFAULT_MAX_EVENT_BYTES, Event, SseDecoder, encode_event

DONE: Final = b"[DONE]"
DONE_EVENT: Final = encode_event(DONE)
HOLD_BACK_BYTES: Final = 64 * 1024
"""Lifecycle events beyond this are handed out before the content commit: a buffer has a bound."""

Rewrite = Callable[[bytes], bytes | None]
"""What the client gets for the data of one event; None drops the event."""


class ChatStream:
    """Feed it what the provider sends; write to the client what it returns. After a `failure` it returns nothing."""

    def __init__(self, rewrite: Rewrite, choices: int = 1, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._decoder = SseDecoder(max_event_bytes)
        self._rewrite = rewrite
        self._held = bytearray()
        self._open = False
        """Events pass as they come: after the content commit, or when the hold-back is full."""
        self.observer = ChatObserver(choices)
        self.failure: Failure | None = None
        self.ended = False
        """Nothing that follows belongs to the answer."""
        self._terminated = False
        """The provider wrote its terminator."""

    @property
    def committed(self) -> bool:
        """The content commit has been passed: from here on a failure is the client's to see."""
        return self.observer.content

    def feed(self, chunk: bytes) -> bytes:
        """What the client may have now, often nothing before the content commit."""
        out = bytearray()
        if self.failure is not None or self.ended:
            return b""
        self._fail(self._take(self._decoder.feed(chunk), out))
        if self._decoder.too_long and self.failure is None:
            self._fail(Failure(ErrorClass.ANSWER_TOO_LARGE, "an event of the provider's stream is too long"))
        return bytes(out)

    def end(self) -> bytes:
        """The provider's stream is over: the rest that may go out. Sets `failure` unless the answer is complete."""
        out = bytearray()
        if self.failure is None and not self.ended:
            self._fail(self._take(self._decoder.close(), out))
        if self.failure is None:
            self.failure = self.observer.end(terminated=self._terminated)
        if self.failure is None:
            out[:0] = self._held
            self._held.clear()
        return bytes(out)

    def _fail(self, failure: Failure | None) -> None:
        if failure is not None and self.observer.finished:
            self.ended = True  # a broken piece after the last finish reason takes nothing from the answer
        else:
            self.failure = failure

    def _take(self, events: list[Event], out: bytearray) -> Failure | None:
        for event in events:
            if event.data.strip() == DONE:
                self.ended = self._terminated = True
                return None
            failure = self.observer.observe(event)
            if failure is not None:
                return failure
            rewritten = self._rewrite(event.data)
            if rewritten is not None:
                self._emit(encode_event(rewritten, event.name), out)
        return None

    def _emit(self, event: bytes, out: bytearray) -> None:
        if self._open:
            out += event
            return
        self._held += event
        if self.observer.content or len(self._held) > HOLD_BACK_BYTES:
            self._open = True
            out += self._held
            self._held.clear()
