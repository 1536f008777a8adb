"""One client's connection: aiohttp's HTTP server protocol, changed where a gateway needs more. Used by `app`.

aiohttp parses requests, reads bodies and keeps idle connections. Here it never stops reading while a request is being
answered, because whoever does not read does not see the client leave; and it tells the answer when the client reads
too slowly. It writes nothing: that is `reply`'s.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol

from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from tieline_router.apis import Dialect
from tieline_router.errors import ERRORS, ErrorClass
from tieline_router.wire.errors import Problem, error_body

PIPELINED_BYTES: Final = 64 * 1024
"""Requests that a client sends before it has the answer to its last one are kept up to here, and only while that answer
is a plain one. Beyond it they are dropped and the connection ends with the answer (RFC 9112, section 9.3.2)."""


class Flow(Protocol):
    """Whoever is writing, and has to know that the client does not keep up."""

    streaming: bool
    """Its head is sent and its end open."""

    def paused(self) -> None: ...

    def resumed(self) -> None: ...


class Connection(web.RequestHandler):
    """The protocol of one client connection."""

    __slots__ = ("_head_seconds", "_head_timer", "_held", "closing", "flow")

    def __init__(self, manager: web.Server, *, head_seconds: float, **options: Any) -> None:
        super().__init__(manager, **options)
        self._head_seconds = head_seconds
        self._head_timer: asyncio.TimerHandle | None = None
        self.flow: Flow | None = None
        """Set while a request is being answered."""
        self.closing = False
        """The answer under way is the last one: the client pipelined more than we keep."""
        self._held = b""

    # -- life --------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def _await_head(self) -> None:
        """The head of a request is to come whole within a bound: who sends a byte a minute shall not hold a socket."""
        if self._head_timer is None:
            self._head_timer = asyncio.get_running_loop().call_later(self._head_seconds, self._head_is_late)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_is_late(self) -> None:
        self._head_timer = None
        if self.transport is not None:
            self.transport.abort()

    # -- reading -----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Bytes of the client: to the parser, or kept for later while an answer is under way."""
        request = self._current_request
        if not data or request is None or not request.content.is_eof():
            if not self.closing:
                super().data_received(data)
                if request is None:
                    self._watch_head()
            return
        if self.closing:
            return
        if (self.flow is not None and self.flow.streaming) or len(self._held) + len(data) > PIPELINED_BYTES:
            self._hold_no_more()
        else:
            self._held += data

    def _watch_head(self) -> None:
        """A head that came in one piece, as nearly all do, costs this look and no timer."""
        if self._messages or self._current_request is not None:
            self._head_came()
        else:
            self._await_head()

    def answered(self) -> None:
        """The answer is written: what came meanwhile is the next request."""
        self.flow = None
        if self._held:
            held, self._held = self._held, b""
            super().data_received(held)
            self._watch_head()

    def pause_reading(self) -> None:
        """A body has filled its buffer. Only that of the request in hand holds the client up."""
        request = self._current_request
        if len(self._messages) > 1 if request is None else request.content.is_eof():
            self._hold_no_more()
        else:
            super().pause_reading()

    def _pause_reading_for_buffer(self) -> None:
        self._hold_no_more()

    def _hold_no_more(self) -> None:
        self.closing = True
        self._held = b""

    def eof_received(self) -> None:
        """The client sends no more: whoever ends its side before it has its answer does not wait for it."""
        if self.flow is not None and self.transport is not None:
            self.transport.abort()

    def handle_error(
        self,
        request: web.BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - quotes what was sent
    ) -> web.StreamResponse:
        """What cannot be parsed as HTTP gets an error of our shape, which never quotes what was sent."""
        self.log_exception("a request that is no HTTP, or a bug", exc_info=exc)
        error = ErrorClass.INTERNAL if status >= 500 else ErrorClass.BAD_HTTP
        if isinstance(exc, LineTooLong):
            error = ErrorClass.HEAD_TOO_LARGE
        response = web.Response(
            status=ERRORS[error].status,
            body=error_body(Problem(error, ERRORS[error].remedy), Dialect("openai")),
            headers={"Content-Type": "application/json", "Server": "tieline"},
        )
        response.force_close()
        return response

    # -- writing -----------------------------------------------------------------------------------------------------

    def pause_writing(self) -> None:
        super().pause_writing()
        if self.flow is not None:
            self.flow.paused()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.flow is not None:
            self.flow.resumed()

    def force_close(self) -> None:
        """Ends the connection; a client that did not take what was written is not waited for any more."""
        transport = self.transport
        super().force_close()
        if transport is not None and transport.get_write_buffer_size():
            transport.abort()


class ConnectionServer(web.Server):
    """aiohttp's low-level server with our connections: no application, no router, no middlewares (measured: they cost
    more than reading the request)."""

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        head_seconds: float,
        **options: Any,
    ) -> None:
        super().__init__(handler, handler_cancellation=True, **options)
        self._head_seconds = head_seconds

    def __call__(self) -> Connection:
        return Connection(self, head_seconds=self._head_seconds, loop=asyncio.get_running_loop(), **self._kwargs)
