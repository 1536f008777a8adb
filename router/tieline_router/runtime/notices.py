"""What people should hear of although no frame asks for it: a provider refuses a pool's credential. Fed by `exchange`.

Each is logged here, once in a while per credential, and told to the operator, which posts an Event on it. Bounded:
what does not fit while the operator is away is dropped, because the next refusal says it again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Final

from tieline_api.snapshot import Notice

from tieline_router.runtime.clock import Clock

logger = logging.getLogger(__name__)

AGAIN_SECONDS: Final = 600.0
"""The same credential is not told again for so long."""
MAX_WAITING: Final = 64
MAX_SUBJECTS: Final = 1024


class Notices:
    """Those that wait for the operator."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._waiting: deque[Notice] = deque(maxlen=MAX_WAITING)
        self._said: dict[tuple[str, str], float] = {}
        self._some = asyncio.Event()

    def credential_refused(self, pool: str, credential: str, status: int) -> None:
        """A provider answered `status` (401, 402, 403) to a credential of a pool; its key is being cooled down."""
        subject, now = (pool, credential), self._clock.monotonic()
        said = self._said.get(subject)
        if said is not None and now - said < AGAIN_SECONDS:
            return
        self._said.pop(subject, None)
        while len(self._said) >= MAX_SUBJECTS:
            del self._said[next(iter(self._said))]
        self._said[subject] = now
        logger.warning(
            "the provider of pool %s refuses credential %s with status %d; it is not used for a while",
            *(pool, credential, status),
        )
        self._waiting.append(Notice(pool=pool, credential=credential, status=status))
        self._some.set()

    async def next(self) -> Notice:
        """The oldest that waits; waits for one."""
        while not self._waiting:
            self._some.clear()
            await self._some.wait()
        return self._waiting.popleft()
