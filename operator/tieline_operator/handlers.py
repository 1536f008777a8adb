"""What kopf is asked to watch: one handler per kind that hands every event over, and nothing else.

kopf is a source of dirty keys. No handler patches, keeps state or returns a value, so kopf writes nothing: no
finalizers, no annotations, no Events. The settings here are what makes it outlive outages of any length.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import kopf

from tieline_operator.credentials import Connection
from tieline_operator.resources import Body, Resource

LOGIN_SECONDS: Final = 600.0
"""Tokens in pods are rotated: kopf reads them anew after this time."""
RETRY_SECONDS: Final = 1.0

Deliver = Callable[[Resource, str | None, Body], None]
"""Takes (resource, type, body); type is None for a listed object, else ADDED, MODIFIED or DELETED."""


def settings(resources: tuple[Resource, ...]) -> kopf.OperatorSettings:
    """kopf's settings, where its defaults do not serve. Delays are those of its retries, which never give up."""
    chosen = kopf.OperatorSettings()
    chosen.scanning.disabled = True
    chosen.peering.standalone = True
    chosen.posting.enabled = False
    chosen.process.ultimate_exiting_timeout = None  # it would kill this process
    chosen.watching.server_timeout = 300
    chosen.watching.client_timeout = 330
    chosen.watching.connect_timeout = 5
    chosen.watching.reconnect_backoff = 0.5
    chosen.watching.chunk_size = 500
    chosen.networking.request_timeout = 30
    chosen.networking.connect_timeout = 5
    # Endless: the default ends the process after 54 s of refusals, just when it is needed most.
    chosen.networking.error_backoffs = _Endless(RETRY_SECONDS)
    chosen.queueing.idle_timeout = 0.5  # one task an object lives so long after its last event
    chosen.queueing.exit_timeout = 0.5
    for resource in resources:
        if resource.selector:
            chosen.watching.label_selectors[resource.group, resource.version, resource.plural] = resource.selector
    return chosen


def registry(
    resources: tuple[Resource, ...], deliver: Deliver, connect: Callable[[], Awaitable[Connection]]
) -> kopf.OperatorRegistry:
    """A private registry: the login and one handler per kind."""
    handlers = kopf.OperatorRegistry()
    for resource in resources:
        _watch(handlers, resource, deliver)

    @kopf.on.login(registry=handlers, id="login", errors=kopf.ErrorsMode.TEMPORARY, backoff=RETRY_SECONDS)
    async def login(**_: Any) -> kopf.ConnectionInfo:
        await asyncio.sleep(_pause(logins))
        connection = await connect()
        return kopf.ConnectionInfo(
            server=connection.server,
            ca_data=connection.ca,
            insecure=not connection.verify,
            token=connection.token,
            certificate_path=connection.certificate_file,
            private_key_path=connection.key_file,
            proxy_url=connection.proxy,
            # Never the same twice: kopf refuses for ever what got a 401 once, even from a server that was starting.
            expiration=datetime.now(UTC) + timedelta(seconds=LOGIN_SECONDS),
        )

    logins: list[float] = []
    return handlers


def _watch(handlers: kopf.OperatorRegistry, resource: Resource, deliver: Deliver) -> None:
    @kopf.on.event(resource.group, resource.version, resource.plural, registry=handlers, id=resource.plural)
    async def changed(event: Any, **_: Any) -> None:
        deliver(resource, event["type"], event["object"])


def _pause(logins: list[float]) -> float:
    """Seconds to wait before a login, so that a server that refuses every token is not asked without end."""
    now = asyncio.get_running_loop().time()
    recent = bool(logins) and now - logins[-1] < RETRY_SECONDS
    logins[:] = [now]
    return RETRY_SECONDS if recent else 0.0


class _Endless:
    """The same delay again and again, for every request anew."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __iter__(self) -> itertools.repeat[float]:
        return itertools.repeat(self._seconds)
