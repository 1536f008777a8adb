"""Which key is worked on when: coalescing, one worker a key at a time, back-off per key. The core is pure.

`WorkQueue` decides (time and randomness are arguments), `Workers` is the thin shell that waits and calls. Whatever
changes a thing only adds its key; a key that is added while it is being worked on is worked on once more.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

from tieline_operator.errors import Unavailable, Unserved

K = TypeVar("K", bound=Hashable)

BASE_BACKOFF_SECONDS = 0.25
MAX_BACKOFF_SECONDS = 60.0


class WorkQueue(Generic[K]):
    """Keys that are due now or later. Times are seconds of one monotonic clock.

    A key is in at most two places: dirty (waiting, with the time when it is due) and processing. Adding a dirty key
    again keeps the earlier of the two times, so a burst of changes costs one run.
    """

    def __init__(self) -> None:
        self._due: dict[K, float] = {}
        self._processing: set[K] = set()
        self._failures: dict[K, int] = {}
        self._blameless: set[K] = set()
        """Keys that failed because the API server was away, and not by a fault of their own."""
        self._heap: list[tuple[float, int, K]] = []
        self._sequence = 0

    def __len__(self) -> int:
        """Keys that wait, due or not."""
        return len(self._due)

    def add(self, key: K, now: float, delay: float = 0.0) -> None:
        """Makes the key dirty; it is due after `delay` seconds at the latest."""
        due = now + delay
        known = self._due.get(key)
        if known is None or due < known:
            self._due[key] = due
            if key not in self._processing:
                self._push(due, key)

    def take(self, now: float) -> K | None:
        """The key that has been due longest and is not being worked on, or None. The caller must answer with `done` or
        `failed`."""
        self._drop_stale()
        if not self._heap or self._heap[0][0] > now:
            return None
        _, _, key = heapq.heappop(self._heap)
        del self._due[key]
        self._processing.add(key)
        return key

    def done(self, key: K) -> None:
        """The work succeeded: the key's back-off starts from the beginning next time."""
        self._failures.pop(key, None)
        self._blameless.discard(key)
        self._release(key)

    def failed(self, key: K, now: float, draw: float, *, least: float = 0.0, blameless: bool = False) -> float:
        """The work failed: the key is due again after an exponentially growing time.

        Args:
            key: what was worked on.
            now: the time.
            draw: random number of [0, 1); the wait is between half and the whole of 0.25 s × 2^failures, at most 60 s.
            least: shortest wait.
            blameless: whether `relieve` ends the wait.

        Returns:
            The wait in seconds.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        longest = min(BASE_BACKOFF_SECONDS * 2.0 ** min(failures, 16), MAX_BACKOFF_SECONDS)
        delay = max(longest * (0.5 + draw / 2), least)
        (self._blameless.add if blameless else self._blameless.discard)(key)
        self.add(key, now, delay)
        self._release(key)
        return delay

    def backs_off(self, key: K) -> bool:
        """Whether the key's last run failed and it waits for the next."""
        return key in self._failures and key in self._due

    def relieve(self, now: float) -> None:
        """The API server is back: keys that failed only because it was away are due now."""
        for key in self._blameless:
            if key in self._due:
                self._failures.pop(key, None)
                self.add(key, now)
        self._blameless.clear()

    def forget(self, key: K) -> None:
        """The thing is gone: drops the key's history; a run that is under way ends as it will."""
        self._due.pop(key, None)
        self._failures.pop(key, None)
        self._blameless.discard(key)

    def next_due(self) -> float | None:
        """When the next key that can be taken is due; None when there is none."""
        self._drop_stale()
        return self._heap[0][0] if self._heap else None

    def _release(self, key: K) -> None:
        self._processing.discard(key)
        due = self._due.get(key)
        if due is not None:
            self._push(due, key)

    def _push(self, due: float, key: K) -> None:
        self._sequence += 1
        heapq.heappush(self._heap, (due, self._sequence, key))

    def _drop_stale(self) -> None:
        while self._heap:
            due, _, key = self._heap[0]
            if self._due.get(key) == due and key not in self._processing:
                return
            heapq.heappop(self._heap)


class Workers(Generic[K]):
    """Runs `handle(key)` for keys as they fall due, `count` at a time. An exception of `handle` backs the key off;
    `failed(key, error, delay)` is told, and decides what is logged."""

    def __init__(
        self,
        handle: Callable[[K], Awaitable[None]],
        failed: Callable[[K, Exception, float], None],
        *,
        count: int,
        clock: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self.queue: WorkQueue[K] = WorkQueue()
        self._handle = handle
        self._failed = failed
        self._count = count
        self._clock = clock
        self._draw = draw
        self._changed = asyncio.Event()

    def add(self, key: K, delay: float = 0.0) -> None:
        """Makes the key dirty; call it from the event loop that runs the workers."""
        self.queue.add(key, self._clock(), delay)
        self._changed.set()

    def relieve(self) -> None:
        """See `WorkQueue.relieve`."""
        self.queue.relieve(self._clock())
        self._changed.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for index in range(self._count):
                group.create_task(self._work(), name=f"worker-{index}")

    async def _work(self) -> None:
        while True:
            key = self.queue.take(self._clock())
            if key is None:
                await self._wait()
                continue
            try:
                await self._handle(key)
            except Exception as error:  # noqa: BLE001 - whatever went wrong with one key must not stop the others
                least = error.retry_after if isinstance(error, Unserved) else 0.0
                blameless = isinstance(error, Unavailable) and not isinstance(error, Unserved)
                delay = self.queue.failed(key, self._clock(), self._draw(), least=least, blameless=blameless)
                self._failed(key, error, delay)
            else:
                self.queue.done(key)
            self._changed.set()  # a key added meanwhile can be taken now

    async def _wait(self) -> None:
        due = self.queue.next_due()
        self._changed.clear()
        try:
            async with asyncio.timeout(None if due is None else max(0.0, due - self._clock())):
                await self._changed.wait()
        except TimeoutError:
            pass
