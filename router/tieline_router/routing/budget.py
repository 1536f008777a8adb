"""The retry budget of one route: retries may be a share of recent successes, so that an outage is not multiplied. Pure.

Counters decay exponentially with `WINDOW` seconds. A floor of retries is always permitted, or a quiet route could
never retry (Linkerd's retry budget: a ratio over ten seconds, and ten retries a second at least).
"""

from __future__ import annotations

import math
from typing import Final

WINDOW: Final = 10.0
"""Seconds after which a past success counts 1/e."""
FLOOR_PER_SECOND: Final = 10.0
"""Retries per second that are permitted whatever the successes."""


class RetryBudget:
    __slots__ = ("at", "percent", "retries", "successes")

    def __init__(self, percent: int) -> None:
        self.percent = percent
        self.successes = 0.0
        self.retries = 0.0
        self.at = 0.0

    def _decay(self, now: float) -> None:
        if now > self.at:
            factor = math.exp((self.at - now) / WINDOW)
            self.successes *= factor
            self.retries *= factor
            self.at = now

    def succeeded(self, now: float) -> None:
        self._decay(now)
        self.successes += 1

    def permits(self, now: float) -> bool:
        """Whether one more retry fits; 0 percent permits none. Changes nothing but the decay."""
        self._decay(now)
        if self.percent <= 0:
            return False
        return self.retries + 1 <= max(self.successes * self.percent / 100, FLOOR_PER_SECOND * WINDOW)

    def spend(self, now: float) -> None:
        self._decay(now)
        self.retries += 1
