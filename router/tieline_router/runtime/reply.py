"""What one client gets: a whole answer, or a stream with its headers, comments, events and end. Used by `exchange`.

Headers of a stream are sent as late as possible, because until then a failure can still have its own status. When the
answer takes long, comments keep client and load balancers waiting; from the first of them on errors go in-band.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Final

from aiohttp import web

from tieline_router.streaming.sse import encode_comment

WRITE_SECONDS: Final = 60.0
"""A client that takes nothing for so long is gone: its answer would hold our memory, or the model server's."""
PIECE_BYTES: Final = 256 * 1024
"""Longer plain answers are written in pieces, so that slow progress is told from none."""
GENERATION_HEADER: Final = "X-Generation-Id"
CLIENT_CLOSED_REQUEST: Final = 499
KEEP_ALIVE: Final = encode_comment("tieline keep-alive")
STREAM_HEADERS: Final = {
    "Content-Type": "text/event-stream; charset=utf-8",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}


class ClientGone(Exception):
    """The client closed the connection or stopped reading."""


class Reply:
    """The answer to one request; `response` is what the handler returns in the end."""

    def __init__(self, request: web.Request, generation_id: str, *, last: bool = False) -> None:
        self._request = request
        self._headers = {GENERATION_HEADER: generation_id, "Server": "tieline"}
        if last:  # the router is draining: the client shall open its next connection elsewhere
            self._headers["Connection"] = "close"
        self._stream: web.StreamResponse | None = None
        self._plain: tuple[int, bytes, dict[str, str]] | None = None
        self._sent: web.StreamResponse | None = None
        self._writing = asyncio.Lock()
        self._timer: asyncio.TimerHandle | None = None
        self._comments: asyncio.Task[None] | None = None

    @property
    def headers_sent(self) -> bool:
        return self._stream is not None

    @property
    def response(self) -> web.StreamResponse:
        """The response as it was written, whole or not.

        Raises:
            RuntimeError: neither a whole answer nor a stream was written.
        """
        response = self._stream or self._sent
        if response is None:
            raise RuntimeError("a request was handled without an answer: a bug in the handler")
        return response

    def whole(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        """Answers with one JSON body, which `send` writes."""
        self.stop_comments()
        self._plain = (status, body, {**self._headers, "Content-Type": "application/json", **(headers or {})})

    async def send(self) -> None:
        """Writes the whole answer, if there is one. Waits until the client has taken all but the last of it.

        Raises:
            ClientGone: nobody reads any more.
        """
        if self._plain is None:
            return
        (status, body, headers), self._plain = self._plain, None
        if len(body) <= PIECE_BYTES:
            self._sent = response = web.Response(status=status, body=body, headers=headers)
            await self._bounded(response.prepare(self._request))
        else:
            self._sent = long = web.StreamResponse(status=status, headers=headers)
            long.content_length = len(body)
            await self._bounded(long.prepare(self._request))
            rest = memoryview(body)
            for start in range(0, len(body), PIECE_BYTES):
                await self._bounded(long.write(rest[start : start + PIECE_BYTES]))
        await self._bounded(self._sent.write_eof())

    def give_up(self) -> web.StreamResponse:
        """Cuts the connection; what the handler returns then goes nowhere."""
        self.stop_comments()
        if self._request.transport is not None:
            self._request.transport.abort()
        return self._stream or self._sent or web.Response(status=CLIENT_CLOSED_REQUEST)

    async def write(self, data: bytes) -> None:
        """Writes events, after the headers if they have not been sent. Waits while the client reads slowly.

        Raises:
            ClientGone: nobody reads any more.
        """
        self.stop_comments()
        async with self._writing:
            await self._write(data)

    async def end(self) -> None:
        """Ends the stream; what was written is all."""
        self.stop_comments()
        async with self._writing:
            if self._stream is not None:
                await self._bounded(self._stream.write_eof())

    def comment_after(self, seconds: float) -> None:
        """From `seconds` on, if nothing was written by then, a comment is written every `seconds`."""
        if seconds > 0:
            self._timer = asyncio.get_running_loop().call_later(seconds, self._start_comments, seconds)

    def stop_comments(self) -> None:
        """No comment begins after this; one that is being written is finished first by `write`."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._comments is not None and not self._writing.locked():
            self._comments.cancel()
        self._comments = None

    def _start_comments(self, seconds: float) -> None:
        self._timer = None
        self._comments = asyncio.create_task(self._comment(seconds), name="keep-alive comments")

    async def _comment(self, seconds: float) -> None:
        mine = asyncio.current_task()
        while True:
            async with self._writing:
                if self._comments is not mine:
                    return
                try:
                    await self._write(KEEP_ALIVE)
                except ClientGone:
                    self.give_up()  # upon which the server cancels the handler
                    return
            if self._comments is not mine:
                return
            await asyncio.sleep(seconds)

    async def _write(self, data: bytes) -> None:
        if self._stream is None:
            stream = web.StreamResponse(headers={**self._headers, **STREAM_HEADERS})
            self._stream = stream
            await self._bounded(stream.prepare(self._request))
        await self._bounded(self._stream.write(data))

    async def _bounded(self, writing: Awaitable[object]) -> None:
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await writing
        except TimeoutError:
            raise ClientGone(f"the client took nothing for {WRITE_SECONDS:g} s") from None
        except ConnectionError as error:
            raise ClientGone(str(error)) from None
