"""One key per object: plan its status from what is known, and write it if it changed. A second run writes nothing.

Called by the status workers; `reconcile.Snapshots` has the verdicts, `delivery.sessions.Hub` what routers acknowledged,
`plan` decides, `apply` writes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Final

from tieline_api.conditions import ConditionType
from tieline_api.names import GATEWAY_SCOPE, Key, namespace_scope

from tieline_operator.delivery.publications import Target
from tieline_operator.delivery.sessions import Hub
from tieline_operator.errors import Unavailable
from tieline_operator.leader import Leader
from tieline_operator.plan import Observed, StatusPlan, plan_status
from tieline_operator.programmed import FleetProgress
from tieline_operator.reconcile import Snapshots
from tieline_operator.resources import MODEL_ROUTES, Body
from tieline_operator.store import Store
from tieline_operator.verdicts import Evaluation
from tieline_operator.world import ObjectId

SIDECARS: Final = "sidecar"
"""Under this class a route's status reports the routers of its own namespace."""


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
