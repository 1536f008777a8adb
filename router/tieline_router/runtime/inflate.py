"""Compressed request bodies, expanded in bounded steps. Used by `bodies`, after the caller is known.

One coding at a time, gzip or zstd, as clients use them for long prompts; what is longer than the limit when expanded is
told by the number of bytes that have come out, never by the number that a header claims.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Final

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

STEP_BYTES: Final = 256 * 1024
"""Most that one step gives: about a millisecond of the event loop."""
_ZSTD_WINDOW: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}
"""8 MiB: what a decoder has to support at least, and need not exceed (RFC 8878, section 3.1.1.1.2)."""


class Damaged(Exception):
    """The body is not what its Content-Encoding says."""


def _gunzip(data: bytes) -> Iterator[bytes]:
    while data:  # several members may follow one another (RFC 1952, section 2.2)
        member = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)
        try:
            while True:
                piece = member.decompress(data, STEP_BYTES)
                data = member.unconsumed_tail
                if piece:
                    yield piece
                if member.eof:
                    break
                if not piece and not data:
                    raise Damaged("it ends in the middle")
        except zlib.error as error:
            raise Damaged(str(error)) from None
        data = member.unused_data


def _unzstd(data: bytes) -> Iterator[bytes]:
    while data:  # as do frames (RFC 8878, section 3)
        frame = zstd.ZstdDecompressor(options=_ZSTD_WINDOW)
        try:
            while True:
                piece = frame.decompress(data, STEP_BYTES)
                data = b""
                if piece:
                    yield piece
                if frame.eof:
                    break
                if not piece and frame.needs_input:
                    raise Damaged("it ends in the middle")
        except zstd.ZstdError as error:
            raise Damaged(str(error)) from None
        data = frame.unused_data


CODINGS: Final[dict[str, Callable[[bytes], Iterator[bytes]]]] = {"gzip": _gunzip, "x-gzip": _gunzip, "zstd": _unzstd}
"""Content-Encoding → pieces of at most `STEP_BYTES`; each raises `Damaged`."""
