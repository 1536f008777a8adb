"""The operator's log: one line or one JSON object per record on standard error, and nothing that must not be there.

kopf logs every try of every watch during an outage, and whole bodies (Secrets too) at debug level. Both end here: what
the operator itself says once about an outage is enough (`outage`), and no library may log below INFO.
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Final, Literal

_LIBRARIES: Final = ("kopf", "aiohttp", "asyncio", "kubernetes", "urllib3", "charset_normalizer")
_NOISE: Final = (
    "Request attempt",  # kopf.clients: one line per watch and try
    "Watch-stream",
    "Initial authentication",
    "Re-authentication",
    "Activity 'login",
    "OS signals are ignored",  # kopf's thread is not the main one, on purpose
    "Ignoring an unsupported event type",  # would print a whole object
    "Fatal error on SSL transport",  # asyncio: a peer that went away in mid-handshake
    "SSL handshake failed",
    "SSL error in data received",
    "SSL connection is closed",
)


class WithoutNoise(logging.Filter):
    """Drops what libraries say about lost connections; everything else of theirs passes."""

    def filter(self, record: logging.LogRecord) -> bool:
        library = record.name.partition(".")[0]
        return library not in _LIBRARIES or not record.getMessage().startswith(_NOISE)


class JsonLines(logging.Formatter):
    """One JSON object per record: time, level, logger, message, and the traceback where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry, ensure_ascii=False)


def configure(level: str, form: Literal["json", "text"]) -> None:
    """Sets the process's log up; call it once, before anything is logged."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(WithoutNoise())
    text = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if form == "json" else text)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for library in _LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
