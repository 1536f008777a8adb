"""Level-based reconcile, the same for every cause: gather → decide (pure) → apply. A second run writes nothing.

`Snapshots` has one key: judge everything, publish what changed, and name the objects whose status may follow.
`Statuses` has one key per object: plan its status and write it if it changed. Neither knows why it runs.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

from tieline_api.conditions import ConditionType
from tieline_api.names import DEFAULT_ROUTER_CLASS, GATEWAY_SCOPE, Key, namespace_scope
from tieline_api.snapshot import Revision

from tieline_operator.cluster import Cluster
from tieline_operator.compile import Compiled, compile_scope
from tieline_operator.delivery.publications import Publication, Published, Target
from tieline_operator.delivery.sessions import Hub
from tieline_operator.errors import ApiError, Unavailable
from tieline_operator.evaluate import evaluate
from tieline_operator.gather import Gatherer, secret_references
from tieline_operator.leader import Leader
from tieline_operator.objects import SecretObject
from tieline_operator.plan import Observed, StatusPlan, plan_status
from tieline_operator.programmed import FleetProgress
from tieline_operator.resources import CONSUMERS, MODEL_ROUTES, PROVIDER_POOLS, SECRETS, Body
from tieline_operator.store import Store
from tieline_operator.verdicts import Evaluation
from tieline_operator.world import ObjectId, World

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""Longest wait for the metadata of Secrets that a reference names and no label permits."""
MAX_LOOKS: Final = 64
"""Such Secrets that are looked up in one reconcile."""
SIDECARS: Final = "sidecar"
"""Under this class a route's status reports the routers of its own namespace."""


class Snapshots:
    """Judges all objects and publishes frames. What it found stands in `world`, `evaluation` and `fleets` for others.

    Args:
        published: called with the publication and its new frames.
        touched: called with the objects whose status may have to change.
    """

    def __init__(
        self,
        *,
        cluster: Cluster,
        store: Store,
        gatherer: Gatherer,
        hub: Hub,
        leader: Leader,
        clock: Callable[[], float],
        expected: Mapping[str, int],
        published: Callable[[Publication, list[Published]], None],
        touched: Callable[[Iterable[ObjectId]], None],
    ) -> None:
        self.world = World()
        self.evaluation: Evaluation | None = None
        self.fleets: dict[str, tuple[str, ...]] = {}
        self.published_at: float | None = None
        self._cluster = cluster
        self._store = store
        self._gatherer = gatherer
        self._hub = hub
        self._leader = leader
        self._clock = clock
        self._expected = expected
        self._published = published
        self._touched = touched
        self._counter = 0
        self._changed: set[ObjectId] = set()
        self._looked: set[Key] = set()

    def changed(self, id_: ObjectId) -> None:
        """An object of ours has a new generation: its status follows even when its verdict stays the same."""
        self._changed.add(id_)

    def look_again(self) -> None:
        """Secrets that lacked their label, or did not exist, may have changed."""
        self._looked.clear()

    async def reconcile(self) -> float | None:
        """One pass over everything. Returns when the next one is due even without a change (clock), or None.

        Raises:
            Unavailable: the Lease is not renewed, so nothing may be published.
        """
        self._must_lead()
        changed, self._changed = self._changed, set()
        try:
            await self._look_for_unlabelled()
            world, fleets = self._gatherer.world(), self._gatherer.fleets()
            targets = self._targets(world, fleets)
            # A thread keeps heartbeats and acknowledgements going while much is judged.
            evaluation, compiled = await asyncio.to_thread(_judge, world, self.evaluation, targets)
            self._must_lead()
        except BaseException:
            self._changed |= changed
            raise
        before, self.evaluation, self.world = self.evaluation, evaluation, world
        moved_fleets = {
            name for name in fleets.keys() | self.fleets.keys() if fleets.get(name) != self.fleets.get(name)
        }
        self.fleets = fleets
        touched = changed | set(_differing(before, evaluation, moved_fleets))
        for target, content in compiled.items():
            touched |= self._publish(target, content)
        self._hub.retain(targets)
        self._touched(touched)
        ends = [until for item in self._hub.publications.values() if (until := item.lingers_until()) is not None]
        return min(ends, default=None)

    def generation(self, id_: ObjectId) -> int:
        """The generation of an object as it was judged."""
        tables: dict[str, Mapping[Key, object]] = {
            MODEL_ROUTES.kind: self.world.routes,
            PROVIDER_POOLS.kind: self.world.pools,
            CONSUMERS.kind: self.world.consumers,
        }
        found = tables[id_.kind].get(id_.key)
        if found is not None:
            return int(getattr(found, "metadata").generation or 0)  # noqa: B009 - the three kinds share no base here
        broken = self.world.invalid.get(id_)
        return broken.generation if broken is not None else 0

    def _must_lead(self) -> None:
        if not self._leader.leading:
            raise Unavailable("the Lease is not renewed")

    def _targets(self, world: World, fleets: Mapping[str, object]) -> list[Target]:
        """Whom to compile for: every fleet that exists, is declared or is named by a route, and who is connected."""
        classes = {DEFAULT_ROUTER_CLASS, *fleets, *self._expected}
        classes |= {route.spec.router_class for route in world.routes.values()}
        gateways = {Target(GATEWAY_SCOPE, name) for name in classes}
        return sorted(gateways | self._hub.connected().keys())

    def _publish(self, target: Target, compiled: Compiled) -> set[ObjectId]:
        publication = self._hub.publications.setdefault(target, Publication(target))
        before = publication.introduced
        frames = publication.update(compiled, self._next_revision, self._clock())
        if not frames:
            return set()
        self.published_at = self._clock() if self.published_at is None else self.published_at
        self._hub.broadcast(publication, frames)
        self._published(publication, frames)
        after = publication.introduced
        return {ObjectId(MODEL_ROUTES.kind, key) for key, counter in after.items() if before.get(key) != counter}

    def _next_revision(self) -> Revision:
        term = self._leader.term
        assert term is not None  # noqa: S101 - only the leader publishes
        self._counter += 1
        return Revision(term.installation, term.epoch, self._counter)

    async def _look_for_unlabelled(self) -> None:
        """Learns which Secrets exist without the label (metadata alone), so that conditions name the remedy."""
        referred = secret_references(self._gatherer.world())
        known = self._store.bodies(SECRETS.kind).keys()
        for key in self._gatherer.unlabelled.keys() - (referred - known):
            del self._gatherer.unlabelled[key]
        self._looked &= referred
        wanted = sorted(referred - known - self._looked)[:MAX_LOOKS]
        if not wanted:
            return
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                for key in wanted:
                    await self._look(key)
        except (TimeoutError, Unavailable, ApiError) as error:
            logger.debug("Secrets without label not looked up: %s", error)

    async def _look(self, key: Key) -> None:
        namespace, _, name = key.partition("/")
        body = await self._cluster.get_metadata(SECRETS, namespace, name)
        self._looked.add(key)
        if body is None:
            self._gatherer.unlabelled.pop(key, None)
        else:
            self._gatherer.unlabelled[key] = SecretObject.from_object({"metadata": body["metadata"]})


class Statuses:
    """Plans and writes the status of one object at a time.

    Args:
        write: carries a plan out (see `apply`).
        again: adds a key once more, after so many seconds.
    """

    def __init__(
        self,
        *,
        store: Store,
        snapshots: Snapshots,
        hub: Hub,
        leader: Leader,
        clock: Callable[[], float],
        now: Callable[[], datetime],
        expected: Mapping[str, int],
        settle_seconds: float,
        write: Callable[[StatusPlan, Body], Awaitable[object]],
        again: Callable[[ObjectId, float], None],
    ) -> None:
        self._store = store
        self._snapshots = snapshots
        self._hub = hub
        self._leader = leader
        self._clock = clock
        self._now = now
        self._expected = expected
        self._settle_seconds = settle_seconds
        self._write = write
        self._again = again

    async def reconcile(self, id_: ObjectId) -> None:
        """Brings one object's status to what is known.

        Raises:
            Unavailable: the Lease is not renewed, or the API server is away. ApiError: refused.
        """
        if not self._leader.leading:
            raise Unavailable("the Lease is not renewed")
        body, evaluation = self._store.get(id_.kind, id_.key), self._snapshots.evaluation
        if body is None or evaluation is None:
            return
        status = body.get("status") or {}
        fleets = self._fleets(id_, evaluation) if id_.kind == MODEL_ROUTES.kind else ()
        wait = self._settling(status, fleets)
        if wait > 0:
            self._again(id_, wait)
            return
        generation = self._snapshots.generation(id_)
        plan = plan_status(Observed(id_, generation, status, evaluation, fleets), self._now())
        if plan is not None:
            await self._write(plan, body)

    def _fleets(self, id_: ObjectId, evaluation: Evaluation) -> tuple[FleetProgress, ...]:
        verdict = evaluation.routes.get(id_.key)
        if verdict is None:
            return ()
        name = verdict.router_class
        found = [self._progress(Target(GATEWAY_SCOPE, name), id_.key, name)]
        sidecars = Target(namespace_scope(id_.key.partition("/")[0]), name)
        connected = self._hub.pods(sidecars)
        if connected:
            counter = self._counter(sidecars, id_.key)
            acked, rejected = self._hub.acked(sidecars, counter), self._hub.rejected(sidecars)
            found.append(FleetProgress(SIDECARS, connected, acked, rejected, waited_for=False))
        return tuple(found)

    def _progress(self, target: Target, key: Key, name: str) -> FleetProgress:
        acked, rejected = self._hub.acked(target, self._counter(target, key)), self._hub.rejected(target)
        pods = self._snapshots.fleets.get(name)
        if pods is not None:
            return FleetProgress(name, pods, acked, {pod: why for pod, why in rejected.items() if pod in pods})
        connected = self._hub.pods(target)
        here = {pod: why for pod, why in rejected.items() if pod in connected}
        declared = self._expected.get(name, 0)
        return FleetProgress(name, (), acked.intersection(connected), here, declared=declared)

    def _counter(self, target: Target, key: Key) -> int:
        """Counter of the config frame that first held the route as it is now; none acknowledges one not published."""
        publication = self._hub.publications.get(target)
        never = 2**62
        return publication.introduced.get(key, never) if publication is not None else never

    def _settling(self, status: Mapping[str, object], fleets: tuple[FleetProgress, ...]) -> float:
        """Seconds for which a route that was programmed is left alone, while routers come back after our restart."""
        started = self._snapshots.published_at
        if started is None or not fleets or not _was_programmed(status):
            return 0.0
        left = started + self._settle_seconds - self._clock()
        fleet = fleets[0]
        target = Target(GATEWAY_SCOPE, fleet.router_class)
        back = sum(self._hub.known(target, pod) for pod in fleet.expected or self._hub.pods(target))
        return max(0.0, left) if back < fleet.expected_count else 0.0


def _was_programmed(status: Mapping[str, object]) -> bool:
    conditions = status.get("conditions")
    return isinstance(conditions, list) and any(
        item.get("type") == ConditionType.PROGRAMMED and item.get("status") == "True" for item in conditions
    )


def _judge(
    world: World, previous: Evaluation | None, targets: Iterable[Target]
) -> tuple[Evaluation, dict[Target, Compiled]]:
    evaluation = evaluate(world, previous)
    return evaluation, {item: compile_scope(evaluation, item.scope, item.router_class) for item in targets}


def _differing(before: Evaluation | None, after: Evaluation, fleets: set[str]) -> Iterable[ObjectId]:
    """Objects whose status may follow from what changed between two evaluations, or in these fleets of routers."""
    none: dict[Key, object] = {}
    unwell = _moved(before.pools if before else none, after.pools)
    unwell |= _moved(before.endpoints if before else none, after.endpoints)
    routes = _moved(before.routes if before else none, after.routes)
    for key, verdict in after.routes.items():
        if key in routes or verdict.router_class in fleets or any(item.pool in unwell for item in verdict.backends):
            yield ObjectId(MODEL_ROUTES.kind, key)
    yield from (ObjectId(PROVIDER_POOLS.kind, key) for key in unwell)
    consumers = _moved(before.consumers if before else none, after.consumers)
    yield from (ObjectId(CONSUMERS.kind, key) for key in consumers)
    known = before.invalid if before is not None else {}
    yield from (id_ for id_, broken in after.invalid.items() if known.get(id_) != broken)


def _moved(before: Mapping[Key, object], after: Mapping[Key, object]) -> set[Key]:
    """Keys whose verdict is another object than before; those that vanished need no status."""
    return {key for key, verdict in after.items() if before.get(key) is not verdict}
