"""How much of an answer a translation may keep before it has told it. Pure; used by the streaming translators.

Some APIs repeat a whole answer at its end, or cannot tell it in the order in which it comes. What is kept for that has
a bound; beyond it the answer fails, and is never told as if it were whole.
"""

from __future__ import annotations

from typing import Final

from tieline_router.streaming.observe import TooLarge

MAX_KEPT_BYTES: Final = 8 * 1024 * 1024
"""As much as a plain answer may have."""
ENTRY_BYTES: Final = 256
"""What an item, a block or a call counts for beside its text."""


class Kept:
    """The account of one answer."""

    def __init__(self) -> None:
        self._bytes = 0
        self._burst = False

    def add(self, size: int) -> None:
        """Raises:
        TooLarge: more is kept than may be.
        """
        self._bytes += size
        self._burst = self._burst or self._bytes > MAX_KEPT_BYTES
        self.check()

    def entry(self) -> None:
        self.add(ENTRY_BYTES)

    def release(self, size: int) -> None:
        """It has been told, and is kept no longer."""
        self._bytes -= size

    def check(self) -> None:
        """Once too much, always: the answer has lost something.

        Raises:
            TooLarge: more was kept than may be.
        """
        if self._burst:
            raise TooLarge(f"the answer has more than the {MAX_KEPT_BYTES} bytes that a translation may keep of it")


class Text:
    """A text in pieces, kept until it is whole."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._bytes = bytearray()

    def add(self, piece: str) -> None:
        data = piece.encode("utf-8", "surrogatepass")
        self._kept.add(len(data))
        self._bytes += data

    def __len__(self) -> int:
        """In bytes of UTF-8."""
        return len(self._bytes)

    def __str__(self) -> str:
        return self._bytes.decode("utf-8", "surrogatepass")
