"""Puts the operator together and runs it: builds the parts, connects them, owns every task, and says why it ended.

Order of a start: probes → everything listed once → watches → Lease (epoch raised) → certificates → snapshot stream →
first snapshot. Whatever part ends ends the process; a restart is the recovery, and routers keep serving meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
import signal
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from prometheus_client import Counter
from tieline_api.names import GATEWAY_SCOPE, Key

from tieline_operator.apply import apply_status
from tieline_operator.cluster import Cluster
from tieline_operator.credentials import NoCredentials, connect
from tieline_operator.delivery.authentication import Authenticator
from tieline_operator.delivery.bootstrap import Bootstrap
from tieline_operator.delivery.keeper import Keeper
from tieline_operator.delivery.publications import Publication, Published, Target
from tieline_operator.delivery.server import SnapshotServer
from tieline_operator.delivery.sessions import Hub
from tieline_operator.errors import ApiError, Conflict, LeaseLost, PartEnded, Unavailable
from tieline_operator.events import EventPoster
from tieline_operator.gather import Gatherer
from tieline_operator.kopf_thread import KopfThread
from tieline_operator.leader import Leader, Rhythm
from tieline_operator.outage import Outage
from tieline_operator.plan import StatusPlan
from tieline_operator.probes import Probes
from tieline_operator.reconcile import Snapshots, Statuses
from tieline_operator.resources import MODEL_ROUTES, OWN, WATCHED, Body, Resource
from tieline_operator.resync import Resync
from tieline_operator.settings import OperatorSettings
from tieline_operator.store import Change, Store, key_of
from tieline_operator.telemetry import logs
from tieline_operator.telemetry.metrics import OperatorMetrics
from tieline_operator.workqueue import Workers
from tieline_operator.world import ObjectId, Options

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 2.0
_SNAPSHOT: Final = "snapshot"
"""The one key of the snapshot queue."""


def run(settings: OperatorSettings) -> int:
    """Runs until a signal or a failure; returns the process's exit status."""
    logs.configure(settings.log_level, settings.log_format)
    with asyncio.Runner(loop_factory=_loop_factory(settings)) as runner:
        return runner.run(_main(settings))


def _loop_factory(settings: OperatorSettings) -> Callable[[], asyncio.AbstractEventLoop] | None:
    if not settings.uvloop:
        return None
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _main(settings: OperatorSettings) -> int:
    operator = Operator(settings)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    task = asyncio.create_task(operator.run(), name="operator")
    waiter = asyncio.create_task(stopped.wait(), name="signals")
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        waiter.cancel()
        return _explain(task)
    logger.info("stopping")
    task.cancel()
    await asyncio.wait({task})
    return 0


def _explain(task: asyncio.Task[None]) -> int:
    """One line that says why the process ends."""
    error = task.exception()
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    match error:
        case LeaseLost() | PartEnded() | NoCredentials() | OSError():
            logger.critical("the operator ends: %s", error)
        case _:
            logger.critical("the operator ends by an error of its own: please report it", exc_info=error)
    return 1


class Operator:
    """All parts of one operator, and the tasks that run them."""

    def __init__(self, settings: OperatorSettings) -> None:
        self.settings = settings
        self.metrics = OperatorMetrics()
        self.outage = Outage()
        self.store = Store(resource.kind for resource in WATCHED)
        self.serving = False
        served = settings.served_namespaces()
        self._probe_namespace = None if served is None else settings.namespace
        self._draw = random.SystemRandom().random
        self._connect = functools.partial(connect, settings.kubeconfig)
        self.cluster = Cluster(self._connect, self.outage, time.monotonic, self._count_call, self._recovered)
        self.resync = Resync(self.cluster, self.store, WATCHED, served, self._listed)
        self.kopf = KopfThread(WATCHED, served, self._connect, self._watched)
        rhythm = Rhythm(settings.lease_seconds, settings.lease_renew_deadline_seconds, settings.lease_retry_seconds)
        self.leader = Leader(
            self.cluster, settings.namespace, settings.identity, rhythm=rhythm, clock=time.monotonic, now=_now
        )
        self.keeper = Keeper(self.cluster, settings.namespace, settings.certificate_names(), _now)
        self.poster = EventPoster(self.cluster, settings.identity, _now, self._counter(self.metrics.events))
        self.bootstrap = Bootstrap(
            self.cluster,
            settings.namespace,
            settings.bootstrap_seconds,
            leading=lambda: self.leader.leading,
            counted=self._counter(self.metrics.bootstrap_writes),
        )
        self.hub = Hub(wanted=lambda _: self._dirty(), acked=self._acked)
        self.snapshots, self.statuses = self._reconcilers()
        self.snapshot_queue: Workers[str] = Workers(
            self._reconcile_snapshot, self._failed, count=1, clock=time.monotonic, draw=self._draw
        )
        self.status_queue: Workers[ObjectId] = Workers(
            self._reconcile_status, self._failed, count=settings.workers, clock=time.monotonic, draw=self._draw
        )
        self.server = self._make_server()
        self.probes = Probes(
            self.metrics.registry, alive=self._why_dead, ready=self._why_unready, collect=self._collect
        )

    def _reconcilers(self) -> tuple[Snapshots, Statuses]:
        settings = self.settings
        options = Options(
            allow_insecure=settings.allow_insecure,
            allow_private=settings.allow_private,
            allow_cross_namespace=settings.allow_cross_namespace,
        )
        snapshots = Snapshots(
            cluster=self.cluster,
            store=self.store,
            gatherer=Gatherer(self.store, options, settings.namespace),
            hub=self.hub,
            leader=self.leader,
            clock=time.monotonic,
            expected=settings.expected_routers,
            published=self._published,
            touched=self._touched,
        )
        statuses = Statuses(
            store=self.store,
            snapshots=snapshots,
            hub=self.hub,
            leader=self.leader,
            clock=time.monotonic,
            now=_now,
            expected=settings.expected_routers,
            settle_seconds=settings.settle_seconds,
            write=self._write_status,
            again=lambda id_, delay: self.status_queue.add(id_, delay),  # noqa: PLW0108 - the queue is made after this
        )
        return snapshots, statuses

    def _make_server(self) -> SnapshotServer:
        settings = self.settings
        authenticator = Authenticator(
            self.cluster.review_token, settings.namespace, settings.router_service_accounts, time.monotonic
        )
        return SnapshotServer(
            self.hub,
            authenticator,
            ready=self._why_unready,
            confirmed=self._confirmed,
            refused=lambda status: self.metrics.refused.labels(str(status)).inc(),
            max_routers=settings.max_routers,
            heartbeat_seconds=settings.heartbeat_seconds,
        )

    # -- life ---------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Runs until it is cancelled, or until a part ends. Raises what that part ended with."""
        settings = self.settings
        async with self.cluster:
            try:
                await self.probes.start(settings.metrics_host, settings.metrics_port)
                logger.info("probes and metrics at port %d", self.probes.port)
                await self.resync.first()
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._watch(), name="watch")
                    group.create_task(self.resync.keep(settings.resync_seconds, self._draw), name="resync")
                    group.create_task(self._lead(group), name="lead")
            finally:
                self.kopf.stop()
                self.serving = False
                await self.server.stop()
                await self.leader.release()
                await self.probes.stop()

    async def _lead(self, group: asyncio.TaskGroup) -> None:
        """Takes the Lease, and only then starts what writes and serves."""
        settings = self.settings
        term = await self.leader.acquire()
        self.hub.term = (term.installation, term.epoch)
        self.metrics.epoch.set(term.epoch)
        logger.info("leading installation %s in epoch %d", term.installation, term.epoch)
        group.create_task(self.leader.keep(), name="lease")
        await self._ensure_certificates()
        await self.server.start(settings.snapshot_host, settings.snapshot_port, self.keeper.context)
        self.serving = True
        logger.info("snapshot stream at port %d", self.server.port)
        self._dirty()
        for name, part in {
            "snapshots": self.snapshot_queue.run(),
            "statuses": self.status_queue.run(),
            "heartbeats": self.server.beat(),
            "probe": self._probe(),
            "certificates": self.keeper.keep(lambda: self.leader.leading),
            "events": self.poster.run(),
            "bootstrap": self.bootstrap.run(),
        }.items():
            group.create_task(part, name=name)

    async def _watch(self) -> None:
        await self.kopf.start()
        raise PartEnded(f"kopf's thread ended: {self.kopf.why}")

    async def _ensure_certificates(self) -> None:
        said = ""
        while True:
            try:
                await self.keeper.ensure()
            except Unavailable:
                pass
            except ApiError as error:
                if str(error) != said:
                    said = str(error)
                    logger.error("certificates cannot be kept: %s", error)
            else:
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _probe(self) -> None:
        """Asks the API server now and then, so that heartbeats can say whether endpoints still stand."""
        while True:
            with contextlib.suppress(ApiError, Unavailable):  # said by `outage` and by `resync`
                await self.cluster.probe(self._probe_namespace)
            await asyncio.sleep(self.settings.probe_seconds)

    # -- what happens → dirty keys ------------------------------------------------------------------------------------

    def _watched(self, resource: Resource, change: str | None, body: Body) -> None:
        """An event of a watch."""
        self.metrics.watch_events.labels(resource.kind).inc()
        put = self.store.remove if change == "DELETED" else self.store.put
        self._note(resource, key_of(body), put(resource.kind, body))

    def _listed(self, resource: Resource, changes: Mapping[Key, Change]) -> None:
        """A LIST told something new."""
        for key, change in changes.items():
            self._note(resource, key, change)

    def _note(self, resource: Resource, key: Key, change: Change) -> None:
        own = resource.kind in OWN
        id_ = ObjectId(resource.kind, key)
        if own and self.store.get(resource.kind, key) is None:
            self.status_queue.queue.forget(id_)
        if change is Change.CONTENT:
            if own:
                self.snapshots.changed(id_)
            self._dirty()
        elif change is Change.STATUS and own:
            self.status_queue.add(id_)

    def _dirty(self) -> None:
        if self.store.complete:
            self.snapshot_queue.add(_SNAPSHOT, self.settings.debounce_seconds)

    def _touched(self, ids: Iterable[ObjectId]) -> None:
        for id_ in ids:
            self.status_queue.add(id_)

    def _acked(self, target: Target, low: int, high: int | None) -> None:
        """Routers answered: the status of routes that they took over may follow."""
        publication = self.hub.publications.get(target)
        for key, counter in (publication.introduced if publication is not None else {}).items():
            if high is None or low < counter <= high:
                self.status_queue.add(ObjectId(MODEL_ROUTES.kind, key))

    def _recovered(self) -> None:
        """The API server is back: list everything, and try again what waits for its back-off."""
        self.resync.soon()
        self.snapshots.look_again()
        self._dirty()
        for kind in OWN:
            self._touched(ObjectId(kind, key) for key in self.store.keys(kind))

    # -- dirty keys → work --------------------------------------------------------------------------------------------

    async def _reconcile_snapshot(self, key: str) -> None:
        with self.metrics.evaluation_seconds.time():
            due = await self.snapshots.reconcile()
        if due is not None:
            self.snapshot_queue.add(key, max(0.0, due - time.monotonic()))
        self.metrics.reconciles.labels("Snapshot", "ok").inc()

    async def _reconcile_status(self, id_: ObjectId) -> None:
        with self.metrics.reconcile_seconds.labels(id_.kind).time():
            await self.statuses.reconcile(id_)
        self.metrics.reconciles.labels(id_.kind, "ok").inc()

    async def _write_status(self, plan: StatusPlan, body: Body) -> bool:
        return await apply_status(self.cluster, self.store, self.poster, plan, body)

    def _failed(self, key: str | ObjectId, error: Exception, delay: float) -> None:
        kind = key.kind if isinstance(key, ObjectId) else "Snapshot"
        match error:
            case Unavailable():
                result = "unavailable"
            case Conflict():
                result = "conflict"
            case ApiError():
                result = "refused"
                logger.error("%s: %s; trying again in %.1f s", key, error, delay)
            case _:
                result = "failed"
                logger.error("%s failed, trying again in %.1f s: an error of the operator", key, delay, exc_info=error)
        self.metrics.reconciles.labels(kind, result).inc()

    def _published(self, publication: Publication, frames: list[Published]) -> None:
        gateway = publication.target.scope == GATEWAY_SCOPE
        for frame in frames:
            self.metrics.frames.labels(frame.kind).inc()
            if gateway:
                size = self.metrics.frame_bytes.labels(frame.kind, publication.target.router_class)
                size.set(len(frame.data))
        if gateway and any(frame.kind in {"config", "endpoints"} for frame in frames):
            self.bootstrap.offer(publication)

    # -- what is told -------------------------------------------------------------------------------------------------

    def _confirmed(self) -> bool:
        """Whether the API server answered lately, so that the endpoints that were sent still stand."""
        window = self.settings.probe_seconds + self.settings.heartbeat_seconds
        return self.leader.leading and self.outage.reached_within(window, time.monotonic())

    def _why_unready(self) -> str | None:
        if not self.store.complete:
            return f"not yet listed: {', '.join(self.store.missing())}"
        if self.leader.term is None:
            return "another operator holds the Lease"
        return None if self.serving else "the snapshot stream is not yet served"

    async def _why_dead(self) -> str | None:
        if self.leader.term is None or await self.kopf.alive():
            return None
        return "kopf's thread does not answer"

    def _count_call(self, verb: str, plural: str, outcome: str) -> None:
        self.metrics.api_requests.labels(verb, plural, outcome).inc()

    @staticmethod
    def _counter(counter: Counter) -> Callable[[str], None]:
        return lambda result: counter.labels(result).inc()

    def _collect(self) -> None:
        """Brings the gauges up to date before they are read."""
        metrics = self.metrics
        metrics.leader.set(self.leader.leading)
        metrics.api_outage.set(self.outage.active)
        metrics.queue_depth.labels("snapshot").set(len(self.snapshot_queue.queue))
        metrics.queue_depth.labels("status").set(len(self.status_queue.queue))
        if self.keeper.expires is not None:
            metrics.certificate_expiry.set(self.keeper.expires.timestamp())
        for resource in WATCHED:
            metrics.objects.labels(resource.kind).set(len(self.store.keys(resource.kind)))
        metrics.routers.clear()
        for target, count in self.hub.connected().items():
            scope = target.scope.partition("/")[0]
            metrics.routers.labels(scope, target.router_class).inc(count)
        for router_class, pods in self.snapshots.fleets.items():
            publication = self.hub.publications.get(Target(GATEWAY_SCOPE, router_class))
            frame = publication.frames.get("config") if publication is not None else None
            if publication is not None and frame is not None and frame.revision is not None:
                behind = set(pods) - self.hub.acked(publication.target, frame.revision.counter)
                metrics.acked_lag.labels(router_class).set(len(behind))


def _now() -> datetime:
    return datetime.now(UTC)
