"""Waiting for a condition, with a bound: the only place in the tests that looks at a thing again and again.

`wait_until` is for synchronous code, `eventually` for tests whose own event loop must go on serving meanwhile.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

INTERVAL = 0.05
"""Seconds between two looks."""


def wait_until(look: Callable[[], T | None], what: str, seconds: float = 30) -> T:
    """The first true value that `look` returns; `TimeoutError` naming `what`, and what was seen last, after `seconds`.

    An exception of `look` ends the wait: a look that may fail for a while says so by returning None.
    """
    deadline = time.monotonic() + seconds
    while True:
        if seen := look():
            return seen
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}; last seen: {seen!r}")
        time.sleep(INTERVAL)


async def eventually(
    look: Callable[[], T | None] | Callable[[], Awaitable[T | None]], what: str, seconds: float = 30
) -> T:
    """`wait_until` for coroutines: a synchronous `look` runs in a thread, so the event loop is never blocked."""
    deadline = time.monotonic() + seconds
    while True:
        answer = await asyncio.to_thread(look)
        seen = await answer if inspect.isawaitable(answer) else answer
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:g} s for {what}; last seen: {seen!r}")
        await asyncio.sleep(INTERVAL)
