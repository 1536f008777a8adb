"""A client of the operator's snapshot stream that keeps every byte: what a token gets, whatever its bearer claims.

It has the protocol from the contract and no code of the router, so it can also say what no router says. Used by the
cluster floor.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import aiohttp
from tieline_api.names import SNAPSHOT_PATH
from tieline_api.snapshot import ConfigFrame, Frame, Hello, Message, decode_frame, encode

from tests.support.waiting import eventually

WAIT_SECONDS = 60.0
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGllbGluZSBzbmFwc2hvdA==",
}


class SnapshotClient:
    """One connection. `url` begins with https and names an address; `server_name` is what the certificate must say."""

    def __init__(self, url: str, ca: bytes, server_name: str, token: str | None) -> None:
        self.bytes = b""
        """Everything that came, in order."""
        self.newest: dict[str, Frame] = {}
        """The newest frame of each kind."""
        self._url = url + SNAPSHOT_PATH
        self._context = ssl.create_default_context(cadata=ca.decode())
        self._server_name = server_name
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._sockets: list[socket.socket] = []
        self._session: aiohttp.ClientSession | None = None
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(socket_factory=self._make_socket))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            await self._socket.close()
        if self._session is not None:
            await self._session.close()
        # aiohttp says goodbye in TLS after `close` has returned, and the test's event loop may be gone by then.
        await eventually(lambda: all(one.fileno() < 0 for one in self._sockets), "the connections to end")

    def _make_socket(self, address: aiohttp.AddrInfoType) -> socket.socket:
        family, kind, protocol, _, _ = address
        made = socket.socket(family, kind, protocol)
        self._sockets.append(made)
        return made

    async def refusal(self, *, upgrade: bool = True) -> tuple[int, str]:
        """Asks for the stream and returns HTTP status and body of the refusal; an opened stream is an error."""
        assert self._session is not None, "use the client as a context"
        headers = self._headers | (UPGRADE if upgrade else {})
        answering = self._session.get(self._url, headers=headers, ssl=self._context, server_hostname=self._server_name)
        async with answering as answer:
            assert answer.status >= 400, f"the operator opened the stream ({answer.status})"
            return answer.status, await answer.text()

    async def over_plain_http(self) -> int | None:
        """The status of an answer without TLS; None when there is none."""
        assert self._session is not None, "use the client as a context"
        try:
            async with self._session.get(self._url.replace("https://", "http://"), headers=self._headers) as answer:
                return answer.status
        except aiohttp.ClientError:
            return None

    async def open(self, hello: Hello) -> None:
        """Opens the stream and says Hello."""
        assert self._session is not None, "use the client as a context"
        self._socket = await self._session.ws_connect(
            self._url,
            headers=self._headers,
            ssl=self._context,
            server_hostname=self._server_name,
            max_msg_size=0,
        )
        await self.send(hello)

    async def send(self, message: Message) -> None:
        assert self._socket is not None, "open() the stream first"
        await self._socket.send_bytes(encode(message))

    async def until(self, wanted: Callable[[Mapping[str, Frame]], Any]) -> dict[str, Frame]:
        """Reads until the newest frames by kind are what is wanted; these. `TimeoutError` after a minute."""
        assert self._socket is not None, "open() the stream first"
        newest = self.newest
        async with asyncio.timeout(WAIT_SECONDS):
            while not wanted(newest):
                data = await self._socket.receive_bytes()
                self.bytes += data
                frame = decode_frame(data)
                newest[str(frame.__struct_config__.tag)] = frame
        return newest


def holds_route(key: str) -> Callable[[Mapping[str, Frame]], bool]:
    """All frames have come, and the newest configuration has this route."""

    def wanted(newest: Mapping[str, Frame]) -> bool:
        config = newest.get("config")
        routes = [route.key for route in config.config.routes] if isinstance(config, ConfigFrame) else []
        return {"secrets", "endpoints", "overlay"} <= newest.keys() and key in routes

    return wanted
