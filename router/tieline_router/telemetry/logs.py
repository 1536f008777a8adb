"""Log records as JSON or text, and the one line that every request leaves. Never a key, a secret or a prompt.

Everything in the process logs through the standard library; fields that belong to a record travel in `extra`.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal, TextIO

import msgspec

requests = logging.getLogger("tieline_router.requests")
"""One record per request; its fields are those of `RequestLine`."""

FIELDS: Final = "fields"
"""Name of the attribute of a record that carries its fields."""


class RequestLine(msgspec.Struct, kw_only=True, omit_defaults=True):
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
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost_usd: float | None = None
    """Estimate by the price in force, not a bill."""
    first_token_ms: float | None = None
    ms: float = 0.0


def log_request(line: RequestLine) -> None:
    """Writes the line of one request: a warning when it failed by somebody else's fault than the caller's."""
    level = logging.INFO if line.status < 500 else logging.WARNING
    requests.log(level, "request", extra={FIELDS: msgspec.to_builtins(line)})


def configure(level: str, form: Literal["json", "text"], stream: TextIO | None = None) -> None:
    """Sends the process's records to `stream` (default: standard error) in one form."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level.upper())


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _fields(record: logging.LogRecord) -> Mapping[str, object]:
    fields = getattr(record, FIELDS, None)
    return fields if isinstance(fields, Mapping) else {}


class JsonFormatter(logging.Formatter):
    """One JSON object per line."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(record),
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
        fields = "".join(f" {name}={_text(value)}" for name, value in _fields(record).items())
        text = f"{_time(record)} {record.levelname:<7} {record.getMessage()}{fields}"
        return f"{text}\n{self.formatException(record.exc_info)}" if record.exc_info else text


def _text(value: object) -> str:
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(str, value)) + "]"
    plain = not isinstance(value, str) or (value.isprintable() and value and " " not in value)
    return str(value) if plain else repr(value)
