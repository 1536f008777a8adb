"""Which connections are kept between requests, and for how long. No sockets of its own: it decides, `client` closes.

Last in, first out, so that those not needed grow old together and go.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)

PER_ORIGIN: Final = 512
IN_ALL: Final = 2048
LIFETIME_SECONDS: Final = 120.0
"""A connection is not used again after that, so that a name which moved is followed: twice the 60 s for which addresses
that fail over are commonly cached. At 500 connections that is four handshakes a second."""


class Idle(Generic[T]):
    """Idle connections by origin. Times are seconds of one monotonic clock."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._all: dict[T, tuple[list[T], float]] = {}  # in the order in which they became idle
        self._by_origin: dict[Hashable, list[T]] = {}  # an empty list stays for the next time, up to a bound

    def put(self, connection: T, origin: Hashable, born: float, now: float) -> list[T]:
        """Keeps a connection.

        Returns:
            those that are to be closed for it: the oldest where there are too many, or the connection itself.
        """
        if self._timeout <= 0 or now - born >= LIFETIME_SECONDS:
            return [connection]
        kept = self._by_origin.get(origin)
        if kept is None:
            if len(self._by_origin) >= 2 * IN_ALL:
                self._by_origin = {one: others for one, others in self._by_origin.items() if others}
            kept = self._by_origin[origin] = []
        surplus = []
        if len(kept) >= PER_ORIGIN:
            surplus = [kept[0]]
        elif len(self._all) >= IN_ALL:
            surplus = [next(iter(self._all))]
        for one in surplus:
            self.drop(one)
        kept.append(connection)
        self._all[connection] = (kept, now)
        return surplus

    def take(self, origin: Hashable, now: float) -> T | None:
        """The connection that became idle last, unless it is too old; it is no longer kept."""
        kept = self._by_origin.get(origin)
        if not kept or now >= self._all[kept[-1]][1] + self._timeout:
            return None  # the others of this origin are older still; `expired` has them all
        connection = kept.pop()
        del self._all[connection]
        return connection

    def drop(self, connection: T) -> None:
        """Keeps it no longer, if it was kept."""
        entry = self._all.pop(connection, None)
        if entry is not None:
            entry[0].remove(connection)

    @property
    def due(self) -> float | None:
        """When the oldest expires; None while there is none."""
        for _, since in self._all.values():
            return since + self._timeout
        return None

    def expired(self, now: float) -> list[T]:
        """Those that were idle for too long; they are no longer kept."""
        gone = []
        for connection, (_, since) in self._all.items():
            if now < since + self._timeout:
                break
            gone.append(connection)
        for connection in gone:
            self.drop(connection)
        return gone
