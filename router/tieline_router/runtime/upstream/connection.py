"""One connection to one origin: the request goes out, bytes come in, llhttp parses them, the answer takes them.

All of it in `data_received`, without a task switch: this file is most of what an event of a stream costs. A connection
carries one exchange at a time; when an answer has come whole and clean, it goes back to `client` at once, else it ends.
"""

from __future__ import annotations

import asyncio
from typing import Final, Protocol, cast

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream.answer import Answer, Fields
from tieline_router.runtime.upstream.failure import UpstreamFailure, lost_failure
from tieline_router.runtime.upstream.target import Origin

HEAD_BYTES: Final = 64 * 1024
"""Of an answer's headers; also of whatever else comes between two pieces of a body: interim answers, chunk extensions,
trailers."""
HEAD_FIELDS: Final = 256
JOINED_BYTES: Final = 32 * 1024
"""A body up to this size is copied behind its head, so that both are one write."""
PIECE_BYTES: Final = 256 * 1024
"""Longer bodies are written in pieces of this size, as fast as the server reads."""


class Owner(Protocol):
    """`client`, as a connection sees it."""

    def made(self, connection: Connection) -> None:
        """The connection is open."""

    def idle(self, connection: Connection) -> None:
        """The exchange is over, and the connection can carry another."""

    def lost(self, connection: Connection) -> None:
        """The connection can carry no other. May be called twice, or never."""

    def gone(self, connection: Connection) -> None:
        """The connection is closed. Called once for each that was `made`."""


class _Second(Exception):
    """Another answer begins where one was asked for."""


class Connection(asyncio.Protocol):
    """Made by `dialing`; the owner calls `ask`, then `send_rest`, and gets it back by `idle` or `lost`."""

    __slots__ = (
        "_answer", "_barren", "_clean", "_fields", "_keep", "_loop", "_owner", "_parser", "_parts", "_paused",
        "_transport", "_until_close", "_whole", "_writable", "born", "on_body", "origin", "sent_at", "unsent",
    )  # fmt: skip

    def __init__(self, owner: Owner, origin: Origin, loop: asyncio.AbstractEventLoop) -> None:
        self.origin = origin
        self.born = self.sent_at = loop.time()
        """`sent_at`: when the last of the request was given to the socket."""
        self._owner = owner
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._answer: Answer | None = None
        # The parser calls `list.append` itself: a method in between would cost 0.1 µs for each chunk.
        self._parts: list[bytes] = []
        self.on_body = self._parts.append
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        self._fields: Fields = []
        self._barren = 0
        self._whole = self._keep = self._until_close = False
        self.unsent = 0
        """Bytes of the body that `send_rest` has to send."""
        self._writable = True
        self._paused = False

    # -- for the owner -----------------------------------------------------------------------------------------------

    def ask(self, head: bytes, body: bytes) -> Answer:
        """Sends a request, as much of it as fits into one write; `send_rest` sends what is left."""
        transport = self._transport
        answer = Answer(self, self._loop)
        if transport is None or transport.is_closing():  # its end is known to the transport, and not yet to us
            answer.failed(lost_failure(None, begun=False, headers=False))
            return answer
        self._fields = []
        self._barren = 0
        self._whole = self._keep = self._until_close = False
        self._answer = answer
        if len(body) <= JOINED_BYTES:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body if len(body) <= PIECE_BYTES else memoryview(body)[:PIECE_BYTES])
            self.unsent = max(0, len(body) - PIECE_BYTES)
        self.sent_at = self._loop.time()
        return answer

    async def send_rest(self, answer: Answer, body: bytes) -> None:
        """Sends the rest of the body as fast as the server takes it. An answer that refuses the request meanwhile ends
        the sending: whoever refuses a body need not read it."""
        view = memoryview(body)
        while self.unsent and not answer.over and answer.status < 300:
            if not self._writable:
                await answer.wait()
                continue
            assert self._transport is not None  # noqa: S101 - an answer that is not over has its connection
            start = len(body) - self.unsent
            self._transport.write(view[start : start + PIECE_BYTES])
            self.unsent = max(0, self.unsent - PIECE_BYTES)
            self.sent_at = self._loop.time()

    def close(self) -> None:
        """Ends an idle connection in order."""
        if self._transport is not None:
            self._transport.close()

    def cut(self) -> None:
        """Ends the connection at once, so that a model server stops."""
        self._answer = None
        self._owner.lost(self)
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()
            self._paused = True

    def resume_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()
            self._paused = False

    # -- asyncio.Protocol --------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own
        self._owner.made(self)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:  # nobody asked: the late rest of something, or a server that says why it closes
            self.cut()
            return
        answer.last_byte_at = self._loop.time()
        failure = self._parse(data)
        parts = self._parts
        if parts:
            self._barren = 0
            piece = parts[0] if len(parts) == 1 else b"".join(parts)
            parts.clear()
            answer.take(piece)
            if self._answer is None:  # whoever took it closed the answer
                return
        elif not self._whole:
            self._barren += len(data)
            if self._barren > HEAD_BYTES:
                failure = UpstreamFailure(ErrorClass.GARBAGE, f"more than {HEAD_BYTES} bytes of headers")
        if self._whole:
            self._finish(reusable=self._keep and failure is None)
        elif failure is not None:
            answer.failed(failure, cut=True)

    def eof_received(self) -> None:
        if self._answer is not None and self._until_close:
            self._finish(reusable=False)
        self._owner.lost(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._parser = None  # it holds this object, which holds it
        self._owner.gone(self)
        answer, self._answer = self._answer, None
        if answer is not None:
            begun = bool(answer.last_byte_at)
            answer.failed(lost_failure(exc, begun=begun, headers=bool(answer.status)))

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        if self._answer is not None:
            self._answer.wake()

    # -- parsing -----------------------------------------------------------------------------------------------------

    def _parse(self, data: bytes) -> UpstreamFailure | None:
        assert self._parser is not None  # noqa: S101 - data comes only while connected
        try:
            self._parser.feed_data(data)
        except HttpParserError as error:
            if isinstance(error.__context__, UpstreamFailure):
                return error.__context__
            return UpstreamFailure(ErrorClass.GARBAGE, f"the answer is no HTTP/1.1: {error}")
        except HttpParserUpgrade:
            return UpstreamFailure(ErrorClass.GARBAGE, "the server switches protocols, which nobody asked for")
        return None

    def on_message_begin(self) -> None:
        if self._whole:
            raise _Second

    def on_header(self, name: bytes, value: bytes) -> None:
        answer = self._answer
        if answer is None or answer.status:  # a trailer: dropped
            return
        self._fields.append((name, value))
        if len(self._fields) > HEAD_FIELDS:
            raise UpstreamFailure(ErrorClass.GARBAGE, f"more than {HEAD_FIELDS} headers")

    def on_headers_complete(self) -> None:
        assert self._parser is not None  # noqa: S101 - it calls
        assert self._answer is not None  # noqa: S101 - `data_received` looked
        status = self._parser.get_status_code()
        fields, self._fields = self._fields, []
        if status < 200:
            if status == 101:
                raise UpstreamFailure(ErrorClass.GARBAGE, "the server switches protocols, which nobody asked for")
            return
        lengths: list[bytes] = []
        transfers: list[bytes] = []
        codings: list[bytes] = []
        size = 0
        for name, value in fields:
            size += len(name) + len(value)
            match name.lower():
                case b"content-length":
                    lengths.append(value)
                case b"transfer-encoding":
                    transfers.append(value.strip().lower())
                case b"content-encoding":
                    codings.append(value)
                case _:
                    pass
        if size > HEAD_BYTES:
            raise UpstreamFailure(ErrorClass.GARBAGE, f"more than {HEAD_BYTES} bytes of headers")
        if (lengths and transfers) or len(lengths) > 1 or transfers not in ([], [b"chunked"]):
            # Two opinions about where the body ends: what one reader takes for the end, another takes for content.
            raise UpstreamFailure(
                ErrorClass.GARBAGE, "the length of the answer is stated in two ways or an unknown one"
            )
        self._until_close = not lengths and not transfers and status not in {204, 304}
        self._answer.began(status, fields, b",".join(codings))

    def on_message_complete(self) -> None:
        assert self._parser is not None  # noqa: S101 - it calls
        if self._answer is not None and self._answer.status:
            self._whole = True
            self._keep = self._parser.should_keep_alive()

    def _finish(self, *, reusable: bool) -> None:
        answer, self._answer = self._answer, None
        assert self._transport is not None  # noqa: S101 - `connection_lost` takes the answer away
        if reusable and not self.unsent and not self._transport.is_closing():
            if self._paused:  # the client was slow
                self.resume_reading()
            self._owner.idle(self)
        else:
            self._owner.lost(self)
            self._transport.abort()
        if answer is not None:
            answer.ended()
