"""Puts the operator together and owns its tasks: which parts there are, what they call, in which order they start.

Order of a start: probes → everything listed once → watches → Lease (epoch raised) → certificates → snapshot stream →
first snapshot. Whatever part ends ends the process; a restart is the recovery, and routers keep serving meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from prometheus_client import Counter
from tieline_api.names import GATEWAY_SCOPE
from tieline_api.snapshot import Revision

from tieline_operator.apply import apply_status
from tieline_operator.causes import Causes
from tieline_operator.cluster import Cluster
from tieline_operator.credentials import connect
from tieline_operator.delivery.authentication import Authenticator
from tieline_operator.delivery.bootstrap import Bootstrap
from tieline_operator.delivery.keeper import Keeper
from tieline_operator.delivery.publications import Publication, Published, Target
from tieline_operator.delivery.server import SnapshotServer
from tieline_operator.delivery.sessions import Hub
from tieline_operator.errors import ApiError, Conflict, PartEnded, Unavailable, Unserved
from tieline_operator.events import EventPoster
from tieline_operator.gather import Gatherer
from tieline_operator.kopf_thread import KopfThread
from tieline_operator.leader import Leader, Rhythm
from tieline_operator.notices import NoticeBoard
from tieline_operator.outage import Outage
from tieline_operator.plan import StatusPlan
from tieline_operator.probes import Probes
from tieline_operator.reconcile import Snapshots
from tieline_operator.resources import WATCHED, Body
from tieline_operator.resync import Resync
from tieline_operator.settings import OperatorSettings
from tieline_operator.statuses import Statuses
from tieline_operator.store import Store
from tieline_operator.telemetry import collect
from tieline_operator.telemetry.complaints import Complaints
from tieline_operator.telemetry.metrics import OperatorMetrics
from tieline_operator.workqueue import Workers
from tieline_operator.world import ObjectId, Options

logger = logging.getLogger(__name__)

RETRY_SECONDS: Final = 2.0
PROBE_SPACING_SECONDS: Final = 1.0
COMPLAINT_DELAY: Final = 4.0
"""Seconds of back-off from which on a call's failure is told: two probes have decided by then about an outage."""
RECOVERY_SECONDS: Final = 5.0
"""Least time between two looks at everything because the API server is back."""


class Operator:
    """All parts of one operator, and the tasks that run them."""

    def __init__(self, settings: OperatorSettings) -> None:
        self.settings = settings
        self.metrics = OperatorMetrics()
        self.outage = Outage()
        self.store = Store(resource.kind for resource in WATCHED)
        self.serving = False
        self._back = asyncio.Event()
        self._doubt = asyncio.Event()
        self._copied: set[str] = set()
        """Router classes whose publications are copied for routers that start."""
        self._newer: asyncio.Future[int]
        served = settings.served_namespaces()
        self._probe_namespace = None if served is None else settings.namespace
        self._complaints = Complaints()
        self._draw = random.SystemRandom().random
        login = functools.partial(connect, settings.kubeconfig)
        self._make_queues()
        self.cluster = Cluster(login, self.outage, time.monotonic, self._called, self._recovered)
        self.resync = Resync(self.cluster, self.store, WATCHED, served, self.causes.listed)
        self.kopf = KopfThread(WATCHED, served, login, self.causes.watched)
        rhythm = Rhythm(settings.lease_seconds, settings.lease_renew_deadline_seconds, settings.lease_retry_seconds)
        self.leader = Leader(
            self.cluster, settings.namespace, settings.identity, rhythm=rhythm, clock=time.monotonic, now=_now
        )
        self.hub = Hub(wanted=self.causes.dirty, acked=self.causes.acked, moved=self.causes.moved)
        self._make_writers()
        self._make_reconcilers()
        self._make_servers()

    def _make_queues(self) -> None:
        self.snapshot_queue: Workers[str] = Workers(
            self._reconcile_snapshot, self._failed, count=1, clock=time.monotonic, draw=self._draw
        )
        self.status_queue: Workers[ObjectId] = Workers(
            self._reconcile_status, self._failed, count=self.settings.workers, clock=time.monotonic, draw=self._draw
        )
        self.causes = Causes(
            self.store,
            self.snapshot_queue,
            self.status_queue,
            debounce_seconds=self.settings.debounce_seconds,
            seen=_counting(self.metrics.watch_events),
            relisted=self._relisted,
        )

    def _make_writers(self) -> None:
        settings, cluster = self.settings, self.cluster
        self.keeper = Keeper(cluster, settings.namespace, settings.certificate_names(), _now)
        self.poster = EventPoster(cluster, settings.identity, _now, _counting(self.metrics.events))
        self.notices = NoticeBoard(self.store, self.poster.offer, lambda: self.leader.leading)
        self.bootstrap = Bootstrap(
            cluster,
            settings.namespace,
            settings.bootstrap_seconds,
            leading=lambda: self.leader.leading,
            counted=_counting(self.metrics.bootstrap_writes),
        )

    def _make_reconcilers(self) -> None:
        settings = self.settings
        options = Options(
            allow_insecure=settings.allow_insecure,
            allow_private=settings.allow_private,
            allow_cross_namespace=settings.allow_cross_namespace,
        )
        self.snapshots = Snapshots(
            cluster=self.cluster,
            store=self.store,
            gatherer=Gatherer(self.store, options, settings.namespace),
            hub=self.hub,
            leader=self.leader,
            clock=time.monotonic,
            expected=settings.expected_routers,
            changed=self.causes.changed,
            published=self._published,
            touched=self.causes.touched,
        )
        self.statuses = Statuses(
            store=self.store,
            snapshots=self.snapshots,
            hub=self.hub,
            leader=self.leader,
            clock=time.monotonic,
            now=_now,
            expected=settings.expected_routers,
            settle_seconds=settings.settle_seconds,
            write=self._write_status,
            again=self.status_queue.add,
        )

    def _make_servers(self) -> None:
        settings = self.settings
        self.server = SnapshotServer(
            self.hub,
            Authenticator(
                self.cluster.review_token, settings.namespace, settings.router_service_accounts, time.monotonic
            ),
            ready=self._why_unready,
            confirmed=self._confirmed,
            refused=lambda status: self.metrics.refused.labels(str(status)).inc(),
            answered=lambda kind, result: self.metrics.acks.labels(kind, result).inc(),
            overtaken=self._overtaken,
            noticed=self.notices.take,
            max_routers=settings.max_routers,
            heartbeat_seconds=settings.heartbeat_seconds,
        )
        self.probes = Probes(
            self.metrics.registry, alive=self._why_dead, ready=self._why_unready, collect=self._collect
        )

    # -- life --------------------------------------------------------------------------------------------------------

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
                    group.create_task(self._recover(), name="recovery")
                    group.create_task(self._lead(group), name="lead")
            finally:
                self.serving = False
                await self.server.stop()
                await self.leader.release()
                await self.kopf.stop()
                await self.probes.stop()

    async def _lead(self, group: asyncio.TaskGroup) -> None:
        """Takes the Lease, and only then starts what writes and serves."""
        settings = self.settings
        self._newer = asyncio.get_running_loop().create_future()
        term = await self.leader.acquire()
        self.hub.term = (term.installation, term.epoch)
        self.metrics.epoch.set(term.epoch)
        logger.info("leading installation %s in epoch %d", term.installation, term.epoch)
        group.create_task(self.leader.keep(), name="lease")
        await self._ensure_certificates()
        await self.server.start(settings.snapshot_host, settings.snapshot_port, self.keeper.context)
        self.serving = True
        logger.info("snapshot stream at port %d", self.server.port)
        self.causes.dirty()
        for name, part in {
            "snapshots": self.snapshot_queue.run(),
            "statuses": self.status_queue.run(),
            "heartbeats": self.server.beat(),
            "probe": self._probe(),
            "certificates": self.keeper.keep(lambda: self.leader.leading),
            "events": self.poster.run(),
            "bootstrap": self.bootstrap.run(),
            "epoch": self._outgrow(),
        }.items():
            group.create_task(part, name=name)

    async def _watch(self) -> None:
        await self.kopf.start()
        raise PartEnded(f"kopf's thread ended: {self.kopf.why}")

    async def _ensure_certificates(self) -> None:
        said = ""
        while True:
            try:
                return await self.keeper.ensure()
            except (ApiError, Unserved) as error:
                if str(error) != said:
                    said = str(error)
                    logger.error("certificates cannot be kept: %s", error)
            except Unavailable:
                pass  # said by `outage`
            await asyncio.sleep(RETRY_SECONDS)

    async def _probe(self) -> None:
        """Asks the API server now and then, so that heartbeats can say whether endpoints still stand; soon after any
        call has failed, so that an outage is told from one call's trouble."""
        pause = self.settings.probe_seconds
        while True:
            self._doubt.clear()
            with contextlib.suppress(ApiError, Unavailable):  # said by `outage` and by `resync`
                await self.cluster.probe(self._probe_namespace)
            await asyncio.sleep(min(PROBE_SPACING_SECONDS, pause))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pause - PROBE_SPACING_SECONDS)):
                    await self._doubt.wait()

    # -- work ----------------------------------------------------------------------------------------------------------

    async def _reconcile_snapshot(self, key: str) -> None:
        with self.metrics.evaluation_seconds.time():
            due = await self.snapshots.reconcile()
        self._copy_new_fleets()
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
        """A key's work failed and is tried again; what is said elsewhere or heals by itself is only counted."""
        match error:
            case Conflict():
                result = "conflict"
            case ApiError() | Unserved():
                result = "refused" if isinstance(error, ApiError) else "unavailable"
                kind = key.kind if isinstance(key, ObjectId) else key
                told_apart = isinstance(error, ApiError) or (delay >= COMPLAINT_DELAY and not self.outage.active)
                if told_apart and self._complaints.due((kind, error.status), time.monotonic()):
                    logger.error("%s: %s; trying again, with others of this kind that are refused too", key, error)
            case Unavailable():
                result = "unavailable"
            case _:
                result = "failed"
                logger.error("%s failed, trying again in %.1f s: an error of the operator", key, delay, exc_info=error)
        self.metrics.reconciles.labels(key.kind if isinstance(key, ObjectId) else "Snapshot", result).inc()

    def _published(self, publication: Publication, frames: list[Published]) -> None:
        gateway = publication.target.scope == GATEWAY_SCOPE
        for frame in frames:
            self.metrics.frames.labels(frame.kind).inc()
            if gateway:
                size = self.metrics.frame_bytes.labels(frame.kind, publication.target.router_class)
                size.set(len(frame.data))
        name = publication.target.router_class
        if gateway and name in self._copied and any(frame.kind in {"config", "endpoints"} for frame in frames):
            self.bootstrap.offer(publication)

    def _copy_new_fleets(self) -> None:
        """Bootstrap copies are for fleets that exist or are declared: a new one gets what stands."""
        fleets = {*self.snapshots.fleets, *self.settings.expected_routers}
        for name in fleets - self._copied:
            publication = self.hub.publications.get(Target(GATEWAY_SCOPE, name))
            if publication is not None and publication.frames:
                self.bootstrap.offer(publication)
        self._copied = fleets

    def _relisted(self) -> None:
        self.resync.soon()

    def _recovered(self) -> None:
        """The API server is back."""
        self._back.set()

    def _overtaken(self, pod: str, newer: Revision) -> None:
        """A gateway router holds something newer than what this term can publish."""
        if not self._newer.done():
            logger.error(
                "router %s holds revision %s, newer than this operator's epoch %d: the Lease was set back (etcd was "
                "restored, perhaps). A new term above it begins",
                *(pod, newer, self.hub.term[1]),
            )
            self._newer.set_result(newer.epoch)

    async def _outgrow(self) -> None:
        await self.leader.outgrow(await self._newer)

    async def _recover(self) -> None:
        """After an outage: looks at everything again; however often one ends, at most every few seconds."""
        while True:
            await self._back.wait()
            self._back.clear()
            self.resync.soon()
            self.snapshots.look_again()
            self.causes.everything()
            await asyncio.sleep(RECOVERY_SECONDS)

    # -- what is told --------------------------------------------------------------------------------------------------

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
        alive = self.leader.term is None or await self.kopf.alive()
        return None if alive else "kopf's thread does not answer"

    def _called(self, verb: str, plural: str, outcome: str) -> None:
        self.metrics.api_requests.labels(verb, plural, outcome).inc()
        if outcome == "unreachable" or outcome in {"401", "429"} or outcome.startswith("5"):
            self._doubt.set()

    def _collect(self) -> None:
        collect.collect_state(
            self.metrics, leading=self.leader.leading, outage=self.outage.active, expires=self.keeper.expires
        )
        depths = {"snapshot": len(self.snapshot_queue.queue), "status": len(self.status_queue.queue)}
        collect.collect_queues(self.metrics, depths)
        collect.collect_store(self.metrics, self.store)
        collect.collect_routers(self.metrics, self.hub, self.snapshots.fleets)


def _counting(counter: Counter) -> Callable[[str], None]:
    """Counts by the counter's one label."""
    return lambda value: counter.labels(value).inc()


def _now() -> datetime:
    return datetime.now(UTC)
