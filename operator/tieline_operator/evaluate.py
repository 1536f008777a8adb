"""Judges the whole World: one verdict for each object, from which conditions and snapshots follow. Pure, total, cheap.

Called by the operator at every change and by `tieline dev|lint|explain`. Each verdict is a function of its inputs,
which stand next to it; with the evaluation before at hand only what depends on the change is judged anew. The order is
that of dependence: pools and addresses, consumers, routes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field

from tieline_api.conditions import Reason
from tieline_api.names import CONSUMER, MODEL_ROUTE, PROVIDER_POOL, Key
from tieline_api.snapshot import PoolEndpoints
from tieline_api.v1alpha1.modelroute import ModelRoute

from tieline_operator import addresses, consumers, pools, routes
from tieline_operator.consumers import ConsumerKeys
from tieline_operator.faults import Faults
from tieline_operator.memo import Inputs, Table, differing, readers, update
from tieline_operator.tenancy import Claimant, Claims, holder, reclaim
from tieline_operator.verdicts import (
    ConsumerVerdict,
    EndpointsVerdict,
    Evaluation,
    Finding,
    PoolVerdict,
    Problem,
    RouteVerdict,
    Verdict,
)
from tieline_operator.world import ObjectId, World

Name = tuple[str, str, str]
"""Namespace, router class, and a model name or glob: what a route claims."""


@dataclass(frozen=True, slots=True)
class _Memory:
    """What one evaluation leaves to the next."""

    world: World = field(default_factory=World)
    unreadable: Mapping[Key, ModelRoute] = field(default_factory=dict)
    pools: Table[PoolVerdict] = field(default_factory=Table)
    endpoints: Table[EndpointsVerdict] = field(default_factory=Table)
    keys: Table[ConsumerKeys] = field(default_factory=Table)
    key_claims: Claims[str] = field(default_factory=dict)
    consumers: Table[ConsumerVerdict] = field(default_factory=Table)
    name_claims: Claims[Name] = field(default_factory=dict)
    local: Mapping[str, routes.LocalPools] = field(default_factory=dict)
    routes: Table[RouteVerdict] = field(default_factory=Table)


def evaluate(world: World, previous: Evaluation | None = None) -> Evaluation:
    """All verdicts. `previous` makes it cheap and changes nothing: the result equals that of a full pass."""
    before = previous.memory if previous is not None and isinstance(previous.memory, _Memory) else _Memory()
    if before.world.options != world.options:
        before = _Memory()
    faults = Faults()
    # Their names stay claimed, so that callers never fall to a broader route (see `tenancy`).
    unreadable = {
        id_.key: broken.claims for id_, broken in world.invalid.items() if broken.claims and id_.kind == MODEL_ROUTE
    }
    pool_table, changed_pools = _pools(world, before, faults)
    endpoint_table = _endpoints(world, before, faults)
    key_table, key_claims, consumer_table = _consumers(world, before, faults)
    local, name_claims, route_table = _routes(world, unreadable, before, pool_table.values, changed_pools, faults)
    memory = _Memory(
        world.copy(),
        unreadable,
        pool_table,
        endpoint_table,
        key_table,
        key_claims,
        consumer_table,
        name_claims,
        local,
        route_table,
    )
    return Evaluation(
        pools=pool_table.values,
        endpoints=endpoint_table.values,
        routes=route_table.values,
        consumers=consumer_table.values,
        invalid=world.invalid,
        faults=tuple((fault.id, fault.error) for fault in faults),
        memory=memory,
    )


def _pools(world: World, before: _Memory, faults: Faults) -> tuple[Table[PoolVerdict], set[Key]]:
    def inputs_of(key: Key) -> Inputs | None:
        pool = world.pools.get(key)
        if pool is None:
            return None
        secrets = tuple(pools.secret_keys(pool))
        return Inputs((pool.spec, *(world.secrets.get(secret) for secret in secrets)), frozenset(secrets))

    suspects = differing(before.world.pools, world.pools)
    suspects |= readers(before.pools, differing(before.world.secrets, world.secrets))
    return update(
        before.pools,
        suspects,
        inputs_of,
        lambda key: pools.evaluate_pool(world.pools[key], world.secrets, world.options),
        lambda key, error: PoolVerdict(Verdict(faults.finding(PROVIDER_POOL, key, error)), None),
    )


def _endpoints(world: World, before: _Memory, faults: Faults) -> Table[EndpointsVerdict]:
    def inputs_of(key: Key) -> Inputs | None:
        pool = world.pools.get(key)
        hosted = pool.spec.self_hosted if pool is not None else None
        if pool is None or hosted is None or pool.spec.type != "SelfHosted":
            return None
        service = addresses.service_key(pool.namespace, hosted)
        if service is None:
            return Inputs((hosted,))
        return Inputs((hosted, world.services.get(service), world.slices.get(service)), frozenset([service]))

    def judge(key: Key) -> EndpointsVerdict:
        pool = world.pools[key]
        assert pool.spec.self_hosted is not None  # noqa: S101 - inputs_of would have answered None
        return addresses.endpoints(pool.namespace, pool.spec.self_hosted, world.services, world.slices, world.options)

    suspects = differing(before.world.pools, world.pools)
    suspects |= readers(before.endpoints, differing(before.world.services, world.services))
    suspects |= readers(before.endpoints, differing(before.world.slices, world.slices))
    return update(
        before.endpoints,
        suspects,
        inputs_of,
        judge,
        lambda key, error: EndpointsVerdict(PoolEndpoints(), True, faults.finding(PROVIDER_POOL, key, error)),
    )[0]


def _consumers(
    world: World, before: _Memory, faults: Faults
) -> tuple[Table[ConsumerKeys], Claims[str], Table[ConsumerVerdict]]:
    def keys_from(key: Key) -> Inputs | None:
        consumer = world.consumers.get(key)
        if consumer is None:
            return None
        secrets = tuple(consumers.secret_keys(consumer))
        return Inputs((consumer.spec.keys, *(world.secrets.get(secret) for secret in secrets)), frozenset(secrets))

    edited = differing(before.world.consumers, world.consumers)
    suspects = edited | readers(before.keys, differing(before.world.secrets, world.secrets))
    keys, changed = update(
        before.keys,
        suspects,
        keys_from,
        lambda key: consumers.resolve_keys(world.consumers[key], world.secrets),
        lambda key, error: ConsumerKeys((), faults.finding(CONSUMER, key, error)),
    )
    claims, moved = reclaim(
        before.key_claims,
        (
            (
                key,
                Claimant.of(world.consumers[key].created, key) if key in world.consumers else None,
                before.keys.values[key].hashes if key in before.keys.values else (),
                keys.values[key].hashes if key in keys.values else (),
            )
            for key in edited | changed
        ),
    )

    def lost(key: Key) -> dict[str, Key]:
        holders = {sha256: holder(claims, sha256) for sha256 in keys.values[key].hashes}
        return {sha256: other for sha256, other in holders.items() if other is not None and other != key}

    def inputs_of(key: Key) -> Inputs | None:
        consumer = world.consumers.get(key)
        if consumer is None:
            return None
        return Inputs((consumer.spec, keys.values[key], lost(key)), frozenset(keys.values[key].hashes))

    def judge(key: Key) -> ConsumerVerdict:
        return consumers.evaluate_consumer(world.consumers[key], keys.values[key], lost(key))

    table, _ = update(
        before.consumers,
        edited | changed | readers(before.consumers, moved),
        inputs_of,
        judge,
        lambda key, error: ConsumerVerdict(Verdict(faults.finding(CONSUMER, key, error)), None),
    )
    return keys, claims, table


def _names(route: ModelRoute | None) -> list[Name]:
    if route is None:
        return []
    return [(route.namespace, route.spec.router_class, name) for name in route.spec.models]


def _local(
    world: World, before: _Memory, verdicts: Mapping[Key, PoolVerdict], stale: set[str]
) -> dict[str, routes.LocalPools]:
    """Pools by namespace, gathered anew for the stale namespaces."""
    groups: dict[str, dict[Key, PoolVerdict]] = {namespace: {} for namespace in stale}
    for key, verdict in verdicts.items() if stale else ():
        namespace = key.partition("/")[0]
        if namespace in stale:
            groups[namespace][key] = verdict
    kept = {namespace: pools for namespace, pools in before.local.items() if namespace not in stale}
    fresh = {
        namespace: routes.LocalPools.of(namespace, world.namespaces.get(namespace), group)
        for namespace, group in groups.items()
        if group
    }
    return kept | fresh


def _routes(
    world: World,
    unreadable: Mapping[Key, ModelRoute],
    before: _Memory,
    verdicts: Mapping[Key, PoolVerdict],
    changed_pools: set[Key],
    faults: Faults,
) -> tuple[Mapping[str, routes.LocalPools], Claims[Name], Table[RouteVerdict]]:
    known, old = {**unreadable, **world.routes}, {**before.unreadable, **before.world.routes}
    edited = differing(old, known) | differing(before.unreadable, unreadable)
    claims, moved = reclaim(
        before.name_claims,
        (
            (
                key,
                Claimant.of(known[key].created, key) if key in known else None,
                _names(old.get(key)),
                _names(known.get(key)),
            )
            for key in edited
        ),
    )
    relabelled = differing(before.world.namespaces, world.namespaces)
    stale = {key.partition("/")[0] for key in changed_pools} | relabelled
    local = _local(world, before, verdicts, stale)

    def lost(key: Key) -> dict[str, Key]:
        holders = {name[2]: holder(claims, name) for name in _names(known[key])}
        return {name: other for name, other in holders.items() if other is not None and other != key}

    def around(key: Key) -> routes.Surroundings:
        route = known[key]
        fleet = (route.namespace, route.spec.router_class)
        return routes.Surroundings(
            options=world.options,
            namespace=world.namespaces.get(route.namespace),
            lost=lost(key),
            named={pool: verdicts.get(pool) for pool in routes.pool_keys(route)},
            local=local.get(route.namespace, routes.NO_POOLS) if routes.needs_local(route) else routes.NO_POOLS,
            answered=frozenset(
                item.model
                for item in route.spec.fallbacks
                if any(
                    holder(claims, (*fleet, pattern)) not in {None, key} for pattern in routes.patterns_of(item.model)
                )
            ),
        )

    def inputs_of(key: Key) -> Inputs | None:
        route = known.get(key)
        if route is None:
            return None
        if key in unreadable:
            return Inputs((route, lost(key)), frozenset(_names(route)))
        reads: set[Hashable] = {("namespace", route.namespace), *_names(route)}
        reads |= {("pool", pool) for pool in routes.pool_keys(route)}
        if routes.needs_local(route):
            reads.add(("pools", route.namespace))
        if route.spec.fallbacks:
            reads.add(("fleet", route.namespace, route.spec.router_class))
        return Inputs((route.spec, route.metadata.generation, route.created, around(key)), frozenset(reads))

    def judge(key: Key) -> RouteVerdict:
        if key in unreadable:
            reason = world.invalid[ObjectId(MODEL_ROUTE, key)].reason
            why = Finding.of(Reason.INVALID, Problem("", reason, "correct it"))
            return routes.refused_route(unreadable[key], why, lost(key))
        return routes.evaluate_route(world.routes[key], around(key))

    changed: set[Hashable] = {("pool", key) for key in changed_pools} | {("pools", namespace) for namespace in stale}
    changed |= {("namespace", namespace) for namespace in relabelled} | moved
    changed |= {("fleet", namespace, router_class) for namespace, router_class, _ in moved}
    table, _ = update(
        before.routes,
        edited | readers(before.routes, changed),
        inputs_of,
        judge,
        lambda key, error: routes.refused_route(known[key], faults.finding(MODEL_ROUTE, key, error), lost(key)),
    )
    return local, claims, table
