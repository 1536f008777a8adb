"""The client of the process: takes a kept connection or dials one, sends the request, hands out its answer.

It retries in one case: a kept connection that ended as it was used, before a byte of an answer. Used by `exchange` and
`relay`.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Final

from tieline_router.runtime.upstream.answer import Answer
from tieline_router.runtime.upstream.connection import Connection, SecureConnection
from tieline_router.runtime.upstream.dialing import Dialing
from tieline_router.runtime.upstream.failure import UpstreamFailure
from tieline_router.runtime.upstream.idle import Idle
from tieline_router.runtime.upstream.names import Names, Resolve
from tieline_router.runtime.upstream.target import Headers, Origin, Target

STALE_SECONDS: Final = 0.1
"""A kept connection that breaks so soon after the request was sent had been closed before; later, it is the server's
doing, which may have begun to work on the request."""
CLOSE_SECONDS: Final = 1.0
DECRYPTED_BYTES: Final = 64 * 1024
"""What is taken from a TLS connection at once: four records."""


class UpstreamClient:
    """One per process, made within its event loop. Owns all connections."""

    def __init__(self, *, keepalive_timeout: float, resolve: Resolve | None = None) -> None:
        """
        Args:
            keepalive_timeout: seconds that an idle connection is kept; 0 = none is.
            resolve: stands for the system's resolver.
        """
        self._loop = asyncio.get_running_loop()
        self._names = Names(resolve)
        self._dialing = Dialing(self._names)
        self._idle: Idle[Connection] = Idle(keepalive_timeout)
        self._open: set[Connection] = set()
        self._decrypted = memoryview(bytearray(DECRYPTED_BYTES))
        self._sweep: asyncio.TimerHandle | None = None
        self._empty: asyncio.Future[None] | None = None

    async def close(self) -> None:
        """Cuts all connections, also those in use."""
        if self._sweep is not None:
            self._sweep.cancel()
        await self._names.close()
        for connection in list(self._open):
            connection.cut()
        if self._open:
            self._empty = self._loop.create_future()
            await asyncio.wait([self._empty], timeout=CLOSE_SECONDS)

    def post(self, target: Target, body: bytes, connect_timeout: float | None, headers: Headers = ()) -> Posting:
        """Sends `body` and waits for the headers of the answer; leaving the context cuts what is unread.

        Args:
            target: where to, with which headers.
            body: as the target's `Content-Type` says, or that of `headers`.
            connect_timeout: seconds for name, connection and TLS together; None = no limit.
            headers: of this request alone; they replace those of the target that have the same name.

        Raises:
            UpstreamFailure: (on entering) no headers came, for a reason that its class names.
        """
        return Posting(self, target, body, connect_timeout, headers)

    async def open_answer(self, target: Target, body: bytes, connect_timeout: float | None, headers: Headers) -> Answer:
        """What entering `post` does; whoever calls this closes the answer."""
        origin = target.origin
        head = target.head(len(body), headers)
        kept = self._idle.take(origin, self._loop.time())
        if kept is not None:
            answer = kept.ask(head, body)
            try:
                return await _started(kept, answer, body)
            except UpstreamFailure:
                # Sent once more within the attempt, uncounted, and on a new connection: a crash must not pass for an
                # old connection twice.
                if answer.begun or self._loop.time() - kept.sent_at >= STALE_SECONDS:
                    raise
        new = await self._dialing.connect(target, connect_timeout, lambda: self._connection(origin))
        return await _started(new, new.ask(head, body), body)

    def _connection(self, origin: Origin) -> Connection:
        if not origin.secure:
            return Connection(self, origin, self._loop)
        return SecureConnection(self, origin, self._loop, self._decrypted)

    # -- for connections ---------------------------------------------------------------------------------------------

    def idle(self, connection: Connection) -> None:
        now = self._loop.time()
        for surplus in self._idle.put(connection, connection.origin, connection.born, now):
            surplus.close()
        if self._sweep is None and self._idle.due is not None:
            self._sweep = self._loop.call_at(self._idle.due, self._close_expired)

    def made(self, connection: Connection) -> None:
        self._open.add(connection)

    def lost(self, connection: Connection) -> None:
        self._idle.drop(connection)

    def gone(self, connection: Connection) -> None:
        self._idle.drop(connection)
        self._open.discard(connection)
        if self._empty is not None and not self._open and not self._empty.done():
            self._empty.set_result(None)

    def _close_expired(self) -> None:
        for connection in self._idle.expired(self._loop.time()):
            connection.close()
        due = self._idle.due
        self._sweep = None if due is None else self._loop.call_at(due, self._close_expired)


async def _started(connection: Connection, answer: Answer, body: bytes) -> Answer:
    """The answer with its headers, after the whole request has been sent or refused."""
    try:
        if connection.unsent:
            await connection.send_rest(answer, body)
        await answer.started()
    except BaseException:
        answer.close()
        raise
    return answer


class Posting:
    """`async with` over one request. A class, because a generator in `asynccontextmanager` costs 4 µs more."""

    __slots__ = ("_answer", "_arguments", "_client")

    def __init__(
        self, client: UpstreamClient, target: Target, body: bytes, connect_timeout: float | None, headers: Headers
    ) -> None:
        self._client = client
        self._arguments = (target, body, connect_timeout, headers)
        self._answer: Answer | None = None

    async def __aenter__(self) -> Answer:
        self._answer = answer = await self._client.open_answer(*self._arguments)
        return answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._answer is not None:
            self._answer.close()
