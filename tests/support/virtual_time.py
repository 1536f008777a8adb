"""An event loop whose time passes only in sleeps: minutes of waiting take no time, and always the same path.

`run(main)` runs one coroutine on it. What waits for a thread or a socket still waits for real.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Where the loop would sleep until a timer, it moves the clock there instead."""

    advance: Callable[[float], None]

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout is None:
            return ready or super().select(timeout)
        self.advance(timeout)
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """`time()` begins at 1000 s and moves only while nothing can run."""

    def __init__(self) -> None:
        selector = _Selector()
        selector.advance = self._advance
        self._now = 1000.0
        super().__init__(selector)

    def time(self) -> float:
        return self._now

    def _advance(self, seconds: float) -> None:
        self._now += seconds


def run(main: Coroutine[Any, Any, T]) -> T:
    """The result of `main`, run in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


def virtual(test: Callable[[], Coroutine[Any, Any, None]]) -> Callable[[], None]:
    """Makes a test of an asynchronous function: it runs in virtual time. (Fixtures cannot be arguments.)"""

    def run_virtual() -> None:
        run(test())

    run_virtual.__name__, run_virtual.__doc__ = test.__name__, test.__doc__
    run_virtual.__module__ = test.__module__
    return run_virtual


def clock() -> float:
    """The running loop's time: what code under test takes as its monotonic clock."""
    return asyncio.get_running_loop().time()
