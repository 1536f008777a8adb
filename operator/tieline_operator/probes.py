"""/healthz, /readyz and /metrics over plain HTTP. Reads what the parts say of themselves; decides nothing.

Alive = this loop and kopf's answer. Ready = leading, everything listed, serving snapshots. An outage of the API server
makes nothing unready: routers still get what is known.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder


class Probes:
    """`alive` and `ready` return why not, or None."""

    def __init__(
        self,
        registry: CollectorRegistry,
        *,
        alive: Callable[[], Awaitable[str | None]],
        ready: Callable[[], str | None],
        collect: Callable[[], None],
    ) -> None:
        self._registry = registry
        self._alive = alive
        self._ready = ready
        self._collect = collect
        self._runner: web.AppRunner | None = None
        self.port = 0
        """Where it listens; 0 before `start`."""

    async def start(self, host: str, port: int) -> None:
        """Listens. Raises OSError when the address is taken."""
        application = web.Application()
        application.router.add_get("/healthz", self._healthz)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return _answer(await self._alive())

    async def _readyz(self, _: web.Request) -> web.Response:
        return _answer(self._ready())

    async def _metrics(self, request: web.Request) -> web.Response:
        self._collect()
        encoder, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encoder(self._registry), headers={"Content-Type": content_type})


def _answer(why_not: str | None) -> web.Response:
    return web.Response(text="ok\n") if why_not is None else web.Response(status=503, text=f"{why_not}\n")
