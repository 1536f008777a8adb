"""Lists every kind anew, now and then and after an outage, so that the store never holds what has vanished.

Watches are faster, and this is surer: kopf keeps objects that were deleted while its watch was broken. A LIST that
fails leaves the kind as it is. What is wrong (kinds that do not exist, missing rights) is said once, with the remedy.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from tieline_api.names import GROUP, Key

from tieline_operator.cluster import Cluster
from tieline_operator.errors import ApiError, Forbidden, NotFound, Unavailable, Unserved
from tieline_operator.resources import NAMESPACES, Body, Resource
from tieline_operator.store import Change, Store

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0
SPACING_SECONDS: Final = 1.0
"""Least time between two resyncs, however often one is asked for."""
MAX_RETRY_SECONDS: Final = 30.0
"""Longest pause between two tries of a kind that cannot be listed."""
JITTER: Final = 0.2


@dataclass(frozen=True)
class _Retry:
    """A kind that could not be listed. `due` is the running loop's time; `own`: the server was there and refused it."""

    failures: int
    due: float
    own: bool


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
        self._retries: dict[str, _Retry] = {}
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
        """Lists every `seconds` (give or take a fifth) and soon after it was asked to, until it is cancelled. A kind
        that could not be listed is tried again by itself, ever more seldom."""
        clock = asyncio.get_running_loop().time
        due = clock() + _pause(seconds, draw)
        while True:
            await asyncio.sleep(min(SPACING_SECONDS, max(0.0, due - clock())))
            next_due = min([due, *(retry.due for retry in self._retries.values())])
            try:
                async with asyncio.timeout(max(0.0, next_due - clock())):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            wanted, now = self._wanted.is_set(), clock()
            self._wanted.clear()
            if wanted or now >= due:
                due = now + _pause(seconds, draw)
                await self._list_each(item for item in self._resources if not self._waits(item, now))
            else:
                await self._list_each(item for item in self._resources if self._tries(item, now))

    async def once(self, *, only_missing: bool = False) -> bool:
        """Lists every kind (or those never listed); True when all succeeded."""
        missing = self._store.missing()
        return await self._list_each(item for item in self._resources if not only_missing or item.kind in missing)

    async def _list_each(self, resources: Iterable[Resource]) -> bool:
        return all([await self._list(resource) for resource in list(resources)])

    def _waits(self, resource: Resource, now: float) -> bool:
        """Whether the kind failed by itself and its time has not come; an outage holds nothing back once it is over."""
        retry = self._retries.get(resource.kind)
        return retry is not None and retry.own and retry.due > now

    def _tries(self, resource: Resource, now: float) -> bool:
        retry = self._retries.get(resource.kind)
        return retry is not None and retry.due <= now

    async def _list(self, resource: Resource) -> bool:
        self._store.begin(resource.kind)
        try:
            bodies = await self._bodies(resource)
        except (ApiError, Unavailable) as error:
            self._store.abandon(resource.kind)
            self._say(resource, error)
            self._retries[resource.kind] = _retry(self._retries.get(resource.kind), error)
            return False
        self._retries.pop(resource.kind, None)
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
            case Unserved() if not self._cluster.outage.active:
                line = f"cannot list {resource.title}: {error}; trying again"
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


def _pause(seconds: float, draw: Callable[[], float]) -> float:
    return seconds * (1 + JITTER * (2 * draw() - 1))


def _retry(before: _Retry | None, error: ApiError | Unavailable) -> _Retry:
    """The next try: after one second, then after twice as long each time, never before the server wants it."""
    failures = 1 if before is None else before.failures + 1
    pause = min(RETRY_SECONDS * 2.0 ** min(failures - 1, 16), MAX_RETRY_SECONDS)
    own = isinstance(error, ApiError | Unserved)
    if isinstance(error, Unserved):
        pause = max(pause, error.retry_after)
    return _Retry(failures, asyncio.get_running_loop().time() + pause, own)
