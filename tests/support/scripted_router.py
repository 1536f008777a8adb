"""A router as the operator sees it, which refuses what the test tells it to: the contract's protocol and nothing else.

It runs in a thread of its own, so that the test's main thread may wait for what the operator says about it.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from types import TracebackType
from typing import Self

import aiohttp
from tieline_api.names import SNAPSHOT_PATH
from tieline_api.snapshot import Ack, Heartbeat, Hello, decode_frame, encode

from tests.support.waiting import eventually, wait_until


class ScriptedRouter:
    """One stream to the operator; with the block it is opened and closed.

    Args:
        url: of the operator, with https and an address.
        ca: PEM bundle that signs its certificate.
        server_name: what the certificate must say.
        token: a pod's, with the audience of the snapshot stream.
        name: of that pod, under which the operator knows it.
    """

    def __init__(self, url: str, ca: bytes, server_name: str, token: str, name: str) -> None:
        self.name = name
        self.refuses: dict[str, str] = {}
        """Kind of frame → the reason to give; other kinds are accepted."""
        self.taken: list[str] = []
        """Kinds of frames that were accepted, in order."""
        self._url = url + SNAPSHOT_PATH
        self._context = ssl.create_default_context(cadata=ca.decode())
        self._server_name = server_name
        self._headers = {"Authorization": f"Bearer {token}"}
        self._ending = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="scripted router", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def wait_taken(self, kind: str, count: int) -> None:
        """Wait until so many frames of a kind were accepted."""

        def look() -> bool:
            if self._error is not None:
                raise self._error
            return self.taken.count(kind) >= count

        wait_until(look, f"{count} frames of kind {kind}", 60)

    def _run(self) -> None:
        try:
            asyncio.run(self._converse())
        except BaseException as error:  # noqa: BLE001 - told in the main thread, by `__exit__` and `wait_taken`
            self._error = error

    async def _converse(self) -> None:
        async with (
            aiohttp.ClientSession(headers=self._headers) as session,
            session.ws_connect(
                self._url, ssl=self._context, server_hostname=self._server_name, max_msg_size=0
            ) as socket,
        ):
            connection = socket.get_extra_info("socket")
            await socket.send_bytes(encode(Hello(version="scripted")))
            while not self._ending.is_set():
                try:
                    data = await socket.receive_bytes(timeout=0.1)
                except TimeoutError:
                    continue
                frame = decode_frame(data)
                if isinstance(frame, Heartbeat):
                    continue
                kind = str(frame.__struct_config__.tag)
                problem = self.refuses.get(kind, "")
                await socket.send_bytes(encode(Ack(kind=kind, revision=frame.revision, error=problem)))
                if not problem:
                    self.taken.append(kind)
        await eventually(lambda: connection.fileno() < 0, "the end of the connection, which TLS says goodbye on")
