"""What the operator writes about an object: its whole status, and Events on transitions. Pure.

`Observed` is all that the plan depends on; the status writer applies the plan and decides nothing. There is no plan
when nothing changed. Nothing global stands in a status (no revision, no price of the second), so that one endpoint's
flap does not rewrite every object.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from tieline_api.conditions import ConditionType, Reason
from tieline_api.names import CONSUMER, MODEL_ROUTE, PROVIDER_POOL

from tieline_operator.checks import joined
from tieline_operator.conditions import bounded, conditions
from tieline_operator.health import NOT_JUDGED, backend_reason, backends_health, pool_health
from tieline_operator.programmed import FleetProgress, programmed, routers_status
from tieline_operator.transitions import PlannedEvent, events
from tieline_operator.verdicts import (
    BackendVerdict,
    ConsumerVerdict,
    EndpointsVerdict,
    Evaluation,
    Finding,
    PoolVerdict,
    RouteVerdict,
    Verdict,
)
from tieline_operator.world import Invalid, ObjectId

MAX_BACKENDS: Final = 256
"""Entries that `status.backends` admits."""
MAX_BACKEND_MESSAGE: Final = 1024
_MOST_USD: Final = 10**9
"""Below this an amount fits its field."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One object: what it says of itself, and all that was found out about it."""

    id: ObjectId
    generation: int
    status: Mapping[str, Any]
    """As the API server has it; empty when there is none."""
    evaluation: Evaluation
    fleets: tuple[FleetProgress, ...] = ()
    """For routes: the fleet of its class, and sidecars."""


@dataclass(frozen=True, slots=True)
class StatusPlan:
    id: ObjectId
    status: dict[str, Any]
    """The whole status."""
    events: tuple[PlannedEvent, ...] = field(default=())


def plan_status(observed: Observed, now: datetime) -> StatusPlan | None:
    """What is to be written, or None: nothing changed, or the object is gone."""
    found = _findings(observed)
    if found is None:
        return None
    findings, rest = found
    before = observed.status.get("conditions") or []
    after = conditions(observed.id.kind, findings, observed.generation, before, now)
    status = {"conditions": after, **{name: value for name, value in rest.items() if value}}
    if status == dict(observed.status):
        return None
    return StatusPlan(observed.id, status, events(before, after))


_Findings = tuple[dict[ConditionType, Finding], dict[str, Any]]


def _findings(observed: Observed) -> _Findings | None:
    """Conditions, and the other parts of the status."""
    evaluation, key = observed.evaluation, observed.id.key
    broken = evaluation.invalid.get(observed.id)
    if broken is not None:
        return _of_invalid(broken), {}
    match observed.id.kind:
        case str() as kind if kind == MODEL_ROUTE and key in evaluation.routes:
            return _of_route(observed, evaluation.routes[key])
        case str() as kind if kind == PROVIDER_POOL and key in evaluation.pools:
            return _of_pool(observed, evaluation.pools[key])
        case str() as kind if kind == CONSUMER and key in evaluation.consumers:
            return _of_consumer(evaluation.consumers[key])
        case _:
            return None


def _of_invalid(broken: Invalid) -> dict[ConditionType, Finding]:
    findings = {
        ConditionType.ACCEPTED: Finding("False", Reason.INVALID, f"{broken.reason}: correct it"),
        ConditionType.RESOLVED_REFS: NOT_JUDGED,
    }
    match broken.id.kind:
        case str() as kind if kind == MODEL_ROUTE:
            findings[ConditionType.PROGRAMMED] = Finding("False", Reason.NOT_ACCEPTED, "see Accepted")
            findings[ConditionType.BACKENDS_HEALTHY] = NOT_JUDGED
        case str() as kind if kind == PROVIDER_POOL:
            findings[ConditionType.HEALTHY] = NOT_JUDGED
        case _:
            findings[ConditionType.BUDGET_AVAILABLE] = NOT_JUDGED
    return findings


def _shared(verdict: Verdict, problem: Finding | None = None) -> dict[ConditionType, Finding]:
    resolved = verdict.resolved_refs
    if problem is not None:
        resolved = problem if resolved.holds else joined((resolved, problem), resolved)
    findings = {ConditionType.ACCEPTED: verdict.accepted, ConditionType.RESOLVED_REFS: resolved}
    if verdict.ignored:
        message = f"without effect in this version: {', '.join(verdict.ignored)}"
        findings[ConditionType.FIELDS_IGNORED] = Finding("True", Reason.NOT_IMPLEMENTED, bounded(message))
    return findings


def _of_route(observed: Observed, route: RouteVerdict) -> _Findings:
    findings = _shared(route.verdict)
    previous = {entry.get("class"): entry for entry in observed.status.get("routers") or []}
    routers: list[dict[str, Any]] = []
    if route.verdict.accepted.holds:
        findings[ConditionType.PROGRAMMED] = programmed(observed.fleets, route.router_class)
        findings[ConditionType.BACKENDS_HEALTHY] = backends_health(observed.evaluation, route.backends)
        routers = routers_status(observed.fleets, observed.generation, previous)
    else:
        findings[ConditionType.PROGRAMMED] = Finding("False", Reason.NOT_ACCEPTED, "see Accepted")
        findings[ConditionType.BACKENDS_HEALTHY] = NOT_JUDGED
    backends = [_backend(observed, backend) for backend in route.backends[:MAX_BACKENDS]]
    return findings, {"routers": routers, "backends": backends}


def _backend(observed: Observed, backend: BackendVerdict) -> dict[str, Any]:
    namespace, _, name = backend.pool.partition("/")
    entry: dict[str, Any] = {"name": name}
    if namespace != observed.id.key.partition("/")[0]:
        entry["namespace"] = namespace
    if backend.model is not None:
        entry["model"] = backend.model
    if backend.problem is not None:
        return entry | {"reason": str(backend.problem.reason), "message": backend.problem.message[:MAX_BACKEND_MESSAGE]}
    return entry | {"reason": str(backend_reason(observed.evaluation, backend.pool)), "message": ""}


def _of_pool(observed: Observed, pool: PoolVerdict) -> _Findings:
    endpoints = observed.evaluation.endpoints.get(observed.id.key)
    findings = _shared(pool.verdict, endpoints.problem if endpoints is not None else None)
    findings[ConditionType.HEALTHY] = pool_health(observed.evaluation, observed.id.key)
    return findings, {"endpoints": _counts(endpoints), "price": _price(pool)}


def _counts(endpoints: EndpointsVerdict | None) -> dict[str, int]:
    """Until requests are observed, what is ready counts as healthy. External pools have no endpoints of their own."""
    if endpoints is None:
        return {}
    return {"total": endpoints.total, "ready": endpoints.ready, "healthy": endpoints.ready}


def _price(pool: PoolVerdict) -> dict[str, str]:
    """What own tokens cost at the stated capacity, where no price is stated."""
    for model in pool.wire.models if pool.wire is not None else ():
        if model.pricing is not None and model.pricing.source == "Cost":
            price = model.pricing.base.prompt
            if price is not None and price < _MOST_USD:
                return {"averagePerMillion": f"{price.normalize():f}"}
    return {}


def _of_consumer(consumer: ConsumerVerdict) -> _Findings:
    findings = _shared(consumer.verdict)
    accepted = consumer.verdict.accepted.holds
    findings[ConditionType.BUDGET_AVAILABLE] = Finding("True", Reason.NO_BUDGET) if accepted else NOT_JUDGED
    return findings, {}
