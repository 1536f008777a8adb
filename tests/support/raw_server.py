"""A TCP server on loopback that speaks HTTP by hand: every byte of an answer, and its timing, are the test's own.

    async with RawServer(talk) as server: …

`talk` gets each connection as a `Peer` and does what the test wants; when it returns, the connection is closed.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Self, TypeAlias

from tests.support.waiting import eventually

WAIT = 10.0


@dataclass(frozen=True)
class Request:
    """A request as it came."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """Of one header, in order."""
        return [value for other, value in self.headers if other.lower() == name.lower()]


class Peer:
    """One connection, as the server has it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.requests: list[Request] = []
        self.ended = asyncio.Event()
        """`talk` has returned."""

    async def head(self) -> Request:
        """Reads a request up to its body. `asyncio.IncompleteReadError`: the client is gone."""
        raw = (await self.reader.readuntil(b"\r\n\r\n"))[:-4].decode()
        line, *lines = raw.split("\r\n")
        pairs = [line.split(": ", 1) for line in lines]
        return Request(line, tuple((name, value) for name, value in pairs), b"")

    async def request(self) -> Request:
        """Reads a whole request."""
        head = await self.head()
        body = await self.reader.readexactly(int((head.values("Content-Length") or ["0"])[0]))
        request = Request(head.line, head.headers, body)
        self.requests.append(request)
        return request

    async def send(self, *pieces: bytes) -> None:
        """Each piece is one write, given to the system before the next."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()

    def reset(self) -> None:
        """Ends the connection with RST."""
        handle = self.writer.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def left(self) -> None:
        """Waits until the client is gone."""
        async with asyncio.timeout(WAIT):
            try:
                while await self.reader.read(65536):
                    pass
            except ConnectionError:
                pass


Talk: TypeAlias = Callable[[Peer], Awaitable[None]]


class RawServer:
    """Listens on a free port while it is entered."""

    def __init__(self, talk: Talk, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self.peers: list[Peer] = []
        """All connections, in order."""
        self.faults: list[BaseException] = []
        """What `talk` raised, but for the client's leaving."""
        self._talk = talk
        self.tls = tls
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._begin, "127.0.0.1", 0, ssl=self.tls)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert not self.faults, self.faults

    @property
    def requests(self) -> list[Request]:
        """All requests that were read whole, by connection."""
        return [request for peer in self.peers for request in peer.requests]

    async def open(self, count: int) -> None:
        """Waits until so many connections are open."""
        await eventually(
            lambda: sum(not peer.ended.is_set() for peer in self.peers) == count, f"{count} open connections", WAIT
        )

    def _begin(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(Peer(reader, writer)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, peer: Peer) -> None:
        self.peers.append(peer)
        try:
            await self._talk(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except Exception as error:  # noqa: BLE001 - the test hears of it when it leaves the server
            self.faults.append(error)
        finally:
            peer.ended.set()
            peer.writer.close()


async def at_rest(count: Callable[[], int]) -> None:
    """Waits until a count that has begun does not change from one look to the next, a twentieth of a second later."""
    last = 0

    def look() -> bool:
        nonlocal last
        before, last = last, count()
        return 0 < before == last

    await eventually(look, "no further change", WAIT)


def answering(*answers: bytes | Iterable[bytes]) -> Talk:
    """Reads a request and gives an answer, again and again; the last answer is for all that follow. An answer in pieces
    is written piece by piece."""

    async def talk(peer: Peer) -> None:
        number = 0
        while True:
            await peer.request()
            answer = answers[min(number, len(answers) - 1)]
            number += 1
            await peer.send(*([answer] if isinstance(answer, bytes) else answer))

    return talk
