"""Log records as JSON or text, and the one line that every request leaves. Never a key, a secret or a prompt.

Everything in the process logs through the standard library; fields that belong to a record travel in `extra`. The
lines of requests alone take a shorter way to the same stream, because there is one for each: a record and its
formatting cost 27 µs, a line that is encoded at once and written with its neighbours 2.6.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

import msgspec

requests = logging.getLogger("tieline_router.requests")
"""One record per request; its fields are those of `RequestLine`."""

FIELDS: Final = "fields"
"""Name of the attribute of a record that carries its fields."""
FLUSH_SECONDS: Final = 0.1
"""How long a request's line may wait for others."""
FLUSH_LINES: Final = 256
"""How many wait at most."""


class RequestLine(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """What is logged of one request; absent facts are left out."""

    generation: str = ""
    outcome: str = ""
    """`ok`, or the error class."""
    status: int = 0
    path: str = ""
    stream: bool = False
    consumer: str = ""
    key: str = ""
    """Name of the consumer's key in its manifest, never the key."""
    route: str = ""
    model: str = ""
    answered_by: str = ""
    """Pool that answered."""
    attempts: tuple[str, ...] = ()
    """`pool endpoint outcome`, in order."""
    dropped: tuple[str, ...] = ()
    """Sampling parameters that a translation left out."""
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    """Estimate by the price in force, not a bill."""
    first_token_ms: float | None = None
    ms: float = 0.0


def log_request(line: RequestLine) -> None:
    """Writes the line of one request: a warning when it failed by somebody else's fault than the caller's."""
    level = logging.INFO if line.status < 500 else logging.WARNING
    handler = _Handler.configured
    if handler is None:
        requests.log(level, "request", extra={FIELDS: msgspec.to_builtins(line)})
    elif requests.isEnabledFor(level):
        handler.add(level, line)


def configure(level: str, form: Literal["json", "text"], stream: TextIO | None = None) -> None:
    """Sends the process's records to `stream` (default: standard error) in one form."""
    handler = _Handler(stream or sys.stderr, form)
    root = logging.getLogger()
    for old in root.handlers[:]:
        old.flush()
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())
    _Handler.configured = handler


class _Handler(logging.StreamHandler[TextIO]):
    """Writes records one by one, and the lines of requests many at a time, in the order in which they came."""

    configured: _Handler | None = None
    """The process's, once `configure` was called."""

    def __init__(self, stream: TextIO, form: Literal["json", "text"]) -> None:
        super().__init__(stream)
        self.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
        self._form = form
        self._lines: list[str] = []
        self._second = -1
        self._prefix = ""
        self._encode = msgspec.json.Encoder().encode

    def add(self, level: int, line: RequestLine) -> None:
        """Takes the line of a request; called on the event loop's thread."""
        now = time.time()
        text = self._json(now, level, line) if self._form == "json" else _text_line(now, level, "request", _facts(line))
        self._lines.append(text)
        if len(self._lines) >= FLUSH_LINES:
            self.flush()
        elif len(self._lines) == 1:
            self._flush_soon()

    def _flush_soon(self) -> None:
        try:
            asyncio.get_running_loop().call_later(FLUSH_SECONDS, self.flush)
        except RuntimeError:  # no loop: nobody would come back to it
            self.flush()

    def _json(self, now: float, level: int, line: RequestLine) -> str:
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = '{"time":"' + datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S.")
        name = "info" if level == logging.INFO else "warning"
        return (
            f'{self._prefix}{int((now - second) * 1000):03d}+00:00","level":"{name}",'
            f'"logger":"tieline_router.requests","message":"request",{self._encode(line)[1:].decode()}\n'
        )

    def emit(self, record: logging.LogRecord) -> None:
        self._write_lines()
        super().emit(record)

    def flush(self) -> None:
        self._write_lines()
        super().flush()

    def _write_lines(self) -> None:
        if not self._lines:
            return
        self.acquire()
        try:
            lines, self._lines = self._lines, []
            self.stream.write("".join(lines))
        except (OSError, ValueError):  # the stream is gone, and nobody is left to tell
            return
        finally:
            self.release()


def _time(created: float) -> str:
    return datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields = getattr(record, FIELDS, None)
    return fields if isinstance(fields, Mapping) else {}


def _facts(line: RequestLine) -> Mapping[str, object]:
    facts: Mapping[str, object] = msgspec.to_builtins(line)
    return facts


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_fields(record),
        }
        if record.exc_info:
            line["stack"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line).decode()


class TextFormatter(logging.Formatter):
    """One readable line: time, level, message, and the fields as `name=value`."""

    def format(self, record: logging.LogRecord) -> str:
        text = _text_line(record.created, record.levelno, record.getMessage(), _fields(record)).rstrip("\n")
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _text_line(created: float, level: int, message: str, fields: Mapping[str, object]) -> str:
    told = "".join(f" {name}={_text(value)}" for name, value in fields.items())
    return f"{_time(created)} {logging.getLevelName(level):<7} {message}{told}\n"


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    plain = not isinstance(value, str) or (value.isprintable() and value and " " not in value)
    return str(value) if plain else repr(value)
