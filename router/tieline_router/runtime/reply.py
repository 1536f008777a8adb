"""What one client gets, as bytes on its socket: a whole answer, or a stream with its head, comments, events and end.

The only writer of the API port. A head goes out in one write with the first bytes of its body; events go out in the
call that brings them, without a task and without waiting, as long as the client keeps up. Headers of a stream are sent
as late as possible, because until then a failure can still have its own status; when the answer takes long, comments
keep client and load balancers waiting, and from the first of them on errors go in-band. Used by `server` and `relay`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from aiohttp import HttpVersion11, web

from tieline_router.runtime.clock import Clock
from tieline_router.runtime.connection import Connection

WRITE_SECONDS: Final = 60.0
"""A client that takes nothing for so long is gone: its answer would hold our memory, or the model server's."""
PIECE_BYTES: Final = 256 * 1024
"""Longer plain answers are written in pieces, so that slow progress is told from none."""
GENERATION_HEADER: Final = "X-Generation-Id"
EVENT_STREAM: Final = "text/event-stream; charset=utf-8"
_EVENT_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}
_FORBIDDEN: Final = frozenset("\r\n\0")


class ClientGone(Exception):
    """The client closed the connection or stopped reading."""


class Heads:
    """Makes the heads of answers; the parts that all share are made once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._second = -1
        self._starts: dict[int, bytes] = {}

    def start(self, status: int, generation_id: str) -> bytes:
        """Status line, `Server`, `Date` and the generation's id."""
        second = int(self._clock.wall())
        if second != self._second:
            self._second = second
            self._starts.clear()
        start = self._starts.get(status)
        if start is None:
            lines = (
                f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}",
                "Server: tieline",
                f"Date: {formatdate(second, usegmt=True)}",
                f"{GENERATION_HEADER}: ",
            )
            start = self._starts[status] = "\r\n".join(lines).encode()
        return b"%b%b\r\n" % (start, generation_id.encode())


class Reply:
    """The answer to one request; what aiohttp's connection loop gets as the response.

    Args:
        request: whose answer this is.
        connection: the request's.
        generation_id: of this answer.
        heads: of the process.
        last: the router is draining, so the client shall open its next connection elsewhere.
    """

    def __init__(
        self, request: web.BaseRequest, connection: Connection, generation_id: str, heads: Heads, *, last: bool = False
    ) -> None:
        self._connection = connection
        self._heads = heads
        self._generation_id = generation_id
        self._loop = asyncio.get_running_loop()
        self._newer = request.version >= HttpVersion11
        self._bodiless = request.method == "HEAD"
        self._persistent = request.keep_alive and not last
        self._plain: tuple[int, bytes, str, Mapping[str, str]] | None = None
        self.ended = False
        """All of the answer is written."""
        self._written = False
        """Something went out since the last look of the keep-alive timer."""
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None
        self._opening: tuple[str, Mapping[str, str]] = (EVENT_STREAM, _EVENT_HEADERS)
        self.streaming = False
        """The head of a stream is sent and its end is open: a failure cannot have a status any more."""
        self.opaque = False
        """What is streamed are not events, so that a failure can only be told by cutting the connection."""
        self.stalled = False
        """The client was cut because it took nothing for `WRITE_SECONDS`."""
        self.on_pause: Callable[[], None] | None = None
        """Called when the client does not keep up, and `on_resume` when it does again."""
        self.on_resume: Callable[[], None] | None = None
        connection.flow = self

    # -- what aiohttp asks of a response -----------------------------------------------------------------------------

    @property
    def keep_alive(self) -> bool:
        """The connection may carry another request."""
        return self._persistent and self.ended and not self._connection.closing

    async def prepare(self, _request: web.BaseRequest) -> None:
        """Nothing: the head has been written with the body."""

    async def write_eof(self) -> None:
        """The request is done with. A client that does not take the rest is not waited for."""
        self.close()
        transport = self._connection.transport
        if transport is not None and not self.keep_alive and transport.get_write_buffer_size():
            self._loop.call_later(WRITE_SECONDS, transport.abort)
        self._connection.answered()

    # -- whole answers -----------------------------------------------------------------------------------------------

    def proceed(self) -> None:
        """Tells a client that waits for it to send its body (`Expect: 100-continue`)."""
        if self._newer:
            self._transport().write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def whole(
        self,
        status: int,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> None:
        """Answers with one body, which `send` writes."""
        self._plain = (status, body, content_type, headers or {})

    async def send(self) -> None:
        """Writes the whole answer, if there is one. Waits until the client has taken all but the last of it.

        Raises:
            ClientGone: nobody reads any more.
        """
        if self._plain is None:
            return
        (status, body, content_type, headers), self._plain = self._plain, None
        self._stop_timer()
        fixed = b"Content-Type: %b\r\nContent-Length: %d\r\n" % (_line(content_type), len(body))
        head = self._head(status, fixed, headers)
        self.ended = True
        if self._bodiless:
            body = b""
        self._transport().write(head + body[:PIECE_BYTES])
        for start in range(PIECE_BYTES, len(body), PIECE_BYTES):
            await self.drain()
            self._transport().write(body[start : start + PIECE_BYTES])
        await self.drain()

    # -- streams -----------------------------------------------------------------------------------------------------

    def open(self, content_type: str, headers: Mapping[str, str]) -> None:
        """What is pushed is no event stream, but this."""
        self._opening = (content_type, headers)
        self.opaque = True

    def push(self, data: bytes) -> None:
        """Writes a piece at once, after the head if it has not been sent. The transport keeps what the client does not
        take: look at `writable` afterwards.

        Raises:
            ClientGone: the connection is closed.
        """
        self._written = True
        if self._newer:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        if not self.streaming:
            data = self._begin() + data
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise ClientGone("the connection is closed")
        transport.write(data)

    def _begin(self) -> bytes:
        """The head of a stream."""
        self.streaming = True
        content_type, headers = self._opening
        framing = b"Transfer-Encoding: chunked\r\n"
        if not self._newer:  # the end of the connection is the end of the body
            framing, self._persistent = b"", False
        return self._head(200, b"Content-Type: %b\r\n%b" % (_line(content_type), framing), headers)

    def end(self) -> None:
        """Ends the stream; what was pushed is all.

        Raises:
            ClientGone: the connection is closed.
        """
        self._stop_timer()
        self.ended = True
        self.streaming = False
        if self._newer:
            self._transport().write(b"0\r\n\r\n")

    @property
    def writable(self) -> bool:
        """The client keeps up: what is written does not pile up in memory."""
        return not self._connection.writing_paused

    async def drain(self) -> None:
        """Waits until the client has caught up. It is cut, and the handler cancelled, when it takes too long."""
        while self._connection.writing_paused:
            if self._connection.transport is None:
                raise ClientGone("the connection is closed")
            self._drained = self._loop.create_future()
            try:
                await self._drained
            finally:
                self._drained = None

    def keep_alive_after(self, seconds: float, sign: bytes) -> None:
        """From `seconds` on, a sign of life is written whenever nothing else was for that long."""
        if seconds > 0:
            self._timer = self._loop.call_later(seconds, self._sign, seconds, sign)

    def _sign(self, seconds: float, sign: bytes) -> None:
        # The timer is not set anew at every event: it looks whether there was one, which costs an event nothing.
        self._timer = self._loop.call_later(seconds, self._sign, seconds, sign)
        if not self._written and self.writable:
            try:
                self.push(sign)
            except ClientGone:
                self._stop_timer()
        self._written = False

    # -- the client's pace, and the end ------------------------------------------------------------------------------

    def paused(self) -> None:
        """The client does not keep up: its time runs."""
        self._stalled = self._loop.call_later(WRITE_SECONDS, self._stall)
        if self.on_pause is not None:
            self.on_pause()

    def resumed(self) -> None:
        """The client has caught up."""
        self._stop_stalled()
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        if self.on_resume is not None:
            self.on_resume()

    def _stall(self) -> None:
        self.stalled = True
        self.abort()

    def abort(self) -> None:
        """Cuts the connection, upon which the request's handler is cancelled."""
        self.close()
        self._persistent = False
        if self._connection.transport is not None:
            self._connection.transport.abort()

    def close(self) -> None:
        """Ends the timers."""
        self._stop_timer()
        self._stop_stalled()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _transport(self) -> asyncio.Transport:
        transport = self._connection.transport
        if transport is None or transport.is_closing():
            raise ClientGone("the connection is closed")
        return transport

    def _head(self, status: int, fixed: bytes, headers: Mapping[str, str]) -> bytes:
        parts = [self._heads.start(status, self._generation_id), fixed]
        for name, value in headers.items():
            if _FORBIDDEN.intersection(value):
                raise ValueError(f"{name} would break the head apart: a bug in whoever made it")
            parts.append(_line(f"{name}: {value}\r\n"))
        if not self._persistent or self._connection.closing:
            parts.append(b"Connection: close\r\n")
        elif not self._newer:
            parts.append(b"Connection: keep-alive\r\n")
        parts.append(b"\r\n")
        return b"".join(parts)


def _line(text: str) -> bytes:
    """Headers of a provider as they came: the reverse of how `upstream` reads them."""
    return text.encode("utf-8", "surrogateescape")
