"""Lists every kind anew, now and then and after an outage, so that the store never holds what has vanished.

Watches are faster, and this is surer: kopf keeps objects that were deleted while its watch was broken. A LIST that
fails leaves the kind as it is. What is wrong (kinds that do not exist, missing rights) is said once, with the remedy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final

from tieline_api.names import GROUP, Key

from tieline_operator.cluster import Cluster
from tieline_operator.errors import ApiError, Forbidden, NotFound, Unavailable
from tieline_operator.resources import NAMESPACES, Body, Resource
from tieline_operator.store import Change, Store

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
SPACING_SECONDS: Final = 1.0
"""Least time between two resyncs, however often one is asked for."""
JITTER: Final = 0.2


class Resync:
    """`changed(resource, changes)` is called after each LIST that changed something; `served` are the namespaces to
    list, None = all."""

    def __init__(
        self,
        cluster: Cluster,
        store: Store,
        resources: tuple[Resource, ...],
        served: tuple[str, ...] | None,
        changed: Callable[[Resource, Mapping[Key, Change]], None],
    ) -> None:
        self._cluster = cluster
        self._store = store
        self._resources = resources
        self._served = served
        self._changed = changed
        self._wanted = asyncio.Event()
        self._said: dict[str, str] = {}
        self._heard: dict[str, str] = {}
        """What the last LIST of a kind was refused with; said when it is refused so twice, for a server that starts
        refuses for a moment what it will permit."""

    def soon(self) -> None:
        """Asks for a resync now."""
        self._wanted.set()

    async def first(self) -> None:
        """Returns when every kind has been listed once; tries for ever."""
        while True:
            await self.once(only_missing=True)
            if self._store.complete:
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def keep(self, seconds: float, draw: Callable[[], float]) -> None:
        """Lists every `seconds` (give or take a fifth) and soon after it was asked to, until it is cancelled."""
        complete = True
        while True:
            pause = seconds * (1 + JITTER * (2 * draw() - 1)) if complete else RETRY_SECONDS
            await asyncio.sleep(min(SPACING_SECONDS, pause))
            try:
                async with asyncio.timeout(pause - SPACING_SECONDS):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            complete = await self.once()

    async def once(self, *, only_missing: bool = False) -> bool:
        """Lists every kind (or those never listed); True when all succeeded."""
        missing = self._store.missing()
        wanted = [item for item in self._resources if not only_missing or item.kind in missing]
        results = [await self._list(resource) for resource in wanted]
        return all(results)

    async def _list(self, resource: Resource) -> bool:
        self._store.begin(resource.kind)
        try:
            bodies = await self._bodies(resource)
        except (ApiError, Unavailable) as error:
            self._store.abandon(resource.kind)
            self._say(resource, error)
            return False
        self._heard.pop(resource.kind, None)
        if self._said.pop(resource.kind, None) is not None:
            logger.info("%s can be listed now", resource.title)
        changes = self._store.replace(resource.kind, bodies)
        if changes:
            self._changed(resource, changes)
        return True

    async def _bodies(self, resource: Resource) -> list[Body]:
        if self._served is None:
            return await self._cluster.list(resource)
        if not resource.namespaced:
            # Without rights on the whole cluster a namespace can only be read by name.
            found = [await self._cluster.get(NAMESPACES, None, name) for name in self._served]
            return [{**body, "kind": resource.kind} for body in found if body is not None]
        return [body for name in self._served for body in await self._cluster.list(resource, name)]

    def _say(self, resource: Resource, error: ApiError | Unavailable) -> None:
        match error:
            case Unavailable():
                return  # one line for all of them is said by `outage`
            case NotFound() if resource.group == GROUP:
                line = (
                    f"{resource.title} do not exist: install Tieline's CRDs with `helm install tieline-crds` or "
                    "`kubectl apply -f crds/`; trying again until they are there"
                )
            case Forbidden():
                line = f"cannot list {resource.title}: {error}"
            case _:
                line = f"cannot list {resource.title}: {error}; trying again"
        again = self._heard.get(resource.kind) == line
        self._heard[resource.kind] = line
        if again and self._said.get(resource.kind) != line:
            self._said[resource.kind] = line
            logger.error(line)
