"""Server-sent events, both ways: the one incremental decoder and the one encoder. Sans-I/O.

Follows the event stream format of the WHATWG HTML standard (section 9.2.6): lines end with LF, CR or CRLF, a blank line
dispatches, lines that begin with a colon are comments. A stream cut at any byte gives the same events, and a complete
event is never held back. Used by `chat` for providers' streams and by the runtime for our own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

DEFAULT_MAX_EVENT_BYTES: Final = 4 * 1024 * 1024
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class Event(NamedTuple):
    data: bytes
    """All data lines, joined with LF."""
    name: str = ""
    """The `event` field; empty when the stream did not name it."""


class EventTooLong(Exception):
    """The provider sent a line or an event beyond the bound; the decoder cannot be used any further."""


class SseDecoder:
    """Turns the bytes of one stream into events; holds at most `max_event_bytes` and a little more."""

    def __init__(self, max_event_bytes: int = DEFAULT_MAX_EVENT_BYTES) -> None:
        self._max = max_event_bytes
        self._line = bytearray()
        """The beginning of a line whose end has not come."""
        self._data: list[bytes] = []
        self._size = 0
        self._name = ""
        self._skip_lf = False
        """The last line ended with CR, so that an LF now belongs to it."""
        self._at_start = True

    def feed(self, chunk: bytes) -> list[Event]:
        """The events that `chunk` completes, in order.

        Raises:
            EventTooLong: a line or an event has grown beyond the bound.
        """
        if self._skip_lf and chunk:
            self._skip_lf = False
            if chunk.startswith(b"\n"):
                chunk = chunk[1:]
        if not chunk:
            return []
        if b"\n" not in chunk and b"\r" not in chunk:
            self._line += chunk
            self._check(len(self._line))
            return []
        if self._line:
            chunk = bytes(self._line) + chunk
            self._line.clear()
        self._skip_lf = chunk.endswith(b"\r")
        events: list[Event] = []
        lines = chunk.splitlines(keepends=True)
        if not lines[-1].endswith((b"\n", b"\r")):
            rest = lines.pop()
            self._check(len(rest))
            self._line += rest
        for line in lines:
            self._take_line(line.rstrip(b"\r\n"), events)
        return events

    def close(self) -> list[Event]:
        """The event that the end of the stream leaves without its blank line, if it has data.

        The standard drops it; providers that forget the blank line after their last event are common enough to ask
        the caller to look whether it is whole.
        """
        events: list[Event] = []
        if self._line:
            line = bytes(self._line)
            self._line.clear()
            self._take_line(line, events)
        self._dispatch(events)
        return events

    def _take_line(self, line: bytes, events: list[Event]) -> None:
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BYTE_ORDER_MARK)
        if not line:
            self._dispatch(events)
            return
        field, _, value = line.partition(b":")
        if value.startswith(b" "):
            value = value[1:]
        if field == b"data":
            self._size += len(value) + 1
            self._check(self._size)
            self._data.append(value)
        elif field == b"event":
            self._name = value.decode("utf-8", "replace")

    def _dispatch(self, events: list[Event]) -> None:
        if self._data:
            data = self._data[0] if len(self._data) == 1 else b"\n".join(self._data)
            events.append(Event(data, self._name))
            self._data = []
            self._size = 0
        self._name = ""

    def _check(self, size: int) -> None:
        if size > self._max:
            raise EventTooLong(f"an event of the provider's stream is longer than {self._max} bytes")


def encode_event(data: bytes, name: str = "") -> bytes:
    """One event as bytes. Line breaks inside `data` become further data lines, which decode to LF."""
    head = b"event: " + name.encode() + b"\n" if name else b""
    if b"\n" not in data and b"\r" not in data:
        return head + b"data: " + data + b"\n\n"
    lines = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    return head + b"".join(b"data: " + line + b"\n" for line in lines) + b"\n"


def encode_comment(text: str) -> bytes:
    """A comment: a sign of life that every client ignores. `text` is one line."""
    return b": " + text.encode() + b"\n\n"
