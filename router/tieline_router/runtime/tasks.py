"""The owner of the process's long-lived tasks: it starts them, restarts one that breaks, and ends them all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from tieline_router.runtime.clock import Clock

logger = logging.getLogger(__name__)

RESTART_SECONDS: Final = 2.0


class Tasks:
    """Background work. A task that breaks is a bug: it is logged with its stack and started again, because serving goes
    on for ever."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._running: set[asyncio.Task[None]] = set()

    def start(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        task = asyncio.create_task(self._keep(name, work), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def stop(self) -> None:
        """Cancels all and waits until they have ended."""
        tasks = list(self._running)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await work()
                return
            except Exception:
                logger.exception("%s broke and starts again", name)
                await self._clock.sleep(RESTART_SECONDS)
