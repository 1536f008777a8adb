"""A router as the operator sees it, which refuses what the test tells it to: the contract's protocol and nothing else.

It runs in a thread of its own, so that the test's main thread may wait for what the operator says about it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator
from types import TracebackType
from typing import Self

import aiohttp
from tieline_api.names import CA_CONFIG_MAP, CA_KEY, SNAPSHOT_PATH, TOKEN_AUDIENCE
from tieline_api.snapshot import READABLE_SCHEMAS, Ack, Heartbeat, Hello, decode_frame, encode

from tests.support.installation import Installation
from tests.support.pods import keys_of
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
        self.schemas: tuple[int, ...] = READABLE_SCHEMAS
        """What it says it reads; set it before the block."""
        self.taken: list[str] = []
        """Kinds of frames that were accepted, in order."""
        self.closed: str | None = None
        """The reason that the operator gave when it ended the stream."""
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
            await socket.send_bytes(encode(Hello(version="scripted", schemas=self.schemas)))
            while not self._ending.is_set() and self.closed is None:
                with contextlib.suppress(TimeoutError):
                    await self._take(socket, await socket.receive(timeout=0.1))
        await eventually(lambda: connection.fileno() < 0, "the end of the connection, which TLS says goodbye on")

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, message: aiohttp.WSMessage) -> None:
        if message.type is not aiohttp.WSMsgType.BINARY:
            self.closed = str(message.extra)
            return
        frame = decode_frame(message.data)
        if isinstance(frame, Heartbeat):
            return
        kind = str(frame.__struct_config__.tag)
        problem = self.refuses.get(kind, "")
        await socket.send_bytes(encode(Ack(kind=kind, revision=frame.revision, error=problem)))
        if not problem:
            self.taken.append(kind)


@contextlib.contextmanager
def third_of_fleet(installation: Installation) -> Iterator[ScriptedRouter]:
    """A third pod of the default fleet, with its own token, at which no router runs but the scripted one; not begun."""
    plane, namespace, known = installation.plane, installation.namespace, _names(installation)
    scale = f"/apis/apps/v1/namespaces/{namespace}/deployments/tieline-router-default/scale"
    plane.admin.merge(scale, {"spec": {"replicas": len(known) + 1}})
    [name] = wait_until(lambda: _names(installation) - known, "one more router pod", 60)
    cheap = {"controller.kubernetes.io/pod-deletion-cost": "-1"}  # when one has to go, it is this
    plane.admin.merge(f"/api/v1/namespaces/{namespace}/pods/{name}", {"metadata": {"annotations": cheap}})
    bundle = plane.admin.get(f"/api/v1/namespaces/{namespace}/configmaps/{CA_CONFIG_MAP}")
    yield ScriptedRouter(
        f"https://{installation.operator.address}:9443",
        keys_of(bundle)[CA_KEY],
        f"tieline-operator.{namespace}.svc",
        plane.token(namespace, "tieline-router", audiences=[TOKEN_AUDIENCE], pod=name),
        name,
    )
    plane.admin.merge(scale, {"spec": {"replicas": len(known)}})
    wait_until(lambda: _names(installation) == known, "the pod to be gone", 60)


def _names(installation: Installation) -> set[str]:
    return {str(pod["metadata"]["name"]) for pod in installation.fleet.pods()}
