"""A target with a fault, by which `test_fuzz` sees that the fuzzer finds one."""

from __future__ import annotations

from collections.abc import Iterator

from tests.fuzz.choices import Choices, made


def breaks(data: bytes) -> None:
    """Fails for payloads beyond ASCII, which no seed has."""
    if not Choices(data).payload.isascii():
        raise ValueError("a planted fault")


def seeds() -> Iterator[bytes]:
    yield made(b"an innocent seed")
