"""The operator's deciding parts around objects in memory: no sockets, no threads of kopf, virtual time. For unit tests.

`Rig.settle` works until no key is due, as the workers of a running operator would; `routers` answer what they are sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tieline_api.names import LABEL_ROUTER_CLASS
from tieline_api.snapshot import Ack, Hello
from tieline_operator.apply import apply_status
from tieline_operator.causes import Causes
from tieline_operator.delivery.publications import Publication, Published, Target
from tieline_operator.delivery.sessions import Hub, Session
from tieline_operator.events import EventPoster
from tieline_operator.gather import Gatherer
from tieline_operator.leader import Leader, Rhythm
from tieline_operator.plan import StatusPlan
from tieline_operator.reconcile import Snapshots
from tieline_operator.resources import ENDPOINT_SLICES, SERVICES, WATCHED, Body, Resource
from tieline_operator.resync import Resync
from tieline_operator.statuses import Statuses
from tieline_operator.store import Store
from tieline_operator.workqueue import Workers
from tieline_operator.world import ObjectId, Options

from tests.support import virtual_time
from tests.support.api_objects import ApiObjects, FakeCluster
from tests.tieline_operator import manifests

OWN = "tieline-system"
GATEWAY = Target("gateway", "default")
START = datetime(2026, 3, 1, tzinfo=UTC)
RESOURCES = {resource.kind: resource for resource in WATCHED}


def now() -> datetime:
    return START + timedelta(seconds=virtual_time.clock())


class Rig:
    """One operator without its sockets. Make it inside a running virtual loop."""

    def __init__(self, objects: ApiObjects | None = None, expected: Mapping[str, int] | None = None) -> None:
        self.objects = objects or ApiObjects()
        self.cluster = FakeCluster(self.objects)
        self.store = Store(RESOURCES)
        self.published: list[tuple[Target, list[str]]] = []
        self.failures: list[tuple[str | ObjectId, Exception]] = []
        self.events: list[str] = []
        self.seen: list[str] = []
        self.relists = 0
        clock = virtual_time.clock
        self.snapshot_queue: Workers[str] = Workers(
            self._snapshot, self._failed, count=1, clock=clock, draw=lambda: 0.0
        )
        self.status_queue: Workers[ObjectId] = Workers(
            self._status, self._failed, count=2, clock=clock, draw=lambda: 0.0
        )
        self.causes = Causes(
            self.store,
            self.snapshot_queue,
            self.status_queue,
            debounce_seconds=0.05,
            seen=self.seen.append,
            relisted=self._relist,
        )
        self.resync = Resync(self.cluster, self.store, WATCHED, None, self.causes.listed)
        self.hub = Hub(wanted=self.causes.dirty, acked=self.causes.acked, moved=self.causes.moved)
        self.leader = Leader(self.cluster, OWN, "op-1", rhythm=Rhythm(), clock=clock, now=now)
        self.poster = EventPoster(self.cluster, "op-1", now, self.events.append)
        self.snapshots = Snapshots(
            cluster=self.cluster,
            store=self.store,
            gatherer=Gatherer(self.store, Options(), OWN),
            hub=self.hub,
            leader=self.leader,
            clock=clock,
            expected=expected or {},
            changed=self.causes.changed,
            published=self._published,
            touched=self.causes.touched,
            run=_inline,
        )
        self.statuses = Statuses(
            store=self.store,
            snapshots=self.snapshots,
            hub=self.hub,
            leader=self.leader,
            clock=clock,
            now=now,
            expected=expected or {},
            settle_seconds=10.0,
            write=self._write,
            again=self.status_queue.add,
        )

    # -- life ----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Lists everything, takes the Lease and works until all is done."""
        await self.resync.first()
        term = await self.leader.acquire()
        self.hub.term = (term.installation, term.epoch)
        self.causes.dirty()
        await self.settle()

    async def settle(self, seconds: float = 1.0) -> None:
        """Works for so long, with the Lease renewed."""
        parts = [self.snapshot_queue.run(), self.status_queue.run(), self.leader.keep(), self.poster.run()]
        tasks = [asyncio.create_task(part) for part in parts]
        await asyncio.sleep(seconds)
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(error, asyncio.CancelledError) for error in ended), ended

    def watch(self, resource: Resource, change: str | None, body: Body) -> None:
        """An event, as kopf's thread would hand it over."""
        self.causes.watched(resource, change, body)

    def put(self, *bodies: Mapping[str, Any]) -> None:
        """A user writes objects, and the watch tells of it."""
        for body in bodies:
            resource = RESOURCES[body["kind"]]
            metadata = {k: v for k, v in body["metadata"].items() if k not in {"resourceVersion", "generation"}}
            self.watch(resource, "MODIFIED", self.objects.put(resource, {**body, "metadata": metadata}))

    @staticmethod
    def resource(kind: str) -> Resource:
        return RESOURCES[kind]

    def delete_known(self, kind: str, name: str) -> None:
        """The watch tells, late, that an object is gone."""
        self.watch_delete({"kind": kind, "metadata": {"namespace": manifests.NAMESPACE, "name": name}})

    def watch_delete(self, body: Body) -> None:
        self.watch(RESOURCES[body["kind"]], "DELETED", body)

    def delete(self, kind: str, name: str, namespace: str = manifests.NAMESPACE) -> None:
        resource = RESOURCES[kind]
        body = self.objects.get(resource.plural, namespace, name)
        self.objects.delete(resource.plural, namespace, name)
        self.watch(resource, "DELETED", body)

    # -- routers -------------------------------------------------------------------------------------------------------

    def fleet(self, *pods: str, ready: bool = True) -> None:
        """The gateway fleet's Service with these pods behind it."""
        fleet = manifests.service("routers", namespace=OWN)
        fleet["metadata"]["labels"] = {LABEL_ROUTER_CLASS: "default"}
        endpoints = [
            manifests.endpoint(f"10.0.9.{index}", ready, targetRef={"kind": "Pod", "namespace": OWN, "name": pod})
            for index, pod in enumerate(pods)
        ]
        self.put(fleet, manifests.endpoint_slice("routers-1", *endpoints, service="routers", namespace=OWN))

    def join(self, pod: str, hello: Hello | None = None, target: Target = GATEWAY) -> Session:
        return self.hub.join(target, pod, hello or Hello())

    def answer(self, session: Session, error: str = "") -> list[str]:
        """The router takes what waits for it and acknowledges, or refuses, all of it; returns the kinds."""
        kinds = []
        while (frame := session.next()) is not None:
            kinds.append(str(frame.kind))
            if frame.revision is not None:
                self.hub.take_ack(session, Ack(kind=frame.kind, revision=frame.revision, error=error))
        return kinds

    def hello(self, target: Target = GATEWAY) -> Hello:
        """What a router says that holds all that is published."""
        frames = self.hub.publications[target].frames
        holds = {str(kind): frame.revision for kind, frame in frames.items() if frame.revision is not None}
        return Hello(holds=holds, config_hash=frames["config"].content_hash)

    # -- what can be seen ----------------------------------------------------------------------------------------------

    def status(self, kind: str, name: str) -> Mapping[str, Any]:
        plural = RESOURCES[kind].plural
        found: Mapping[str, Any] = self.objects.get(plural, manifests.NAMESPACE, name).get("status") or {}
        return found

    def condition(self, kind: str, name: str, condition: str) -> tuple[str, str]:
        """(status, reason)."""
        for item in self.status(kind, name).get("conditions", ()):
            if item["type"] == condition:
                return item["status"], item["reason"]
        return "", ""

    def status_writes(self) -> list[str]:
        return [f"{write.plural}/{write.name}" for write in self.objects.writes() if write.verb == "patch"]

    def _relist(self) -> None:
        self.relists += 1

    # -- what the parts call -------------------------------------------------------------------------------------------

    async def _snapshot(self, key: str) -> None:
        due = await self.snapshots.reconcile()
        if due is not None:
            self.snapshot_queue.add(key, due - virtual_time.clock())

    async def _status(self, id_: ObjectId) -> None:
        await self.statuses.reconcile(id_)

    async def _write(self, plan: StatusPlan, body: Body) -> bool:
        return await apply_status(self.cluster, self.store, self.poster, plan, body)

    def _published(self, publication: Publication, frames: list[Published]) -> None:
        self.published.append((publication.target, [str(frame.kind) for frame in frames]))

    def _failed(self, key: str | ObjectId, error: Exception, delay: float) -> None:
        assert delay > 0
        self.failures.append((key, error))


async def _inline(function: Any, *arguments: Any) -> Any:
    """In place of a thread, which virtual time would overtake."""
    return function(*arguments)


__all__ = ["ENDPOINT_SLICES", "GATEWAY", "OWN", "SERVICES", "Rig", "now"]
