"""An input of a fuzzer cut into decisions and a payload. Pure.

The first bytes of an input are decisions (which operation, which tree, where to cut), the rest is what a peer sent. A
fixed number of them, so that a mutation of the payload leaves the decisions as they are.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from typing import Final, TypeVar

T = TypeVar("T")

HEAD: Final = 12
"""Bytes of decisions."""


class Choices:
    """Decisions in the order in which they are asked for; missing bytes are 0."""

    def __init__(self, data: bytes) -> None:
        self._head = data[:HEAD].ljust(HEAD, b"\0")
        self._next = 0
        self.payload = data[HEAD:]

    def number(self) -> int:
        """0 to 255."""
        value = self._head[self._next]
        self._next += 1
        return value

    def pick(self, among: Sequence[T]) -> T:
        return among[self.number() % len(among)]

    def pieces(self, data: bytes) -> list[bytes]:
        """The data cut at places that one decision names: at every byte, or at up to eight."""
        seed = self.number()
        if seed == 0:
            return [data[place : place + 1] for place in range(len(data))]
        draw = random.Random(seed)
        edges = [0, *sorted(draw.randrange(len(data) + 1) for _ in range(draw.randint(1, 8))), len(data)]
        return [data[start:end] for start, end in itertools.pairwise(edges) if start < end]


def made(payload: bytes, *decisions: int) -> bytes:
    """The input that `Choices` reads so."""
    return bytes(decisions).ljust(HEAD, b"\0") + payload
