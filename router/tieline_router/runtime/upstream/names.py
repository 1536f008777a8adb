"""From a host to its addresses, remembered for a few seconds. The one place that asks the resolver.

Look-ups of one name that come together are one; those that wait may leave, the look-up goes on and is remembered.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from tieline_router.runtime.addresses import AddressInfo

Resolve: TypeAlias = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]
"""As `getaddrinfo` for a stream socket. Raises socket.gaierror, or ValueError for what can be no name."""

REMEMBERED_SECONDS: Final = 10.0
REMEMBERED: Final = 1024


async def system_resolve(host: str, port: int) -> Sequence[AddressInfo]:
    """Asks the system's resolver, in a thread."""
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)


@dataclass(slots=True)
class _Known:
    addresses: tuple[AddressInfo, ...]
    until: float
    turn: int = 0


class Names:
    """Owns the look-ups that it starts."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or system_resolve
        self._known: dict[tuple[str, int], _Known] = {}
        self._asked: dict[tuple[str, int], asyncio.Task[_Known]] = {}

    async def addresses(self, host: str, port: int) -> Sequence[AddressInfo]:
        """At least one. Each call begins with another one, so that connections spread over all of them.

        Raises:
            OSError: the name does not resolve.
            ValueError: it is no name.
        """
        loop = asyncio.get_running_loop()
        key = (host, port)
        known = self._known.get(key)
        if known is None or known.until <= loop.time():
            task = self._asked.get(key)
            if task is None:
                task = self._asked[key] = loop.create_task(self._look_up(key), name=f"name {host}")
                task.add_done_callback(_seen)
            known = await asyncio.shield(task)
        first = known.turn % len(known.addresses)
        known.turn += 1
        return known.addresses[first:] + known.addresses[:first]

    async def close(self) -> None:
        tasks = list(self._asked.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _look_up(self, key: tuple[str, int]) -> _Known:
        try:
            found = tuple(await self._resolve(*key))
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "the name has no address")
            if len(self._known) >= REMEMBERED:
                self._known.clear()
            known = self._known[key] = _Known(found, asyncio.get_running_loop().time() + REMEMBERED_SECONDS)
            return known
        finally:
            del self._asked[key]


def _seen(task: asyncio.Task[_Known]) -> None:
    """Whoever waited may have left: then nobody else looks at the failure."""
    if not task.cancelled():
        task.exception()
