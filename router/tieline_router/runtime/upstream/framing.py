"""Where the body of an answer ends, by its headers (RFC 9112, section 6.3), and how it is encoded. Pure.

Anything that two readers could understand differently is refused: what one takes for the end of an answer, another
takes for the beginning of the next (response splitting).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream.answer import Fields
from tieline_router.runtime.upstream.failure import UpstreamFailure

HEAD_BYTES: Final = 64 * 1024
HEAD_FIELDS: Final = 256
_LENGTHS: Final = frozenset(map(len, (b"content-length", b"transfer-encoding", b"content-encoding")))
"""Of the names that are read: most headers are passed over by it, at a third of the cost of looking at each."""
_BODILESS: Final = frozenset({204, 304})


class Framing(NamedTuple):
    """`until_close`: the end of the connection ends the body. `coding`: the values of Content-Encoding."""

    until_close: bool
    coding: bytes


def framing(status: int, fields: Fields) -> Framing:
    """What the headers of a final answer say about its body.

    Raises:
        UpstreamFailure: they contradict one another, name a transfer coding that is not `chunked`, or are too long.
    """
    lengths = transfers = size = 0
    coding = b""
    for name, value in fields:
        size += len(name) + len(value)
        if len(name) not in _LENGTHS:
            continue
        match name.lower():
            case b"content-length":
                lengths += 1
            case b"content-encoding":
                coding = b"%b,%b" % (coding, value) if coding else value
            case b"transfer-encoding":
                if value.strip().lower() != b"chunked":
                    raise UpstreamFailure(ErrorClass.GARBAGE, "the answer has a transfer coding that is not `chunked`")
                transfers += 1
            case _:
                pass
    if size > HEAD_BYTES:
        raise UpstreamFailure(ErrorClass.GARBAGE, f"the answer has more than {HEAD_BYTES} bytes of headers")
    if lengths + transfers > 1:
        raise UpstreamFailure(ErrorClass.GARBAGE, "the answer states its length twice")
    return Framing(not lengths and not transfers and status not in _BODILESS, coding)
