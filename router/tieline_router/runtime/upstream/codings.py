"""Bodies that come compressed although `identity` was asked for: decoded piece by piece, within a bound. No sockets.

A few bytes can hold gigabytes (a decompression bomb), so what one read of the socket may become is bounded; all of a
body is bounded by whoever reads it, as for any other.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeAlias

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream.failure import UpstreamFailure

Decode: TypeAlias = Callable[[bytes | None], bytes]
"""The decoded bytes of one piece; None = the body's end. Raises UpstreamFailure."""

PIECE_BYTES: Final = 16 * 1024 * 1024
"""What one piece may become: a long answer of repeated text, but no bomb."""
STEP_BYTES: Final = 256 * 1024
_ZSTD_WINDOW: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}
"""8 MiB: what RFC 8878, section 3.1.1.1.2, wants every decoder to accept."""


class _Inflating(Protocol):
    def __call__(self, data: bytes) -> Iterator[bytes]:
        """Decoded pieces of a bounded size each."""

    whole: bool
    """Nothing is missing at the end."""


def decoder(coding: bytes) -> Decode | None:
    """How to decode a body.

    Args:
        coding: the values of `Content-Encoding`, joined by commas.

    Returns:
        None where nothing is to be decoded. What the router cannot decode fails at the first piece, so that the status
        of an error is still heard.
    """
    match coding.strip().lower():
        case b"" | b"identity":
            return None
        case b"gzip" | b"x-gzip":
            return _bounded(_Zlib(16 + zlib.MAX_WBITS))
        case b"deflate":
            return _bounded(_Zlib(None))
        case b"zstd":
            return _bounded(_Zstd())
        case _:
            return _refuse


def _refuse(piece: bytes | None) -> bytes:
    if piece is None:
        return b""
    raise UpstreamFailure(ErrorClass.GARBAGE, "the answer is encoded in an unknown way, although identity was asked")


def _bounded(inflate: _Inflating) -> Decode:
    def decode(piece: bytes | None) -> bytes:
        if piece is None:
            if not inflate.whole:
                raise UpstreamFailure(ErrorClass.GARBAGE, "the encoded answer ends in the middle")
            return b""
        parts: list[bytes] = []
        size = 0
        try:
            for part in inflate(piece):
                size += len(part)
                if size > PIECE_BYTES:
                    raise UpstreamFailure(ErrorClass.ANSWER_TOO_LARGE, "a few bytes of the answer decode to too many")
                parts.append(part)
        except (zlib.error, zstd.ZstdError):
            raise UpstreamFailure(ErrorClass.GARBAGE, "the answer is not encoded as it says") from None
        return b"".join(parts)

    return decode


class _Zlib:
    """gzip (one member or several) and deflate, which servers send with and without zlib's frame."""

    def __init__(self, bits: int | None) -> None:
        self._bits = bits
        self._inflater: zlib._Decompress | None = None
        self.whole = True

    def __call__(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._inflater is None:
                self._inflater = zlib.decompressobj(self._window(data[0]))
                self.whole = False
            inflater = self._inflater
            while (part := inflater.decompress(data, STEP_BYTES)) or inflater.unconsumed_tail:
                yield part
                data = inflater.unconsumed_tail
            data = b""
            if inflater.eof:
                data, self._inflater, self.whole = inflater.unused_data, None, True

    def _window(self, first: int) -> int:
        if self._bits is None:  # of zlib's frame the first byte says 8 in its low half; of bare deflate, hardly ever
            self._bits = zlib.MAX_WBITS if first & 0x0F == 8 else -zlib.MAX_WBITS
        return self._bits


class _Zstd:
    """One frame or several."""

    def __init__(self) -> None:
        self._frame: zstd.ZstdDecompressor | None = None
        self.whole = True

    def __call__(self, data: bytes) -> Iterator[bytes]:
        while data:
            if self._frame is None:
                self._frame = zstd.ZstdDecompressor(options=_ZSTD_WINDOW)
                self.whole = False
            frame = self._frame
            yield frame.decompress(data, STEP_BYTES)
            while not frame.needs_input and not frame.eof:
                yield frame.decompress(b"", STEP_BYTES)
            data = frame.unused_data if frame.eof else b""
            if frame.eof:
                self._frame, self.whole = None, True
