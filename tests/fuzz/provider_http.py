"""HTTP of providers: any bytes on the connection are an answer or an `UpstreamFailure`, however they are cut.

The real connection object without a socket: a transport that notes what is done to it, and an owner that counts.
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterator
from typing import Final, NamedTuple, cast

from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream.answer import HELD_BYTES, Answer
from tieline_router.runtime.upstream.connection import Connection
from tieline_router.runtime.upstream.failure import UpstreamFailure
from tieline_router.runtime.upstream.framing import HEAD_BYTES
from tieline_router.runtime.upstream.target import Origin

from tests.fuzz.choices import Choices, made


class _Time:
    """All of an event loop that is asked for: nobody waits here."""

    def time(self) -> float:
        return 1.0


_LOOP: Final = cast("asyncio.AbstractEventLoop", _Time())
_PIECE: Final = 16 * 1024 * 1024
"""What one piece may be decoded to."""
_ORIGIN: Final = Origin("http", "h", 80, None, None, None, None, "any")


class _Transport(asyncio.Transport):
    """Notes its end, and takes whatever is written."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = False
        self.paused = 0

    def write(self, data: object) -> None: ...

    def is_closing(self) -> bool:
        return self.closed

    def get_write_buffer_size(self) -> int:
        return 0

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True

    def pause_reading(self) -> None:
        self.paused += 1

    def resume_reading(self) -> None: ...


class _Owner:
    def __init__(self) -> None:
        self.idled = 0

    def made(self, connection: Connection) -> None: ...

    def idle(self, connection: Connection) -> None:
        self.idled += 1

    def lost(self, connection: Connection) -> None: ...

    def gone(self, connection: Connection) -> None: ...


class Told(NamedTuple):
    """What became of one answer."""

    status: int
    body: bytes
    failure: ErrorClass | None
    reusable: bool


def exchange(pieces: list[bytes], *, eof: bool) -> Told:
    """Asks, and gives the pieces until the connection is closed; then the server ends it, in order or not."""
    owner, transport = _Owner(), _Transport()
    connection = Connection(owner, _ORIGIN, _LOOP)
    connection.connection_made(cast("asyncio.Transport", transport))
    answer = connection.ask(b"POST / HTTP/1.1\r\n\r\n", b"{}")
    out = bytearray()
    for piece in pieces:
        if transport.closed or answer.over:
            break
        connection.data_received(piece)
        out += _taken(answer)
    over = answer.over
    if not transport.closed:
        if eof:
            connection.eof_received()
        connection.connection_lost(None)
    out += _taken(answer)
    assert answer.over, "whoever reads is told"
    assert owner.idled <= 1
    assert not owner.idled or over, "a connection goes back when its answer is whole"
    failure = answer._failure
    assert failure is None or isinstance(failure, UpstreamFailure)
    assert failure is None or len(failure.detail) < 1024
    return Told(answer.status, bytes(out), failure.error if failure else None, bool(owner.idled))


def _taken(answer: Answer) -> bytes:
    assert answer._held <= HELD_BYTES + _PIECE
    assert answer._bound == HELD_BYTES
    dict(answer.headers)
    return answer._release() if answer._pieces else b""


def provider_http(data: bytes) -> None:
    """The same answer for another cut."""
    choices = Choices(data)
    eof = choices.pick((True, False))
    payload = choices.payload[: 4 * HEAD_BYTES]
    whole = exchange([payload] if payload else [], eof=eof)
    cut = exchange(choices.pieces(payload), eof=eof)
    if whole.failure is None:
        # What follows a whole answer spoils the connection, which a later piece comes too late for.
        assert (cut.status, cut.body, cut.failure) == (whole.status, whole.body, None)
    else:
        assert cut.failure is not None or cut.body.startswith(whole.body)
        assert (cut.status, cut.body) == (whole.status, whole.body) or cut.failure is not None


_JSON: Final = b'{"choices":[]}'


def seeds() -> Iterator[bytes]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    packed = gzip.compress(_JSON, mtime=0)
    for number, payload in enumerate((
        head + b"Content-Length: %d\r\n\r\n" % len(_JSON) + _JSON,
        head + b'Transfer-Encoding: chunked\r\n\r\n5;x=y\r\n{"cho\r\n9\r\nices":[]}\r\n0\r\nA: b\r\n\r\n',
        head + b"\r\n" + _JSON,
        head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
        head + b"Content-Encoding: deflate\r\n\r\n" + packed,
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.0 500 No\r\nConnection: close\r\nRetry-After: 1\r\n\r\nsorry",
        b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\n\r\n",
        head + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        head + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}x",
    )):  # fmt: skip
        yield made(payload, number, 1 + number)
