"""Judges the whole World: one verdict for each object, from which conditions and snapshots follow. Pure, total, cheap.

Called by the operator at every change and by `tieline dev|lint|explain`. Each verdict is a function of its inputs,
which stand next to it; with the evaluation before at hand only what depends on the change is judged anew. The order is
that of dependence: pools, addresses, consumers, routes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tieline_api.names import Key
from tieline_api.v1alpha1.consumer import Consumer
from tieline_api.v1alpha1.modelroute import ModelRoute

from tieline_operator import addresses, consumers, pools, routes
from tieline_operator.consumers import ConsumerKeys
from tieline_operator.memo import Table, update
from tieline_operator.tenancy import Claimant, winners
from tieline_operator.verdicts import ConsumerVerdict, EndpointsVerdict, Evaluation, PoolVerdict, RouteVerdict
from tieline_operator.world import World

Fleet = tuple[str, str]
"""Namespace and router class: model names are unique within it."""


@dataclass(frozen=True, slots=True)
class _Memory:
    """What one evaluation leaves to the next."""

    pools: Table[PoolVerdict] = field(default_factory=Table)
    endpoints: Table[EndpointsVerdict] = field(default_factory=Table)
    keys: Table[ConsumerKeys] = field(default_factory=Table)
    consumers: Table[ConsumerVerdict] = field(default_factory=Table)
    routes: Table[RouteVerdict] = field(default_factory=Table)


def evaluate(world: World, previous: Evaluation | None = None) -> Evaluation:
    """All verdicts. `previous` makes it cheap and changes nothing: the result equals that of a full pass."""
    before = previous.memory if previous is not None and isinstance(previous.memory, _Memory) else _Memory()
    pool_table = _pools(world, before.pools)
    endpoint_table = _endpoints(world, before.endpoints)
    key_table = _keys(world, before.keys)
    consumer_table = _consumers(world, key_table, before)
    route_table = _routes(world, pool_table.values, before.routes)
    return Evaluation(
        pools=pool_table.values,
        endpoints=endpoint_table.values,
        routes=route_table.values,
        consumers=consumer_table.values,
        invalid=world.invalid,
        memory=_Memory(pool_table, endpoint_table, key_table, consumer_table, route_table),
    )


def _pools(world: World, before: Table[PoolVerdict]) -> Table[PoolVerdict]:
    inputs = {
        key: (pool.spec, world.options, *(world.secrets.get(secret) for secret in pools.secret_keys(pool)))
        for key, pool in world.pools.items()
    }
    return update(before, inputs, lambda key: pools.evaluate_pool(world.pools[key], world.secrets, world.options))


def _endpoints(world: World, before: Table[EndpointsVerdict]) -> Table[EndpointsVerdict]:
    hosted = {
        key: (pool.namespace, pool.spec.self_hosted)
        for key, pool in world.pools.items()
        if pool.spec.self_hosted is not None and pool.spec.type == "SelfHosted"
    }
    inputs: dict[Key, tuple[object, ...]] = {}
    for key, (namespace, spec) in hosted.items():
        service = addresses.service_key(namespace, spec)
        known = (world.services.get(service), world.slices.get(service)) if service is not None else ()
        inputs[key] = (spec, world.options, *known)

    def judge(key: Key) -> EndpointsVerdict:
        namespace, spec = hosted[key]
        return addresses.endpoints(namespace, spec, world.services, world.slices, world.options)

    return update(before, inputs, judge)


def _keys(world: World, before: Table[ConsumerKeys]) -> Table[ConsumerKeys]:
    inputs = {
        key: (consumer.spec.keys, *(world.secrets.get(secret) for secret in consumers.secret_keys(consumer)))
        for key, consumer in world.consumers.items()
    }
    return update(before, inputs, lambda key: consumers.resolve_keys(world.consumers[key], world.secrets))


def _consumers(world: World, keys: Table[ConsumerKeys], before: _Memory) -> Table[ConsumerVerdict]:
    claims: list[tuple[Claimant, Iterable[str]]] = [
        (_claimant(consumer), [item.sha256 for item in keys.values[key].found])
        for key, consumer in world.consumers.items()
    ]
    holders = winners(claims)
    inputs: dict[Key, tuple[object, ...]] = {}
    lost: dict[Key, dict[str, Key]] = {}
    for key, consumer in world.consumers.items():
        found = keys.values[key]
        lost[key] = {item.sha256: holders[item.sha256] for item in found.found if holders[item.sha256] != key}
        inputs[key] = (consumer.spec, found, lost[key])
    return update(
        before.consumers,
        inputs,
        lambda key: consumers.evaluate_consumer(world.consumers[key], keys.values[key], lost[key]),
    )


def _claimant(thing: Consumer | ModelRoute) -> Claimant:
    return Claimant.of(thing.created, thing.key)


def _fleets(world: World) -> dict[Fleet, dict[str, Key]]:
    """Who holds each model name (plain or glob), by namespace and router class."""
    claims: dict[Fleet, list[tuple[Claimant, Iterable[str]]]] = {}
    for route in world.routes.values():
        claims.setdefault((route.namespace, route.spec.router_class), []).append((_claimant(route), route.spec.models))
    return {fleet: winners(claimed) for fleet, claimed in claims.items()}


def _by_namespace(verdicts: Mapping[Key, PoolVerdict]) -> dict[str, dict[Key, PoolVerdict]]:
    groups: dict[str, dict[Key, PoolVerdict]] = {}
    for key in sorted(verdicts):
        groups.setdefault(key.partition("/")[0], {})[key] = verdicts[key]
    return groups


def _routes(world: World, verdicts: Mapping[Key, PoolVerdict], before: Table[RouteVerdict]) -> Table[RouteVerdict]:
    fleets, local = _fleets(world), _by_namespace(verdicts)
    around: dict[Key, routes.Surroundings] = {}
    inputs: dict[Key, tuple[object, ...]] = {}
    for key, route in world.routes.items():
        held = fleets[route.namespace, route.spec.router_class]
        around[key] = routes.Surroundings(
            options=world.options,
            namespace=world.namespaces.get(route.namespace),
            lost={name: held[name] for name in route.spec.models if held[name] != key},
            named={pool: verdicts.get(pool) for pool in routes.pool_keys(route)},
            local=local.get(route.namespace, {}) if routes.needs_local(route) else {},
            answered=frozenset(
                item.model for item in route.spec.fallbacks if routes.is_answered(item.model, held, key)
            ),
        )
        inputs[key] = (route.spec, route.metadata.generation, route.created, around[key])
    return update(before, inputs, lambda key: routes.evaluate_route(world.routes[key], around[key]))
