"""The stream from the operator: one WebSocket over TLS, frames down, acks up, opened again for ever.

Every connect reads token and CA bundle anew, because both rotate. An outage is one log line at its begin and one at its
end; the router serves from what it has meanwhile. Used by `app`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

import aiohttp
from tieline_api.commandline import tieline_version
from tieline_api.names import SNAPSHOT_PATH
from tieline_api.snapshot import (
    MAX_FRAME_BYTES,
    Ack,
    Frame,
    Heartbeat,
    Hello,
    Message,
    Revision,
    UnreadableFrame,
    decode_frame,
    encode,
)

from tieline_router.runtime.clock import Clock
from tieline_router.runtime.notices import Notices
from tieline_router.runtime.snapshots import KINDS, Refused, SnapshotStore, apply_counted, frame_kind
from tieline_router.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

CONNECT_SECONDS: Final = 5.0
SILENCE_SECONDS: Final = 30.0
"""A stream without a message for so long is dead: the operator sends heartbeats much more often."""
FIRST_DELAY: Final = 0.05
DECODE_INLINE_BYTES: Final = 64 * 1024
"""Messages up to this size are decoded on the event loop (half a millisecond); larger ones in a thread."""
NO_REVISION: Final = Revision("", 0, 0)


class OperatorAddress(NamedTuple):
    """Where the operator is and what proves both sides to each other."""

    url: str
    token_file: Path
    ca_file: Path | None = None
    server_name: str | None = None


class NotAccepted(Exception):
    """The stream could not be opened or ended; the message says why, for the log."""


class OperatorStream:
    """Runs until it is cancelled."""

    def __init__(
        self,
        address: OperatorAddress,
        store: SnapshotStore,
        clock: Clock,
        metrics: Metrics,
        *,
        router_class: str,
        max_delay: float,
        draw: Callable[[], float] = random.random,
        notices: Notices | None = None,
    ) -> None:
        self._address = address
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._router_class = router_class
        self._max_delay = max_delay
        self._draw = draw
        self._notices = notices
        self._outage_since: float | None = None
        self.connected = False
        self.reconnects = 0

    async def run(self) -> None:
        """Connects, takes frames, and connects again, with a jittered pause that grows to `max_delay`."""
        tries = 0
        while True:
            try:
                await self._stream()
            except (NotAccepted, aiohttp.ClientError, OSError, ssl.SSLError, TimeoutError) as error:
                reason = str(error) or type(error).__name__
            else:
                reason = "the operator closed the stream"
            tries = 1 if self.connected else tries + 1
            self.connected = False
            self.reconnects += 1
            self._note_outage(reason)
            delay = min(self._max_delay, FIRST_DELAY * 2 ** min(tries - 1, 16))
            await self._clock.sleep(delay * (0.5 + self._draw() / 2))

    async def _stream(self) -> None:
        headers = {"Authorization": f"Bearer {await asyncio.to_thread(self._read_token)}"}
        context = await asyncio.to_thread(self._tls_context)
        timeout = aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            opening = session.ws_connect(
                self._address.url.rstrip("/") + SNAPSHOT_PATH,
                headers=headers,
                ssl=context,
                server_hostname=self._address.server_name,
                max_msg_size=MAX_FRAME_BYTES,
                timeout=aiohttp.ClientWSTimeout(ws_receive=SILENCE_SECONDS, ws_close=1.0),
            )
            try:
                socket = await asyncio.wait_for(opening, 2 * CONNECT_SECONDS)
            except aiohttp.WSServerHandshakeError as error:
                raise NotAccepted(f"the operator answered {error.status} {error.message}") from None
            async with socket:
                await self._send(socket, self._hello())
                telling = asyncio.create_task(self._tell(socket), name="notices to the operator")
                try:
                    await self._follow(socket)
                finally:
                    telling.cancel()
                    await asyncio.gather(telling, return_exceptions=True)

    async def _follow(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while (message := await socket.receive()).type in {aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY}:
            await self._take(socket, message.data)
        if message.type is aiohttp.WSMsgType.ERROR:
            raise NotAccepted(f"the stream broke: {socket.exception()}")

    async def _tell(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        if self._notices is not None:
            while True:
                await self._send(socket, await self._notices.next())

    def _read_token(self) -> str:
        try:
            return self._address.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise NotAccepted(f"the service-account token cannot be read: {error}") from None

    def _tls_context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._address.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise NotAccepted(f"the operator's CA bundle {self._address.ca_file} cannot be read: {error}") from None

    def _hello(self) -> Hello:
        current = self._store.current
        return Hello(
            router_class=self._router_class,
            version=tieline_version(),
            holds=self._store.holds(),
            config_hash=current.content_hash if current else "",
        )

    async def _take(self, socket: aiohttp.ClientWebSocketResponse, data: str | bytes) -> None:
        try:
            if len(data) <= DECODE_INLINE_BYTES:
                frame = decode_frame(data)
            else:
                frame = await asyncio.to_thread(decode_frame, data)
        except UnreadableFrame as error:
            logger.error("a frame from the operator was refused: %s", error)
            self._metrics.frame(error.kind if error.kind in KINDS else "unknown", "refused")
            await self._send(socket, Ack(kind=error.kind, revision=error.revision or NO_REVISION, error=str(error)))
            return
        self._note_recovery()
        problem = await self._apply(frame)
        if not isinstance(frame, Heartbeat):
            await self._send(socket, Ack(kind=frame_kind(frame), revision=frame.revision, error=problem))

    async def _apply(self, frame: Frame) -> str:
        try:
            taken = await apply_counted(self._store, self._metrics, frame)
        except Refused as error:
            logger.error("a %s frame from the operator was refused: %s", frame_kind(frame), error)
            return str(error)
        if taken and not isinstance(frame, Heartbeat):
            logger.info("%s %s is in force", frame_kind(frame), frame.revision)
        return ""

    async def _send(self, socket: aiohttp.ClientWebSocketResponse, message: Message) -> None:
        await socket.send_bytes(encode(message))

    def _note_outage(self, reason: str) -> None:
        if self._outage_since is not None:
            logger.debug("the operator is still away: %s", reason)
            return
        self._outage_since = self._clock.monotonic()
        held = "serving from what is here" if self._store.ready else "there is no configuration yet"
        logger.warning("the operator at %s is away (%s); %s", self._address.url, reason, held)

    def _note_recovery(self) -> None:
        self.connected = True
        if self._outage_since is not None:
            seconds = self._clock.monotonic() - self._outage_since
            self._outage_since = None
            logger.info("the operator at %s is back after %.1f s", self._address.url, seconds)
