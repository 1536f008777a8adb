"""Judges the whole World: one verdict for each object, from which conditions and snapshots follow. Pure, total, cheap.

Called by the operator at every change and by `tieline dev|lint|explain`. Each verdict is a function of its inputs,
which stand next to it; with the evaluation before at hand only what depends on the change is judged anew. The order is
that of dependence: pools and addresses, consumers, routes.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace

from tieline_api.names import Key
from tieline_api.v1alpha1.modelroute import ModelRoute

from tieline_operator import addresses, consumers, pools, routes
from tieline_operator.consumers import ConsumerKeys
from tieline_operator.memo import Inputs, Table, differing, readers, update
from tieline_operator.tenancy import Claimant, Claims, holder, reclaim
from tieline_operator.verdicts import ConsumerVerdict, EndpointsVerdict, Evaluation, PoolVerdict, RouteVerdict
from tieline_operator.world import World

Name = tuple[str, str, str]
"""Namespace, router class, and a model name or glob: what a route claims."""


@dataclass(frozen=True, slots=True)
class _Memory:
    """What one evaluation leaves to the next."""

    world: World = field(default_factory=World)
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
    pool_table, changed_pools = _pools(world, before)
    endpoint_table = _endpoints(world, before)
    key_table, key_claims, consumer_table = _consumers(world, before)
    local, name_claims, route_table = _routes(world, before, pool_table.values, changed_pools)
    memory = _Memory(
        _copy(world), pool_table, endpoint_table, key_table, key_claims, consumer_table, name_claims, local, route_table
    )
    return Evaluation(
        pools=pool_table.values,
        endpoints=endpoint_table.values,
        routes=route_table.values,
        consumers=consumer_table.values,
        invalid=world.invalid,
        memory=memory,
    )


def _copy(world: World) -> World:
    """With tables of its own: a caller that goes on writing into his would otherwise hide his changes from us."""
    return replace(
        world,
        pools=dict(world.pools),
        routes=dict(world.routes),
        consumers=dict(world.consumers),
        secrets=dict(world.secrets),
        slices=dict(world.slices),
        services=dict(world.services),
        namespaces=dict(world.namespaces),
    )


def _pools(world: World, before: _Memory) -> tuple[Table[PoolVerdict], set[Key]]:
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
    )


def _endpoints(world: World, before: _Memory) -> Table[EndpointsVerdict]:
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
    return update(before.endpoints, suspects, inputs_of, judge)[0]


def _consumers(world: World, before: _Memory) -> tuple[Table[ConsumerKeys], Claims[str], Table[ConsumerVerdict]]:
    def keys_from(key: Key) -> Inputs | None:
        consumer = world.consumers.get(key)
        if consumer is None:
            return None
        secrets = tuple(consumers.secret_keys(consumer))
        return Inputs((consumer.spec.keys, *(world.secrets.get(secret) for secret in secrets)), frozenset(secrets))

    edited = differing(before.world.consumers, world.consumers)
    suspects = edited | readers(before.keys, differing(before.world.secrets, world.secrets))
    keys, changed = update(
        before.keys, suspects, keys_from, lambda key: consumers.resolve_keys(world.consumers[key], world.secrets)
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

    table, _ = update(before.consumers, edited | changed | readers(before.consumers, moved), inputs_of, judge)
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
    world: World, before: _Memory, verdicts: Mapping[Key, PoolVerdict], changed_pools: set[Key]
) -> tuple[Mapping[str, routes.LocalPools], Claims[Name], Table[RouteVerdict]]:
    edited = differing(before.world.routes, world.routes)
    claims, moved = reclaim(
        before.name_claims,
        (
            (
                key,
                Claimant.of(world.routes[key].created, key) if key in world.routes else None,
                _names(before.world.routes.get(key)),
                _names(world.routes.get(key)),
            )
            for key in edited
        ),
    )
    relabelled = differing(before.world.namespaces, world.namespaces)
    stale = {key.partition("/")[0] for key in changed_pools} | relabelled
    local = _local(world, before, verdicts, stale)

    def around(key: Key) -> routes.Surroundings:
        route = world.routes[key]
        holders = {name[2]: holder(claims, name) for name in _names(route)}
        fleet = (route.namespace, route.spec.router_class)
        return routes.Surroundings(
            options=world.options,
            namespace=world.namespaces.get(route.namespace),
            lost={name: other for name, other in holders.items() if other is not None and other != key},
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
        route = world.routes.get(key)
        if route is None:
            return None
        reads: set[Hashable] = {("namespace", route.namespace), *_names(route)}
        reads |= {("pool", pool) for pool in routes.pool_keys(route)}
        if routes.needs_local(route):
            reads.add(("pools", route.namespace))
        if route.spec.fallbacks:
            reads.add(("fleet", route.namespace, route.spec.router_class))
        return Inputs((route.spec, route.metadata.generation, route.created, around(key)), frozenset(reads))

    changed: set[Hashable] = {("pool", key) for key in changed_pools} | {("pools", namespace) for namespace in stale}
    changed |= {("namespace", namespace) for namespace in relabelled} | moved
    changed |= {("fleet", namespace, router_class) for namespace, router_class, _ in moved}
    table, _ = update(
        before.routes,
        edited | readers(before.routes, changed),
        inputs_of,
        lambda key: routes.evaluate_route(world.routes[key], around(key)),
    )
    return local, claims, table
