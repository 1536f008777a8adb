"""What can be settled before a request comes: for (route, consumer, model, operation) the merged rules and
the offers that pass what configuration alone decides. Made on first use, kept in the routing table's memo, gone with
the table. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tieline_api.snapshot import Constraints

from tieline_router.apis import Operation
from tieline_router.routing.callers import Caller
from tieline_router.routing.constraints import Rules, merge
from tieline_router.routing.decision import Exclusion
from tieline_router.routing.filters import MODEL_NOT_SERVED, OFFER_FILTERS
from tieline_router.routing.offers import Offer
from tieline_router.routing.table import (
    MAX_PLANS,
    CompiledBackend,
    CompiledFallback,
    CompiledRoute,
    PlanKey,
    RoutingTable,
)

NO_CONSTRAINTS: Final = Constraints()


class PlannedOffer(NamedTuple):
    offer: Offer
    priority: int
    weight: int
    order: int
    operation: Operation
    """What the provider is asked by."""
    translated: bool
    """That is another operation than the client's."""


class Plan(NamedTuple):
    """`route` is the key of the route that brought the backends; empty for a fallback's own list."""

    model: str
    route: str
    strategy: str
    rules: Rules
    offers: tuple[PlannedOffer, ...]
    exclusions: tuple[Exclusion, ...]


def prepare(table: RoutingTable, route: CompiledRoute, caller: Caller, model: str, operation: Operation) -> Plan:
    """The plan for the requested model, by its route."""
    key = (route.key, "", caller.consumer_key, model, operation.path)
    plan = table.plans.get(key)
    if plan is None:
        rules = merge(route.wire.constraints, _constraints(caller))
        plan = _keep(table, key, _plan(model, operation, route.key, route.wire.strategy, rules, route.backends))
    return plan


def prepare_fallback(
    table: RoutingTable, route: CompiledRoute, caller: Caller, fallback: CompiledFallback, operation: Operation
) -> Plan:
    """The plan for a fallback's model: the backends of the route of the namespace that claims the name, else what the
    operator resolved. The rules of the route that names the fallback hold in any case, and those of the claiming
    route with them."""
    key = (route.key, fallback.model, caller.consumer_key, fallback.model, operation.path)
    plan = table.plans.get(key)
    if plan is None:
        claimed = table.match(route.namespace, fallback.model)
        theirs = claimed.wire.constraints if claimed else NO_CONSTRAINTS
        rules = merge(route.wire.constraints, theirs, _constraints(caller))
        backends = claimed.backends if claimed else fallback.backends
        strategy = (claimed or route).wire.strategy
        made = _plan(fallback.model, operation, claimed.key if claimed else "", strategy, rules, backends)
        plan = _keep(table, key, made)
    return plan


def _constraints(caller: Caller) -> Constraints:
    return caller.consumer.constraints if caller.consumer else NO_CONSTRAINTS


def _keep(table: RoutingTable, key: PlanKey, plan: Plan) -> Plan:
    if not plan.offers:  # callers invent names that a glob claims: what leads nowhere is not remembered
        return plan
    if len(table.plans) >= MAX_PLANS:
        table.plans.clear()
    table.plans[key] = plan
    return plan


def _plan(
    model: str, operation: Operation, route: str, strategy: str, rules: Rules, backends: Sequence[CompiledBackend]
) -> Plan:
    offers: list[PlannedOffer] = []
    exclusions: list[Exclusion] = []
    for backend in backends:
        name = backend.model or model
        served = backend.pool.offers.get(name, ())
        if not served:
            why = f"the pool has no model {name!r}"
            exclusions.append(Exclusion(backend.pool.key, name, "", MODEL_NOT_SERVED, why))
        for offer in served:
            why_not = _exclusions(offer, backend.weight, rules, operation)
            exclusions += why_not
            spoken = offer.operation_for(operation)
            if not why_not and spoken is not None:
                translated = spoken.path != operation.path
                offers.append(PlannedOffer(offer, backend.priority, backend.weight, backend.order, spoken, translated))
    return Plan(model, route, strategy, rules, tuple(offers), tuple(exclusions))


def _exclusions(offer: Offer, weight: int, rules: Rules, operation: Operation) -> list[Exclusion]:
    reasons = [(filter_.code, filter_.check(offer, weight, rules, operation)) for filter_ in OFFER_FILTERS]
    return [Exclusion(offer.pool.key, offer.model_name, offer.model.variant, code, why) for code, why in reasons if why]
