"""Pauses that a provider asked for or earned: of one credential, or of one endpoint. Pure; owned by `live.LiveTable`.

A pause never makes an endpoint unhealthy: a rate limit says that the provider works.
"""

from __future__ import annotations

from typing import Final

from tieline_router.errors import ErrorClass

BASE_SECONDS: Final = {
    ErrorClass.STATUS_429: 5.0,
    ErrorClass.OVERLOADED: 5.0,
    ErrorClass.STATUS_401_402_403: 60.0,
}
"""First pause where the provider names none; each further one in a row is twice as long. A refused credential heals
only when somebody acts, so it is asked rarely."""
MAX_SECONDS: Final = {
    ErrorClass.STATUS_429: 60.0,
    ErrorClass.OVERLOADED: 60.0,
    ErrorClass.STATUS_401_402_403: 600.0,
}
MAX_RETRY_AFTER: Final = 86_400.0
"""A provider's Retry-After is obeyed for a day at most."""


class Cooldown:
    """`until`: Unix seconds; `reason`: the class of the last failure."""

    __slots__ = ("count", "reason", "until")

    def __init__(self) -> None:
        self.until = 0.0
        self.count = 0
        self.reason: ErrorClass | None = None

    def active(self, now: float) -> bool:
        return now < self.until

    def extend(self, reason: ErrorClass, now: float, retry_after: float | None) -> None:
        """Begins or lengthens the pause. `retry_after`: the provider's own hint in seconds. It is a floor: a provider
        that refuses again after the time that it named is given more."""
        if reason is not self.reason or self.forgotten(now):
            self.count = 0
        if self.count == 0 or not self.active(now):
            self.count += 1  # requests that were under way together tell of one event, not of several
        self.reason = reason
        doublings = min(self.count - (1 if retry_after is None else 2), 10)
        pause = min(BASE_SECONDS[reason] * 2**doublings, MAX_SECONDS[reason]) if doublings >= 0 else 0.0
        if retry_after is not None:
            pause = max(pause, min(retry_after, MAX_RETRY_AFTER))
        self.until = max(self.until, now + pause)

    def forgotten(self, now: float) -> bool:
        """Whether no later pause is longer for this one."""
        return self.count == 0 or (self.reason is not None and now - self.until > MAX_SECONDS[self.reason])

    def answered(self, now: float) -> None:
        """A request succeeded: the next pause starts small again. A pause that still lasts is kept, because the answer
        may be to a request from before it."""
        if not self.active(now):
            self.count = 0
