"""The router put together: one object that is started, fed with frames, and drained. For `__main__` and `tieline dev`.

router = Router(settings)
await router.start()
await router.apply(frame)      # in-process source; with an operator URL the stream does this
…
await router.stop()
"""

from __future__ import annotations

import logging
import math
import random
import ssl
from collections.abc import Callable

from aiohttp import web
from tieline_api.snapshot import Frame

from tieline_router.routing.breaker import State
from tieline_router.routing.live import LiveTable
from tieline_router.routing.table import RoutingTable
from tieline_router.runtime.admin import AdminServer
from tieline_router.runtime.certificate import ListenerCertificate
from tieline_router.runtime.clock import Clock, SystemClock
from tieline_router.runtime.connection import ConnectionServer
from tieline_router.runtime.exchange import Exchange
from tieline_router.runtime.flight import Office
from tieline_router.runtime.notices import Notices
from tieline_router.runtime.operator_stream import OperatorAddress, OperatorStream
from tieline_router.runtime.server import ApiServer, http_logger
from tieline_router.runtime.snapshots import SnapshotStore, apply_counted
from tieline_router.runtime.state_keeper import StateKeeper
from tieline_router.runtime.tasks import Tasks
from tieline_router.runtime.upstream import UpstreamClient
from tieline_router.settings import RouterSettings
from tieline_router.telemetry.metrics import EndpointSample, Metrics, StateSample

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.05
"""How often draining looks whether the last request has ended."""


class Router:
    """One router.

    Args:
        settings: of the process.
        clock: for everything but socket timeouts.
        draw: floats in [0, 1), for strategies and back-off.
        addresses_age: False where the source of frames is always at hand (`tieline dev`), so that addresses never
            need to be confirmed.
    """

    def __init__(
        self,
        settings: RouterSettings,
        *,
        clock: Clock | None = None,
        draw: Callable[[], float] = random.random,
        addresses_age: bool = True,
    ) -> None:
        self.settings = settings
        self._clock = clock or SystemClock()
        self._draw = draw
        self._tasks = Tasks(self._clock)
        self.live = LiveTable(settings.endpoints_confirm_seconds if addresses_age else math.inf)
        self._keeper = StateKeeper(
            self._clock,
            state_file=settings.state_file,
            key_file=settings.state_key_file,
            bootstrap_file=settings.bootstrap_file,
        )
        self.store = SnapshotStore(
            self.live,
            self._clock,
            router_class=settings.router_class,
            trust_env=settings.trust_env,
            changed=self._keeper.changed,
        )
        self.metrics = Metrics(self._sample)
        self._counted: RoutingTable | None = None
        """The configuration whose routes and pools have series."""
        self._notices = Notices(self._clock)
        self._stream = self._operator_stream()
        self._client: UpstreamClient | None = None
        self._api: ApiServer | None = None
        self._runners: list[web.BaseRunner] = []
        self._sites: list[web.TCPSite] = []
        self.address = ("", 0)
        """Host and port of the API, once it listens."""
        self.admin_address = ("", 0)

    # -- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Loads what the files hold, listens on both ports and begins to follow the operator."""
        settings = self.settings
        certificate = self._certificate()
        await self._keeper.boot(self.store)
        self._client = UpstreamClient(keepalive_timeout=settings.upstream_keepalive_timeout)
        office = Office(self._client, self.live, self._clock, self.metrics, settings, self._notices)
        exchange = Exchange(office, self._draw)
        self._api = ApiServer(settings, self.store, exchange, self.metrics, self._clock)
        admin = AdminServer(
            self.store,
            self.live,
            self.metrics,
            self._clock,
            self._draw,
            anonymous_namespace=settings.anonymous_namespace,
        )
        self.admin_address = await self._listen(
            web.AppRunner(admin.application(), access_log=None, logger=http_logger, shutdown_timeout=0.1),
            settings.admin_host,
            settings.admin_port,
        )
        server = ConnectionServer(
            self._api.handle,
            access_log=None,
            logger=http_logger,
            auto_decompress=False,  # aiohttp would inflate bodies unasked, before the key is looked at
            keepalive_timeout=settings.keepalive_timeout,
            head_seconds=settings.head_seconds,
        )
        self.address = await self._listen(
            web.ServerRunner(server, shutdown_timeout=0.1),
            settings.host,
            settings.port,
            certificate.context if certificate else None,
        )
        if certificate is not None:
            self._tasks.start("listener certificate", certificate.keep)
        self._tasks.start("state file", lambda: self._keeper.run(self.store))
        if self._stream is not None:
            self._tasks.start("operator stream", self._stream.run)
        logger.info("serving on %s:%d, admin on %s:%d", *self.address, *self.admin_address)

    async def apply(self, frame: Frame) -> bool:
        """Takes a frame from an in-process source.

        Returns:
            False when it was in force already.

        Raises:
            Refused: the frame is not taken; what was in force stays.
        """
        return await apply_counted(self.store, self.metrics, frame)

    async def drain(self) -> None:
        """Ends serving without losing a request: not ready at once, no new connections after a while, and then as long
        as the requests in flight need, up to the settings' bounds."""
        api = self._api
        if api is None:
            return
        api.draining = True
        logger.info("draining: %d requests in flight", api.in_flight)
        await self._clock.sleep(self.settings.drain_delay_seconds)
        if self._sites:
            await self._sites[-1].stop()
        deadline = self._clock.monotonic() + self.settings.drain_seconds
        while (api.in_flight or self._unsent()) and self._clock.monotonic() < deadline:
            await self._clock.sleep(POLL_SECONDS)
        if api.in_flight:
            logger.warning("%d requests are cut: they did not end within --drain-seconds", api.in_flight)

    async def stop(self) -> None:
        """Closes everything; requests in flight are cut."""
        if self._api is not None:
            self._api.cutting = True
        await self._tasks.stop()
        for runner in reversed(self._runners):
            await runner.cleanup()
        self._runners, self._sites = [], []
        if self._client is not None:
            await self._client.close()
        await self._keeper.flush(self.store)

    def _unsent(self) -> bool:
        """Whether an answer that was written is still on its way to a slow client."""
        server = self._runners[-1].server
        transports = [connection.transport for connection in server.connections] if server else []
        return any(transport is not None and transport.get_write_buffer_size() for transport in transports)

    def _certificate(self) -> ListenerCertificate | None:
        files = self.settings.tls_certificate_file, self.settings.tls_key_file
        return None if files[0] is None or files[1] is None else ListenerCertificate(files[0], files[1], self._clock)

    async def _listen(
        self, runner: web.BaseRunner, host: str, port: int, tls: ssl.SSLContext | None = None
    ) -> tuple[str, int]:
        await runner.setup()
        self._runners.append(runner)
        site = web.TCPSite(runner, host, port, backlog=self.settings.backlog, ssl_context=tls)
        await site.start()
        self._sites.append(site)
        address = runner.addresses[0]
        return str(address[0]), int(address[1])

    # -- parts -------------------------------------------------------------------------------------------------------

    def _operator_stream(self) -> OperatorStream | None:
        settings = self.settings
        if settings.operator_url is None:
            return None
        address = OperatorAddress(
            settings.operator_url, settings.token_file, settings.operator_ca_file, settings.operator_server_name
        )
        return OperatorStream(
            address,
            self.store,
            self._clock,
            self.metrics,
            router_class=settings.router_class,
            max_delay=settings.reconnect_max_seconds,
            draw=self._draw,
            notices=self._notices,
        )

    def _sample(self) -> StateSample:
        current = self.store.current
        if current is not None and current.table is not self._counted:
            self._counted = current.table
            self.metrics.keep(current.table.routes, current.table.pools)
        endpoints = tuple(
            EndpointSample(
                endpoint.pool.key, endpoint.name, endpoint.in_flight, endpoint.worst().state is not State.CLOSED
            )
            for endpoint in self.live.all_endpoints(self._clock.now())
        )
        return StateSample(
            endpoints=endpoints,
            config_counter=current.revision.counter if current else 0,
            config_epoch=current.revision.epoch if current else 0,
            applied_at=self.store.applied_at,
            endpoints_confirmed_at=self.live.confirmed_at,
            operator_connected=self._stream is not None and self._stream.connected,
            in_flight=self._api.in_flight if self._api else 0,
        )
