"""What can be settled before a request comes: who asks for which model by which operation, with which capabilities,
gives a route, the merged rules and the offers that pass what configuration alone decides. Made on first use, kept in
the routing table's memo, gone with the table. Pure.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import Final, NamedTuple

from tieline_api.snapshot import Constraints

from tieline_router.apis import Operation
from tieline_router.errors import ErrorClass
from tieline_router.routing.callers import Caller
from tieline_router.routing.constraints import Rules, merge
from tieline_router.routing.decision import Exclusion
from tieline_router.routing.filters import (
    CONTEXT_MARGIN,
    KIND_FILTERS,
    MAX_PRICE,
    MODEL_NOT_SERVED,
    OFFER_FILTERS,
    over_price,
)
from tieline_router.routing.matching import allows
from tieline_router.routing.offers import Offer
from tieline_router.routing.table import (
    MAX_PLANS,
    CompiledBackend,
    CompiledFallback,
    CompiledRoute,
    PlanKey,
    RoutingTable,
)
from tieline_router.routing.view import RequestView

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

    @property
    def rank(self) -> tuple[int, bool]:
        """Lower comes first under every strategy: priority, then native before translated."""
        return self.priority, self.translated


Row = tuple[Offer, int, int, int, Operation, bool, float, float, float]
"""A planned offer with its prices (`PriceNow`: prompt, completion, request), as a plain tuple: a loop over subclasses
of tuple takes twice as long."""


def row(planned: PlannedOffer, prompt_tokens: int, now: float) -> Row:
    """With the prices for a prompt of this size at this time."""
    price = planned.offer.price(prompt_tokens, now)
    return (*planned, price.prompt, price.completion, price.request)


class Plan:
    """Immutable. The fields after `exclusions` follow from the offers; `quick.py` reads them."""

    __slots__ = (
        "asked", "exclusions", "fallbacks", "groups", "max_output", "max_prompt", "model", "offers", "pools", "route",
        "rows", "rules", "strategy",
    )  # fmt: skip

    def __init__(
        self,
        model: str,
        asked: CompiledRoute,
        route: str,
        strategy: str,
        rules: Rules,
        offers: tuple[PlannedOffer, ...],
        exclusions: tuple[Exclusion, ...],
        fallbacks: tuple[CompiledFallback, ...] = (),
    ) -> None:
        self.model = model
        self.asked = asked
        """The route that the request matched."""
        self.route = route
        """Key of the route that brought the backends; empty for a fallback's own list."""
        self.strategy = strategy
        self.rules = rules
        self.offers = offers
        self.exclusions = exclusions
        self.fallbacks = fallbacks
        """Those that the consumer may use."""
        self.pools = frozenset(planned.offer.pool.key for planned in offers)
        ranked = sorted(offers, key=lambda planned: planned.rank)
        self.groups = tuple(tuple(group) for _, group in groupby(ranked, lambda planned: planned.rank))
        """Offers of equal rank, lower first, each in the order of `offers`."""
        self.max_prompt = min((_most(planned.offer.context_length, CONTEXT_MARGIN) for planned in offers), default=0.0)
        """Prompt tokens that no offer is excluded for; `max_output` likewise."""
        self.max_output = min((_most(planned.offer.max_output_tokens, 1.0) for planned in offers), default=0.0)
        varies = any(planned.offer.varies for planned in offers)
        self.rows = None if varies else tuple(tuple(row(one, 0, 0.0) for one in group) for group in self.groups)
        """`groups` with prices; None where a price depends on the time or on the prompt."""


def _most(limit: int | None, margin: float) -> float:
    return math.inf if limit is None else limit * margin


def prepare(table: RoutingTable, caller: Caller, view: RequestView) -> Plan | ErrorClass:
    """The plan for the requested model, or why there is none: no route, or not for this consumer."""
    consumer = caller.consumer
    key = (
        "",
        consumer.key if consumer is not None else caller.namespace,
        view.model,
        view.operation.path,
        view.parameters,
        view.input_modalities,
        view.output_modalities,
    )
    plan = table.plans.get(key)
    if plan is not None:
        return plan
    models = consumer.models if consumer is not None else None
    if models is not None and not allows(models, view.model):
        return ErrorClass.MODEL_NOT_ALLOWED
    route = table.match(caller.namespace, view.model)
    if route is None:
        return ErrorClass.MODEL_NOT_FOUND
    rules = merge(route.wire.constraints, _constraints(caller))
    offers, exclusions = _sift(view.model, view, rules, route.backends)
    fallbacks = tuple(f for f in route.fallbacks if models is None or allows(models, f.model))
    made = Plan(view.model, route, route.key, route.wire.strategy, rules, offers, exclusions, fallbacks)
    return _keep(table, key, made)


def prepare_fallback(
    table: RoutingTable, route: CompiledRoute, caller: Caller, view: RequestView, fallback: CompiledFallback
) -> Plan:
    """The plan for a fallback's model: the backends of the route of the namespace that claims the name, else what the
    operator resolved. The rules of the route that names the fallback hold in any case, and those of the claiming
    route with them."""
    kind = (view.operation.path, view.parameters, view.input_modalities, view.output_modalities)
    key = (route.key, caller.turn, fallback.model, *kind)
    plan = table.plans.get(key)
    if plan is not None:
        return plan
    claimed = table.match(route.namespace, fallback.model)
    theirs = claimed.wire.constraints if claimed else NO_CONSTRAINTS
    rules = merge(route.wire.constraints, theirs, _constraints(caller))
    offers, exclusions = _sift(fallback.model, view, rules, claimed.backends if claimed else fallback.backends)
    strategy = (claimed or route).wire.strategy
    made = Plan(fallback.model, route, claimed.key if claimed else "", strategy, rules, offers, exclusions)
    return _keep(table, key, made)


def _constraints(caller: Caller) -> Constraints:
    return caller.consumer.constraints if caller.consumer else NO_CONSTRAINTS


def _keep(table: RoutingTable, key: PlanKey, plan: Plan) -> Plan:
    if not plan.offers:  # callers invent names that a glob claims: what leads nowhere is not remembered
        return plan
    if len(table.plans) >= MAX_PLANS:
        table.plans.clear()
    table.plans[key] = plan
    return plan


def _sift(
    model: str, view: RequestView, rules: Rules, backends: Sequence[CompiledBackend]
) -> tuple[tuple[PlannedOffer, ...], tuple[Exclusion, ...]]:
    offers: list[PlannedOffer] = []
    exclusions: list[Exclusion] = []
    for backend in backends:
        name = backend.model or model
        served = backend.pool.offers.get(name, ())
        if not served:
            why = f"the pool has no model {name!r}"
            exclusions.append(Exclusion(backend.pool.key, name, "", MODEL_NOT_SERVED, why))
        for offer in served:
            why_not = _exclusions(offer, backend.weight, rules, view)
            exclusions += why_not
            spoken = offer.operation_for(view.operation)
            if not why_not and spoken is not None:
                translated = spoken.path != view.operation.path
                offers.append(PlannedOffer(offer, backend.priority, backend.weight, backend.order, spoken, translated))
    return tuple(offers), tuple(exclusions)


def _exclusions(offer: Offer, weight: int, rules: Rules, view: RequestView) -> list[Exclusion]:
    reasons = [(code, check(offer, weight, rules, view.operation)) for code, check in OFFER_FILTERS]
    reasons += [(code, check(offer, view)) for code, check in KIND_FILTERS]
    if not offer.varies:
        reasons.append((MAX_PRICE, over_price(rules, offer.price(0, 0.0))))
    return [Exclusion(offer.pool.key, offer.model_name, offer.model.variant, code, why) for code, why in reasons if why]
