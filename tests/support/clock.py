"""A clock that moves only when the test says so, or when somebody waits on it."""

from __future__ import annotations

import asyncio

START = 1_700_000_000.0


class VirtualClock:
    """`sleep` returns at once and moves the time, so that waits cost nothing and are counted in `slept`."""

    def __init__(self, now: float = START) -> None:
        self._now = now
        self._begin = now
        self.slept: list[float] = []

    def monotonic(self) -> float:
        return self._now - self._begin

    def now(self) -> float:
        return self._now

    def wall(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.advance(seconds)
        await asyncio.sleep(0)
