"""When a provider wants to be asked again, from its headers: one reading of the many spellings. Pure; called by
`classify`.

A moment counts from the answer's own `Date`, so neither our clock nor a difference between the two matters; without one
it counts from `now`. What cannot be read is as if absent, and nothing that a provider writes makes us wait for longer
than a day.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final

MAX_SECONDS: Final = 86_400.0
"""Nobody waits longer than a day; more is cut."""
MAX_TEXT: Final = 64
"""Characters of a header that says when; the longest spelling, an HTTP date, has 29."""
EPOCH: Final = 30 * 86_400.0
"""A reset number above thirty days of seconds is a Unix time, not a duration."""
EPOCH_MS: Final = 1e11
"""A Unix time above it is in milliseconds (OpenRouter): as seconds it would be the year 5138."""
_UNITS: Final = {
    "d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9,
}  # fmt: skip
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|μs|ms|[dhms])")
_DURATION: Final = re.compile(rf"(?:{_PART.pattern})+")
"""Go's spelling, which OpenAI and those after it use: `6m0s`, `1s`, `20ms`, `1h2m3.5s`."""
_FIELD: Final = re.compile(r"\b(?:t|reset)=([0-9]{1,9})\b")
"""Seconds in the IETF's combined headers: `"default";r=0;t=30`, `limit=100, remaining=0, reset=30`."""
_MILLISECONDS: Final = ("retry-after-ms", "x-ms-retry-after-ms")
_ANTHROPIC: Final = ("requests", "tokens", "input-tokens", "output-tokens")
_RESETS: Final = (
    "x-ratelimit-reset",
    "ratelimit-reset",
    *(f"x-ratelimit-reset-{what}" for what in ("requests", "tokens", "requests-day", "tokens-minute")),
    *(f"anthropic-ratelimit-{what}-reset" for what in _ANTHROPIC),
)
_COMBINED: Final = ("ratelimit", "x-ratelimit")


def retry_after(headers: Mapping[str, str], *, rate_limited: bool, now: float | None = None) -> float | None:
    """Seconds that the provider asks to wait, 0 to a day, or None when it names no time.

    `Retry-After` (seconds or a date), else `retry-after-ms` (OpenAI, Azure), else, on a rate limit, the reset headers,
    which other answers carry too: the latest reset of the limits that have nothing remaining, or, where none says so,
    the earliest of all.

    Args:
        headers: names in lower case, or a mapping that takes them in any.
        rate_limited: the answer says that a limit was hit.
        now: Unix seconds, for moments in answers without a `Date`.
    """
    date = _moment(headers.get("date", "")[:MAX_TEXT])
    since = now if date is None else date
    seconds = _seconds(headers.get("retry-after", ""), since)
    if seconds is None:
        found = (_number(headers.get(name, "")) for name in _MILLISECONDS)
        seconds = next((number / 1000 for number in found if number is not None), None)
    if seconds is None and rate_limited:
        seconds = _reset(headers, since)
    return None if seconds is None else min(max(seconds, 0.0), MAX_SECONDS)


def _reset(headers: Mapping[str, str], since: float | None) -> float | None:
    found = list(_resets(headers, since))
    exhausted = [seconds for seconds, remaining in found if remaining == 0]
    if exhausted:
        return max(exhausted)
    return min((seconds for seconds, _ in found), default=None)


def _resets(headers: Mapping[str, str], since: float | None) -> Iterator[tuple[float, float | None]]:
    """Each reset that can be read, with what remains of its limit."""
    for name in _RESETS:
        seconds = _seconds(headers.get(name, ""), since)
        if seconds is not None:
            yield seconds, _number(headers.get(name.replace("reset", "remaining"), ""))
    for name in _COMBINED:
        field = _FIELD.search(headers.get(name, "")[: 4 * MAX_TEXT])
        if field is not None:
            yield float(field[1]), None


def _number(text: str) -> float | None:
    if len(text) > MAX_TEXT:
        return None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _seconds(text: str, since: float | None) -> float | None:
    text = text.strip()
    if not text or len(text) > MAX_TEXT:
        return None
    number = _number(text)
    if number is not None:
        if number < EPOCH:
            return number
        moment: float | None = number / 1000 if number >= EPOCH_MS else number
    elif _DURATION.fullmatch(text):
        return sum(float(part) * _UNITS[unit] for part, unit in _PART.findall(text))
    else:
        moment = _moment(text)
    return None if moment is None or since is None else moment - since


def _moment(text: str) -> float | None:
    """Unix seconds of an HTTP date or of RFC 3339."""
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        return moment.timestamp() if moment.tzinfo is not None else None
    return None
