"""The snapshot stream: HTTPS, one WebSocket per router at `GET /v1/snapshot`. Moves bytes; decides nothing.

A router authenticates, says Hello, gets the frames that it lacks, then every new one and heartbeats, and acknowledges
each. `authentication` says who it is, `sessions` what it gets.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import ssl
from collections.abc import Callable
from typing import Final

from aiohttp import WSCloseCode, WSMessage, WSMsgType, web
from tieline_api.names import GATEWAY_SCOPE, SNAPSHOT_PATH
from tieline_api.snapshot import (
    SCHEMA,
    Ack,
    Heartbeat,
    Hello,
    Message,
    Notice,
    Revision,
    UnreadableFrame,
    decode_message,
    encode,
)

from tieline_operator.delivery.authentication import Authenticator, Refused, Router
from tieline_operator.delivery.publications import ORDER, Published, Target
from tieline_operator.delivery.sessions import Hub, Session, rewound
from tieline_operator.errors import ApiError, Unavailable
from tieline_operator.telemetry.complaints import Complaints

logger = logging.getLogger(__name__)

HELLO_SECONDS: Final = 10.0
SEND_SECONDS: Final = 30.0
"""A router that takes no byte for this long is cut off; it connects anew when it can."""
CLOSE_SECONDS: Final = 2.0
PING_SECONDS: Final = 15.0
REVIEW_SECONDS: Final = 600.0
"""Pace at which the token of a connected router is reviewed again."""
MAX_MESSAGE_BYTES: Final = 64 * 1024
"""Longest message of a router; a Hello has less than one kilobyte."""
MAX_GREETING: Final = 4
"""Streams of one router that may wait for its Hello."""
MAX_CLOSE_REASON: Final = 120
"""Bytes that fit into a WebSocket's close frame."""
_CLASS: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


class Closed(Exception):
    """The conversation ends; the message is the close frame's reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class SnapshotServer:
    """`ready` says why no router can be served now (None: all well); `confirmed` whether endpoints still stand.
    `refused` counts streams by HTTP status, `answered` acknowledgements by kind of frame and result.
    `overtaken` is told of a gateway router (its pod, the revision) that holds something newer than this term, `noticed`
    of what a router of a scope noticed.
    """

    def __init__(
        self,
        hub: Hub,
        authenticator: Authenticator,
        *,
        ready: Callable[[], str | None],
        confirmed: Callable[[], bool],
        refused: Callable[[int], None],
        answered: Callable[[str, str], None],
        overtaken: Callable[[str, Revision], None] = lambda *_: None,
        noticed: Callable[[str, Notice], None] = lambda *_: None,
        max_routers: int,
        heartbeat_seconds: float,
    ) -> None:
        self._hub = hub
        self._authenticator = authenticator
        self._ready = ready
        self._confirmed = confirmed
        self._refused = refused
        self._answered = answered
        self._overtaken = overtaken
        self._noticed = noticed
        self._greeting: dict[Router, int] = {}
        """Streams per router that were taken and have not said Hello."""
        self._max_routers = max_routers
        self._heartbeat_seconds = heartbeat_seconds
        self._complaints = Complaints()
        self._runner: web.AppRunner | None = None
        self.port = 0
        """Where it listens; 0 before `start`."""

    async def start(self, host: str, port: int, context: ssl.SSLContext) -> None:
        """Listens. Raises OSError when the address is taken."""
        application = web.Application()
        application.router.add_get(SNAPSHOT_PATH, self._snapshot)
        self._runner = web.AppRunner(application, access_log=None, handler_cancellation=True, shutdown_timeout=2)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=context, backlog=1024)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Says goodbye to every router and closes."""
        for session in self._hub.sessions():
            session.end("the operator is stopping")
        if self._runner is not None:
            await self._runner.cleanup()

    async def beat(self) -> None:
        """Sends heartbeats until it is cancelled."""
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            confirmed = self._confirmed()
            for target, routers in self._hub.connected().items():
                heartbeat = Heartbeat(schema=SCHEMA, endpoints_confirmed=confirmed, routers=routers)
                self._hub.beat(target, Published("heartbeat", encode(heartbeat)))

    # -- one router ----------------------------------------------------------------------------------------------------

    async def _snapshot(self, request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization")
        try:
            router = await self._authenticator.authenticate(authorization)
        except Refused as refused:
            self._refused(refused.status)
            if self._complaints.due((request.remote, str(refused)), asyncio.get_running_loop().time()):
                logger.warning("router at %s refused: %s", request.remote, refused)
            return _problem(refused.status, str(refused))
        except (Unavailable, ApiError) as error:
            self._refused(503)
            return _problem(503, f"the token cannot be reviewed now: {error}")
        why = self._ready()
        if why is None:
            why = self._hub.crowded(router.scope, router.pod, self._max_routers)
        if why is None and self._greeting.get(router, 0) >= MAX_GREETING:
            why = f"{MAX_GREETING} streams of this router have not said Hello yet"
        if why is not None:
            self._refused(503)
            return _problem(503, why)
        socket = web.WebSocketResponse(heartbeat=PING_SECONDS, compress=False, max_msg_size=MAX_MESSAGE_BYTES)
        if not socket.can_prepare(request).ok:
            return _problem(426, "this is a WebSocket: send Upgrade: websocket")
        await socket.prepare(request)
        try:
            hello = await self._greeted(socket, router)
            await self._serve(socket, router, authorization or "", hello)
        except Closed as closed:
            logger.info("snapshot stream of router %s (%s) closed: %s", router.pod, router.scope, closed)
            reason = str(closed).encode()[:MAX_CLOSE_REASON]
            try:
                async with asyncio.timeout(CLOSE_SECONDS):
                    await socket.close(code=closed.code, message=reason.decode(errors="ignore").encode())
            except TimeoutError:
                if request.transport is not None:  # it takes not even this
                    request.transport.abort()
        return socket

    async def _greeted(self, socket: web.WebSocketResponse, router: Router) -> Hello:
        self._greeting[router] = self._greeting.get(router, 0) + 1
        try:
            return await self._hello(socket)
        finally:
            self._greeting[router] -= 1
            if not self._greeting[router]:
                del self._greeting[router]

    async def _serve(self, socket: web.WebSocketResponse, router: Router, authorization: str, hello: Hello) -> None:
        why = self._hub.crowded(router.scope, router.pod, self._max_routers)
        if why is not None:
            raise Closed(WSCloseCode.TRY_AGAIN_LATER, why)
        target = Target(router.scope, hello.router_class)
        if SCHEMA not in hello.schemas:
            reads = ", ".join(map(str, hello.schemas))
            why = f"the router reads schema {reads}, this operator writes {SCHEMA}: bring both to one version"
            self._hub.refuse(target, router.pod, "config", why)
            raise Closed(WSCloseCode.POLICY_VIOLATION, why)
        newer = rewound(hello, self._hub.term)
        if newer is not None and router.scope == GATEWAY_SCOPE:  # never on the word of a namespace's router
            self._overtaken(router.pod, newer)
        session = self._hub.join(target, router.pod, hello)
        logger.info("router %s connected (%s, class %s)", router.pod, router.scope, hello.router_class)
        try:
            await self._converse(socket, session, authorization)
        finally:
            self._hub.leave(session)

    async def _converse(self, socket: web.WebSocketResponse, session: Session, authorization: str) -> None:
        """Runs the three sides of a conversation until one of them ends it."""
        sides = [
            asyncio.create_task(self._write(socket, session), name=f"write-{session.pod}"),
            asyncio.create_task(self._read(socket, session), name=f"read-{session.pod}"),
            asyncio.create_task(self._review(authorization), name=f"review-{session.pod}"),
        ]
        try:
            done, _ = await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for side in sides:
                side.cancel()
            await asyncio.gather(*sides, return_exceptions=True)
        for side in done:
            side.result()

    async def _hello(self, socket: web.WebSocketResponse) -> Hello:
        try:
            message = await socket.receive(HELLO_SECONDS)
        except TimeoutError:
            raise Closed(WSCloseCode.POLICY_VIOLATION, f"no Hello within {HELLO_SECONDS:.0f} s") from None
        hello = _decoded(message)
        if not isinstance(hello, Hello):
            raise Closed(WSCloseCode.POLICY_VIOLATION, "the first message must be Hello")
        if not _CLASS.fullmatch(hello.router_class):
            raise Closed(WSCloseCode.POLICY_VIOLATION, "the router class is not a DNS label")
        return hello

    async def _write(self, socket: web.WebSocketResponse, session: Session) -> None:
        while True:
            await session.wake.wait()
            session.wake.clear()
            while (frame := session.next()) is not None and session.ended is None:
                try:
                    async with asyncio.timeout(SEND_SECONDS):
                        await socket.send_bytes(frame.data)
                except TimeoutError:
                    raise Closed(WSCloseCode.TRY_AGAIN_LATER, f"nothing taken for {SEND_SECONDS:.0f} s") from None
                except ConnectionError:
                    return
            if session.ended is not None:
                raise Closed(WSCloseCode.GOING_AWAY, session.ended)

    async def _read(self, socket: web.WebSocketResponse, session: Session) -> None:
        async for message in socket:
            ack = _decoded(message)
            if isinstance(ack, Notice):
                self._noticed(session.target.scope, ack)
                continue
            if not isinstance(ack, Ack):
                raise Closed(WSCloseCode.POLICY_VIOLATION, "expected Ack or Notice")
            self._answered(ack.kind if ack.kind in ORDER else "other", "refused" if ack.error else "accepted")
            if ack.error:
                logger.warning("router %s refused %s %s: %s", session.pod, ack.kind, ack.revision, ack.error[:500])
            self._hub.take_ack(session, ack)

    async def _review(self, authorization: str) -> None:
        """Ends the stream of a router whose token has been revoked or has expired (it then has a newer one)."""
        while True:
            await asyncio.sleep(REVIEW_SECONDS)
            try:
                await self._authenticator.authenticate(authorization)
            except Refused as refused:
                raise Closed(WSCloseCode.POLICY_VIOLATION, str(refused)) from None
            except (Unavailable, ApiError):
                continue  # the API server is away: routers keep what they have


def _decoded(message: WSMessage) -> Message:
    if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
        raise Closed(WSCloseCode.GOING_AWAY, "the router closed the connection")
    try:
        return decode_message(message.data)
    except UnreadableFrame as error:
        raise Closed(WSCloseCode.INVALID_TEXT, str(error)) from None


def _problem(status: int, message: str) -> web.Response:
    headers = {"Retry-After": "2"} if status == 503 else {}
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if status == 426:
        headers["Upgrade"] = "websocket"
    body = json.dumps({"error": {"code": status, "message": message}})
    return web.Response(status=status, text=body, content_type="application/json", headers=headers)
