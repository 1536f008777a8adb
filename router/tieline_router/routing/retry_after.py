"""When a provider wants to be asked again, from its headers: one reading of the many spellings. Pure, without a clock.

A date counts from the answer's own `Date`, so neither our clock nor a difference between the two matters.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_SECONDS: Final = 86_400.0
"""Nobody waits longer than a day; more is cut."""
EPOCH: Final = 30 * 86_400.0
"""A reset number above thirty days of seconds is a Unix time, not a duration."""
_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS: Final = (86_400.0, 3600.0, 60.0, 1.0, 0.001)
_RESETS: Final = (
    "x-ratelimit-reset",
    "x-ratelimit-reset-requests",
    "x-ratelimit-reset-tokens",
    "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-tokens-reset",
)


def retry_after(headers: Mapping[str, str], *, rate_limited: bool) -> float | None:
    """Seconds that the provider asks to wait, at most a day, or None when it names no time.

    `Retry-After` (seconds or a date), else `retry-after-ms` (OpenAI, Azure), else, on a rate limit, the earliest of the
    reset headers (durations such as `1m2.5s`, seconds, Unix times, dates), which other answers carry too. Headers that
    cannot be read are as if absent.
    """
    date = _date(headers.get("Date", ""))
    seconds = _seconds(headers.get("Retry-After", ""), date)
    if seconds is None:
        for name in ("retry-after-ms", "x-ms-retry-after-ms"):
            number = _number(headers.get(name, ""))
            if number is not None:
                seconds = number / 1000
                break
    if seconds is None and rate_limited:
        resets = [_seconds(headers[name], date) for name in _RESETS if name in headers]
        seconds = min((reset for reset in resets if reset is not None), default=None)
    return None if seconds is None else min(max(seconds, 0.0), MAX_SECONDS)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds(text: str, date: float | None) -> float | None:
    text = text.strip()
    if not text:
        return None
    number = _number(text)
    if number is not None:
        if number < EPOCH:
            return number
        return None if date is None else number - date
    duration = _DURATION.fullmatch(text)
    if duration is not None:
        return sum(float(part) * unit for part, unit in zip(duration.groups(), _UNITS, strict=True) if part)
    moment = _date(text)
    return None if moment is None or date is None else moment - date


def _date(text: str) -> float | None:
    """Unix seconds of an HTTP date or of RFC 3339."""
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return moment.timestamp() if moment.tzinfo is not None else None
    return None
