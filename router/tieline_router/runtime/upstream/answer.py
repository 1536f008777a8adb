"""One answer: its status and headers, and its body pulled in pieces, whole, or pumped into a sink.

The connection puts bytes in as they come, in the same step of the event loop; whoever reads takes them out. What nobody
takes is held up to a bound, then the connection is not read any more. One coroutine reads at a time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final, Protocol, TypeAlias

from multidict import CIMultiDict, CIMultiDictProxy

from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream.codings import Decode, decoder
from tieline_router.runtime.upstream.failure import UpstreamFailure

Sink: TypeAlias = Callable[[bytes], bool]
"""Takes a piece of the body at once, without waiting. False: it wants no more."""
Fields: TypeAlias = list[tuple[bytes, bytes]]

HELD_BYTES: Final = 256 * 1024
"""Of a body that nobody takes. uvloop reads as much at once, so up to twice that is held."""


class Line(Protocol):
    """The connection, as an answer sees it."""

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...
    def cut(self) -> None:
        """Ends the connection at once."""


class Answer:
    """What came back for one request. Its life: waiting, `began`, pieces by `take`, then `ended` or `failed`."""

    __slots__ = (
        "_bound", "_broken", "_decode", "_ended", "_failure", "_fields", "_full", "_headers", "_held", "_line", "_loop",
        "_paused", "_pieces", "_sink", "_waiter", "_whole", "last_byte_at", "status",
    )  # fmt: skip

    def __init__(self, line: Line, loop: asyncio.AbstractEventLoop) -> None:
        self.status = 0
        """0 until the headers have come."""
        self.last_byte_at = 0.0
        """`loop.time()` of the last bytes that came, comments included; 0 before any."""
        self._line: Line | None = line
        self._loop = loop
        self._fields: Fields = []
        self._headers: CIMultiDictProxy[str] | None = None
        self._decode: Decode | None = None
        self._pieces: list[bytes] = []
        self._held = 0
        self._bound = HELD_BYTES
        self._whole = False  # the reader waits for the whole body, not for the next piece
        self._sink: Sink | None = None
        self._broken: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._ended = False
        self._failure: UpstreamFailure | None = None
        self._full = self._paused = False

    @property
    def headers(self) -> Mapping[str, str]:
        """Without regard to case; trailers are none of them."""
        if self._headers is None:  # built when asked for: most answers are read for one header or none
            pairs = [
                (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
                for name, value in self._fields
            ]
            self._headers = CIMultiDictProxy(CIMultiDict(pairs))
        return self._headers

    # -- reading -----------------------------------------------------------------------------------------------------

    async def read_some(self) -> bytes:
        """The bytes that have come, at least one; empty at the end of the body.

        Raises:
            UpstreamFailure: the connection broke inside the body, or it is not what HTTP allows.
        """
        while True:
            if self._pieces:
                return self._release()
            if self._failure is not None:
                raise self._failure
            if self._ended:
                return b""
            await self.wait()

    async def read_all(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            UpstreamFailure: it is longer than `limit` bytes, or what `read_some` raises.
        """
        self._bound, self._whole = limit, True
        self._unblock()
        try:
            while not self._ended and self._failure is None and self._held <= limit:
                await self.wait()
        finally:
            self._bound, self._whole = HELD_BYTES, False
        if self._held > limit:
            raise UpstreamFailure(ErrorClass.ANSWER_TOO_LARGE, f"the answer is longer than {limit} bytes")
        if self._failure is not None:
            raise self._failure
        return self._release()

    async def pump(self, sink: Sink) -> None:
        """Gives every piece of the body to `sink` as it comes, with no switch of tasks between: 4 µs an event less than
        `read_some`. Bytes that came together are given together. Returns at the end of the body, or when `sink`
        returned False; what comes after that is held for another reader.

        Raises:
            UpstreamFailure: what `read_some` raises.
            Exception: what `sink` raised.
        """
        if self._pieces and not sink(self._release()):
            return
        if not self.over:
            self._sink = sink
            try:
                while self._sink is sink and not self.over:
                    await self.wait()
            finally:
                self._sink = None
        if self._broken is not None:
            raise self._broken
        if self._failure is not None:
            raise self._failure

    def pause_reading(self) -> None:
        """Takes no more from the server, until `resume_reading`: the client reads slowly."""
        self._paused = True
        if self._line is not None:
            self._line.pause_reading()

    def resume_reading(self) -> None:
        self._paused = False
        if self._line is not None and not self._full:
            self._line.resume_reading()

    def close(self) -> None:
        """Cuts the connection unless the body has come to its end, in which case it has been kept for the next use."""
        if self._line is not None:
            self.failed(UpstreamFailure(ErrorClass.RESET_MID_STREAM, "the answer was closed here"), cut=True)

    # -- for the connection and the client -----------------------------------------------------------------------------

    async def started(self) -> None:
        """Waits for the headers.

        Raises:
            UpstreamFailure: they did not come.
        """
        while not self.status:
            if self._failure is not None:
                raise self._failure
            await self.wait()

    async def wait(self) -> None:
        """Until anything happens that a reader or the writer of the request waits for."""
        waiter = self._waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._waiter = None

    def wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    @property
    def begun(self) -> bool:
        """A byte of the answer has come."""
        return self.last_byte_at > 0

    @property
    def over(self) -> bool:
        """Nothing more comes."""
        return self._ended or self._failure is not None

    def began(self, status: int, fields: Fields, coding: bytes) -> None:
        """The headers have come. `coding` is what the body is encoded as."""
        self._fields = fields
        if coding:
            self._decode = decoder(coding)
            if self._decode is not None:
                self._fields = [field for field in fields if field[0].lower() != b"content-encoding"]
        self.status = status
        self.wake()

    def take(self, piece: bytes) -> None:
        """A piece of the body has come."""
        if self._decode is not None:
            try:
                piece = self._decode(piece)
            except UpstreamFailure as failure:
                self.failed(failure, cut=True)
                return
            if not piece:
                return
        if self._sink is not None:
            self._pour(self._sink, piece)
            return
        self._pieces.append(piece)
        self._held += len(piece)
        if self._held > self._bound:
            self._full = True
            if self._line is not None:
                self._line.pause_reading()
        elif self._whole:
            return
        self.wake()

    def _pour(self, sink: Sink, piece: bytes) -> None:
        try:
            wanted = sink(piece)
        except Exception as error:  # noqa: BLE001 - our own mistake: it goes to whoever pumps, not into the event loop
            self._broken, wanted = error, False
        if not wanted:
            self._sink = None
            self.wake()

    def ended(self) -> None:
        """The body has come whole; the connection is no longer ours."""
        self._line = None
        if self._decode is not None and self._failure is None:
            try:
                self._decode(None)
            except UpstreamFailure as failure:
                self._failure = failure
        self._ended = True
        self.wake()

    def failed(self, failure: UpstreamFailure, *, cut: bool = False) -> None:
        """Nothing more comes, and what came is not all."""
        line, self._line = self._line, None
        if self._failure is None:
            self._failure = failure
        self.wake()
        if cut and line is not None:
            line.cut()

    def _release(self) -> bytes:
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        self._held = 0
        self._unblock()
        return data

    def _unblock(self) -> None:
        if self._full:
            self._full = False
            if not self._paused and self._line is not None:
                self._line.resume_reading()
