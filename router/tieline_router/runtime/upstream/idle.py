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
        self._all: dict[T, tuple[Hashable, float]] = {}  # in the order in which they became idle
        self._by_origin: dict[Hashable, list[T]] = {}

    def put(self, connection: T, origin: Hashable, born: float, now: float) -> list[T]:
        """Keeps a connection.

        Returns:
            those that are to be closed for it: the oldest where there are too many, or the connection itself.
        """
        if self._timeout <= 0 or now - born >= LIFETIME_SECONDS:
            return [connection]
        kept = self._by_origin.setdefault(origin, [])
        surplus = [kept[0]] if len(kept) >= PER_ORIGIN else []
        if not surplus and len(self._all) >= IN_ALL:
            surplus = [next(iter(self._all))]
        for one in surplus:
            self.drop(one)
        self._by_origin.setdefault(origin, kept).append(connection)
        self._all[connection] = (origin, now)
        return surplus

    def take(self, origin: Hashable, now: float) -> T | None:
        """The connection that became idle last, unless it is too old; it is no longer kept."""
        kept = self._by_origin.get(origin)
        if not kept or now >= self._all[kept[-1]][1] + self._timeout:
            return None  # the others of this origin are older still; `expired` has them all
        connection = kept[-1]
        self.drop(connection)
        return connection

    def drop(self, connection: T) -> None:
        """Keeps it no longer, if it was kept."""
        entry = self._all.pop(connection, None)
        if entry is not None:
            kept = self._by_origin[entry[0]]
            if kept[-1] == connection:
                kept.pop()
            else:
                kept.remove(connection)
            if not kept:
                del self._by_origin[entry[0]]

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
