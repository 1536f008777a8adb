"""Keeps one trouble from filling the log: the same subject is said at most once a minute. Pure; time is an argument."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Final

AGAIN_SECONDS: Final = 60.0
MAX_SUBJECTS: Final = 256


class Complaints:
    """`due` says whether a subject may be said now, and remembers that it was."""

    def __init__(self) -> None:
        self._said: dict[Hashable, float] = {}

    def due(self, subject: Hashable, now: float) -> bool:
        said = self._said.get(subject)
        if said is not None and now - said < AGAIN_SECONDS:
            return False
        while len(self._said) >= MAX_SUBJECTS:
            del self._said[next(iter(self._said))]
        self._said.pop(subject, None)
        self._said[subject] = now
        return True
