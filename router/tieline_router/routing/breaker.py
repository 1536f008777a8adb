"""A circuit breaker on the caller's clock: of one endpoint, or of one model there. Pure; fed by `ejection`.

    closed ── consecutive failures reach the limit ──▶ open ── its time is over and a request comes ──▶ half-open
       ▲                                                ▲                                                  │ │
       └─────── the one probe succeeds, or a survivor ──│──────────────────────────────────────────────────┘ │
                                                        └──────────────────── the probe fails ───────────────┘

Half-open lets one real request through at a time. A *survivor* is a request that goes there although the breaker is
open, because nobody else is left: its success closes the breaker at once, its failure changes nothing. Every opening
lasts `base_seconds` × the number of openings, at most `MAX_SECONDS` (Envoy's outlier detection: base_ejection_time,
max_ejection_time); the number is forgotten after `MAX_SECONDS` closed. Whether there *may* be an ejection (share of the
pool) is decided outside.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final

from tieline_api.snapshot import Ejection

MAX_SECONDS: Final = 300.0
"""Longest ejection, unless `base_seconds` itself is longer."""
CLOSED_TICKET: Final = 0


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """`now` is Unix seconds of a clock that does not go backwards.

    `begin` gives every request a ticket, which comes back with its outcome: 0 while closed; else the number of the
    opening, negative for the probe. So what began before an opening, or in an earlier one, changes nothing in it.
    """

    __slots__ = ("closed_at", "ejections", "failed_at", "failures", "openings", "probing", "rule", "state", "until")

    def __init__(self, rule: Ejection) -> None:
        self.rule = rule
        self.state = State.CLOSED
        self.failures = 0
        """Consecutive, while closed; those of a quiet `MAX_SECONDS` ago do not count any more."""
        self.failed_at = -math.inf
        self.ejections = 0
        """Openings that are not forgotten: they lengthen the next one."""
        self.openings = 0
        """All so far."""
        self.until = 0.0
        """End of the ejection, while open."""
        self.closed_at = -math.inf
        """When it closed after an opening."""
        self.probing = False

    def permits(self, now: float) -> bool:
        """Whether a request may go there: closed, or due for a probe that nobody has begun."""
        if self.state is State.CLOSED:
            return True
        return now >= self.until and not self.probing

    def begin(self, now: float) -> int:
        """A request goes there now: its ticket."""
        if self.state is State.CLOSED:
            return CLOSED_TICKET
        if not self.permits(now):
            return self.openings
        self.state = State.HALF_OPEN
        self.probing = True
        return -self.openings

    def succeed(self, now: float, ticket: int) -> bool:
        """An answer came. True: the breaker closed by it."""
        if self.state is State.CLOSED:
            self.failures = 0
        elif abs(ticket) == self.openings:
            self.state = State.CLOSED
            self.failures = 0
            self.probing = False
            self.closed_at = now
            return True
        return False

    def fail(self, now: float, ticket: int, *, may_eject: bool) -> bool:
        """A failure that counts. True: the breaker opened by it. `may_eject` False: the pool has no more to spare."""
        if self.state is State.CLOSED:
            self.failures = 1 if now - self.failed_at > MAX_SECONDS else self.failures + 1
            self.failed_at = now
            if self.failures < self.rule.consecutive_failures or not may_eject:
                return False
        elif ticket != -self.openings:
            return False
        self._open(now)
        return True

    def abandon(self, ticket: int) -> None:
        """The request ended and says nothing (the client left): the next one may be the probe."""
        if ticket and ticket == -self.openings:
            self.probing = False

    def forgotten(self, now: float) -> bool:
        """Whether nothing of the past is left in it: it is as a new one."""
        return (
            self.state is State.CLOSED
            and (self.failures == 0 or now - self.failed_at > MAX_SECONDS)
            and (self.ejections == 0 or now - self.closed_at > MAX_SECONDS)
        )

    def _open(self, now: float) -> None:
        if self.state is State.CLOSED and now - self.closed_at > MAX_SECONDS:
            self.ejections = 0
        self.ejections += 1
        self.openings += 1
        self.state = State.OPEN
        self.probing = False
        self.failures = 0
        self.until = now + min(self.rule.base_seconds * self.ejections, max(MAX_SECONDS, self.rule.base_seconds))
