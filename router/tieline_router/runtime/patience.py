"""How long the client itself waits, by the headers that clients send. Pure; used by `exchange`.

`x-request-timeout` is a whole deadline in seconds. The SDKs of OpenAI and Anthropic send `x-stainless-read-timeout` or
`x-stainless-timeout`: seconds of silence after which they give up (Python: httpx's read timeout; JavaScript: until the
headers). A plain answer comes in one piece, so that silence is its deadline; on a stream signs of life break it, so
they have to begin in time, and the stream itself may go on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final, NamedTuple

DEADLINE: Final = "x-request-timeout"
SILENCE: Final = ("x-stainless-read-timeout", "x-stainless-timeout")
MARGIN: Final = 0.5
"""Share of a client's patience after which signs of life begin."""


class Patience(NamedTuple):
    """Seconds; `inf` where the client says nothing."""

    total: float = math.inf
    """Until the whole answer must be there."""
    keep_alive: float = math.inf
    """Streams: when signs of life must begin."""


ENDLESS: Final = Patience()


def patience(headers: Mapping[str, str], *, stream: bool) -> Patience:
    """What the client bears. Values that are no positive number say nothing."""
    total = _seconds(headers.get(DEADLINE))
    silence = min(_seconds(headers.get(name)) for name in SILENCE)
    if total == silence == math.inf:
        return ENDLESS
    return Patience(total, silence * MARGIN) if stream else Patience(min(total, silence))


def _seconds(value: str | None) -> float:
    try:
        seconds = float(value) if value is not None else math.inf
    except ValueError:
        return math.inf
    return seconds if seconds > 0 else math.inf  # NaN is not
