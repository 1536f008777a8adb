"""Level-based reconcile, the same for every cause: gather → decide (pure) → publish. A second run publishes nothing.

One key for everything: judge all objects, publish the frames that changed, name the objects whose status may follow
(`statuses`). It does not know why it runs.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final

from tieline_api.names import DEFAULT_ROUTER_CLASS, GATEWAY_SCOPE, Key
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
from tieline_operator.resources import CONSUMERS, MODEL_ROUTES, PROVIDER_POOLS, SECRETS
from tieline_operator.store import Store
from tieline_operator.verdicts import Evaluation
from tieline_operator.world import ObjectId, World

logger = logging.getLogger(__name__)

LOOK_SECONDS: Final = 1.0
"""Longest wait for the metadata of Secrets that a reference names and no label permits."""
MAX_LOOKS: Final = 64
"""Such Secrets that are looked up in one reconcile."""


class Snapshots:
    """Judges all objects and publishes frames. What it found stands in `world`, `evaluation` and `fleets` for others.

    Args:
        changed: objects of ours with new content, emptied here: their status follows even if their verdict stays.
        published: called with the publication and its new frames.
        touched: called with the objects whose status may have to change.
        run: runs the judgement; in a thread, so that heartbeats and acknowledgements go on meanwhile.
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
        changed: set[ObjectId],
        published: Callable[[Publication, list[Published]], None],
        touched: Callable[[Iterable[ObjectId]], None],
        run: Callable[..., Awaitable[tuple[Evaluation, dict[Target, Compiled]]]] = asyncio.to_thread,
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
        self._run = run
        self._counter = 0
        self._changed = changed
        self._looked: set[Key] = set()

    def look_again(self) -> None:
        """Secrets that lacked their label, or did not exist, may have changed."""
        self._looked.clear()

    async def reconcile(self) -> float | None:
        """One pass over everything. Returns when the next one is due even without a change (clock), or None.

        Raises:
            Unavailable: the Lease is not renewed, so nothing may be published.
        """
        self._must_lead()
        changed = set(self._changed)
        self._changed.clear()
        try:
            world, fleets = self._gatherer.world(), self._gatherer.fleets()
            targets = self._targets(fleets)
            evaluation, compiled = await self._run(_judge, world, self.evaluation, targets)
            self._must_lead()
        except BaseException:
            self._changed.update(changed)
            raise
        before, self.evaluation, self.world = self.evaluation, evaluation, world
        _tell_faults(before, evaluation)
        moved_fleets = {
            name for name in fleets.keys() | self.fleets.keys() if fleets.get(name) != self.fleets.get(name)
        }
        self.fleets = fleets
        touched = changed | set(_differing(before, evaluation, moved_fleets))
        for target, content in compiled.items():
            touched |= self._publish(target, content)
        self._hub.retain(targets)
        if await self._look_for_unlabelled(world):  # after publishing, which must not wait for it
            self._changed |= touched  # judged once more before a status says what the look has corrected
            return self._clock()
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

    def _targets(self, fleets: Mapping[str, object]) -> list[Target]:
        """Whom to compile for: the default class, every fleet that exists or is declared, and who is connected. A class
        that only a route names has nobody who would read it, and every publication holds all consumers."""
        classes = {DEFAULT_ROUTER_CLASS, *fleets, *self._expected}
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

    async def _look_for_unlabelled(self, world: World) -> bool:
        """Learns which Secrets exist without the label (metadata alone), so that conditions name the remedy. True when
        something was learnt, so that all is judged once more. What cannot be read is left until `look_again`."""
        referred = secret_references(world)
        known = self._store.bodies(SECRETS.kind).keys()
        before = set(self._gatherer.unlabelled)
        for key in before - (referred - known):
            del self._gatherer.unlabelled[key]
        self._looked &= referred
        wanted = sorted(referred - known - self._looked)[:MAX_LOOKS]
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                for key in wanted:
                    self._looked.add(key)
                    await self._look(key)
        except (TimeoutError, Unavailable) as error:
            logger.debug("Secrets without label not looked up: %s", error)
        return bool(set(self._gatherer.unlabelled) - before) or len(wanted) == MAX_LOOKS

    async def _look(self, key: Key) -> None:
        namespace, _, name = key.partition("/")
        try:
            body = await self._cluster.get_metadata(SECRETS, namespace, name)
        except ApiError as error:
            logger.debug("Secret %s without label not looked up: %s", key, error)
            body = None
        if body is None:
            self._gatherer.unlabelled.pop(key, None)
        else:
            self._gatherer.unlabelled[key] = SecretObject.from_object({"metadata": body["metadata"]})


def _judge(
    world: World, previous: Evaluation | None, targets: Iterable[Target]
) -> tuple[Evaluation, dict[Target, Compiled]]:
    evaluation = evaluate(world, previous)
    return evaluation, {item: compile_scope(evaluation, item.scope, item.router_class) for item in targets}


def _tell_faults(before: Evaluation | None, after: Evaluation) -> None:
    """One record for each new mistake of ours, with its stack and without its text, which may quote a secret."""
    known = {(id_, type(error)) for id_, error in before.faults} if before is not None else set()
    for id_, error in after.faults:
        if (id_, type(error)) not in known:
            stack = "".join(traceback.format_tb(error.__traceback__))
            logger.error("%s cannot be judged: %s, an error of the operator\n%s", id_, type(error).__name__, stack)


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
