"""Time, as an argument: whoever waits or stamps takes a `Clock`, so that tests run on a virtual one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

SLEW: Final = 0.1
"""Share of the time elapsed by which `now` may be corrected: an hour's step of the machine's clock takes ten to follow,
and no wait is more than a tenth too short or too long."""


class Clock(Protocol):
    def monotonic(self) -> float:
        """Seconds that only grow; for waits and ages."""

    def now(self) -> float:
        """Unix seconds that never go backwards and never jump; for deadlines, pauses, breakers and prices."""

    def wall(self) -> float:
        """Unix seconds as the machine says them, steps and all; for the expiry of keys."""

    async def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The clocks of the machine. A step of its wall clock reaches `now` little by little.

    Args:
        wall: Unix seconds, may step.
        steady: seconds that only grow.
    """

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._steady = steady
        self._now = wall()
        self._ticked = steady()

    def monotonic(self) -> float:
        return self._steady()

    def now(self) -> float:
        ticked = self._steady()
        elapsed, self._ticked = ticked - self._ticked, ticked
        expected = self._now + elapsed
        off, bound = self._wall() - expected, elapsed * SLEW
        if not -bound <= off <= bound:  # seldom: the clock was stepped
            off = bound if off > 0 else -bound
        self._now = expected + off
        return self._now

    def wall(self) -> float:
        return self._wall()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
