"""The circuit breaker of one endpoint, on the caller's clock. Pure; owned and fed by `live.LiveTable`.

    closed ── consecutive failures reach the limit ──▶ open ── its time is over and a request comes ──▶ half-open
       ▲                                                ▲                                                  │ │
       └──────────────── the one probe succeeds ────────│──────────────────────────────────────────────────┘ │
                                                        └──────────────────── the probe fails ───────────────┘

Half-open lets one real request through at a time. Every opening lasts `base_seconds` × the number of openings, at most
`MAX_SECONDS` (Envoy's outlier detection: base_ejection_time, max_ejection_time); the number is forgotten after the
endpoint was closed for `MAX_SECONDS`. Whether an endpoint *may* be ejected (share of its pool) is decided outside.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from tieline_api.snapshot import Ejection

MAX_SECONDS: Final = 300.0
"""Longest ejection, unless `base_seconds` itself is longer."""


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """State of one endpoint. `now` is Unix seconds of a clock that does not go backwards."""

    __slots__ = ("closed_at", "ejections", "failures", "probing", "rule", "state", "until")

    def __init__(self, rule: Ejection) -> None:
        self.rule = rule
        self.state = State.CLOSED
        self.failures = 0
        """Consecutive, while closed."""
        self.ejections = 0
        self.until = 0.0
        """End of the ejection, while open."""
        self.closed_at = 0.0
        self.probing = False

    def permits(self, now: float) -> bool:
        """Whether a request may go there: closed, or due for a probe that nobody has begun."""
        if self.state is State.CLOSED:
            return True
        return now >= self.until and not self.probing

    def begin(self, now: float) -> bool:
        """A request goes there now. True: it is the probe, whose result decides."""
        if self.state is State.CLOSED or not self.permits(now):
            return False
        self.state = State.HALF_OPEN
        self.probing = True
        return True

    def succeed(self, now: float, *, probe: bool) -> bool:
        """An answer came. True: the breaker closed by it. Answers from before the ejection change nothing."""
        if self.state is State.CLOSED:
            self.failures = 0
        elif probe:
            self.state = State.CLOSED
            self.failures = 0
            self.probing = False
            self.closed_at = now
            return True
        return False

    def fail(self, now: float, *, probe: bool, may_eject: bool) -> bool:
        """A failure that counts. True: the breaker opened by it. `may_eject` False: the pool has no more to spare."""
        if self.state is State.CLOSED:
            self.failures += 1
            if self.failures < self.rule.consecutive_failures or not may_eject:
                return False
        elif not probe:
            return False
        self._open(now)
        return True

    def abandon(self, *, probe: bool) -> None:
        """The request ended and says nothing about the endpoint (the client left): the next one may be the probe."""
        if probe:
            self.probing = False

    def _open(self, now: float) -> None:
        if self.state is State.CLOSED and now - self.closed_at > MAX_SECONDS:
            self.ejections = 0
        self.ejections += 1
        self.state = State.OPEN
        self.probing = False
        self.failures = 0
        self.until = now + min(self.rule.base_seconds * self.ejections, max(MAX_SECONDS, self.rule.base_seconds))
