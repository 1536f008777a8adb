"""The compiled snapshot: what a request is matched against. Built once per `config` frame, then only read.

`compile_table` turns the wire form into look-ups and reuses the compiled objects of the table before it that did not
change. It may run outside the event loop's thread: it touches nothing but its arguments. A request reads one table
once and carries it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from tieline_api.prices import prices_in_force
from tieline_api.snapshot import Backend, Config, Consumer, Fallback, Pool, Route

from tieline_router.routing.matching import allows, is_glob, matches
from tieline_router.routing.offers import CompiledPool, Offer

if TYPE_CHECKING:
    from tieline_router.routing.plan import Plan

PlanKey = tuple[str, str, str, str, frozenset[str], frozenset[str], frozenset[str]]
"""What a plan depends on: the route of a fallback ("" for a request's own model), who asks, the model, the operation's
path, and what the request needs, reads and writes."""
MAX_PLANS: Final = 16_384
"""Prepared plans that one table keeps; beyond it they are forgotten and made anew."""


class ContradictoryConfig(ValueError):
    """The configuration contradicts itself, so none of it is taken: the operator's bug. The message is the nack's."""


class CompiledBackend(NamedTuple):
    """One backendRef with its pool. `order` is its place in the list."""

    pool: CompiledPool
    model: str | None
    priority: int
    weight: int
    order: int


class CompiledFallback(NamedTuple):
    """`backends` serve `model` where no route of the namespace does."""

    model: str
    when: frozenset[str]
    backends: tuple[CompiledBackend, ...]


class CompiledRoute:
    __slots__ = ("backends", "fallbacks", "key", "namespace", "wire")

    def __init__(self, wire: Route, pools: dict[str, CompiledPool]) -> None:
        self.wire = wire
        self.key = wire.key
        self.namespace = wire.namespace
        self.backends = _backends(wire.backends, pools)
        self.fallbacks = tuple(_fallback(fallback, pools) for fallback in wire.fallbacks)

    def pools(self) -> Iterator[CompiledPool]:
        for backend in self.backends:
            yield backend.pool
        for fallback in self.fallbacks:
            for backend in fallback.backends:
                yield backend.pool


def _backends(wire: tuple[Backend, ...], pools: dict[str, CompiledPool]) -> tuple[CompiledBackend, ...]:
    return tuple(CompiledBackend(pools[b.pool], b.model, b.priority, b.weight, i) for i, b in enumerate(wire))


def _fallback(wire: Fallback, pools: dict[str, CompiledPool]) -> CompiledFallback:
    return CompiledFallback(wire.model, frozenset(wire.when), _backends(wire.backends, pools))


class KeyEntry(NamedTuple):
    """Whose key a hash is."""

    consumer: Consumer
    name: str
    expires_at: float | None


class ModelListing(msgspec.Struct, frozen=True):
    """One name that a caller may send, for `GET /v1/models`. `offers`: what stands behind it, in backend order."""

    id: str
    route: CompiledRoute
    offers: tuple[Offer, ...]


class RoutingTable:
    """Routes, pools and keys with their look-ups. `plans` is the memo of `plan.prepare`, a function of it alone."""

    __slots__ = ("_exact", "_globs", "config", "keys", "plans", "pools", "routes")

    def __init__(
        self,
        config: Config,
        pools: dict[str, CompiledPool],
        routes: dict[str, CompiledRoute],
        keys: dict[str, KeyEntry],
    ) -> None:
        self.config = config
        self.pools = pools
        self.routes = routes
        self.keys = keys
        self.plans: dict[PlanKey, Plan] = {}
        self._exact: dict[tuple[str, str], CompiledRoute] = {}
        globs: dict[str, list[tuple[str, CompiledRoute]]] = {}
        # Older route first, then by name: the first claim of a plain name wins, and so does the first of equal globs.
        for route in sorted(routes.values(), key=lambda route: (route.wire.created, route.key)):
            for name in route.wire.models:
                if is_glob(name):
                    globs.setdefault(route.namespace, []).append((name, route))
                else:
                    self._exact.setdefault((route.namespace, name), route)
        # Stable sort: longest glob first, the order above among equals.
        self._globs = {namespace: sorted(found, key=lambda g: -len(g[0])) for namespace, found in globs.items()}

    def match(self, namespace: str, model: str) -> CompiledRoute | None:
        """The route for a name: exact beats glob, longer glob beats shorter, then older `created`, then name."""
        route = self._exact.get((namespace, model))
        if route is not None:
            return route
        return next((route for glob, route in self._globs.get(namespace, ()) if matches(glob, model)), None)

    def consumer(self, sha256: str) -> KeyEntry | None:
        """Whose key has this hash (lower-case hex); expiry is the caller's question (`callers.authenticate`)."""
        return self.keys.get(sha256)

    def models(self, namespace: str, consumer: Consumer | None) -> list[ModelListing]:
        """What a caller may ask for, by name: plain names of routes, and for globs every model that a backend of the
        route offers under a matching name. Names that the consumer may not use are left out."""
        names = {name for (owner, name) in self._exact if owner == namespace}
        for glob, route in self._globs.get(namespace, ()):
            for backend in route.backends:
                names.update(name for name in backend.pool.offers if matches(glob, name))
        listings = []
        for name in sorted(names):
            route_of_name = self.match(namespace, name)
            if route_of_name is None or not route_of_name.backends:
                continue  # a refused route keeps its names, so that nobody falls to a broader one; nobody can use them
            if consumer is not None and not allows(consumer.models, name):
                continue
            listings.append(ModelListing(name, route_of_name, tuple(_offers(route_of_name, name))))
        return listings


def _offers(route: CompiledRoute, name: str) -> Iterator[Offer]:
    for backend in route.backends:
        if backend.weight:
            yield from backend.pool.offers.get(backend.model or name, ())


def compile_table(config: Config, previous: RoutingTable | None = None) -> RoutingTable:
    """The table for a configuration; compiled objects of `previous` that did not change are reused.

    Raises:
        ContradictoryConfig: a reference to nothing, two objects of one key, an External pool without address or price,
            a time zone that does not exist.
    """
    pools = _compile_pools(config, previous)
    return RoutingTable(config, pools, _compile_routes(config, pools, previous), _compile_keys(config))


def _compile_pools(config: Config, previous: RoutingTable | None) -> dict[str, CompiledPool]:
    pools: dict[str, CompiledPool] = {}
    for wire in config.pools:
        if wire.key in pools:
            raise ContradictoryConfig(f"pool {wire.key} stands in the configuration twice")
        known = previous.pools.get(wire.key) if previous else None
        if known is not None and known.wire == wire:
            pools[wire.key] = known
        else:
            _check_pool(wire)
            try:
                pools[wire.key] = CompiledPool(wire)
            except ValueError as error:
                raise ContradictoryConfig(f"pool {wire.key} has a base URL that cannot be read: {error}") from None
    return pools


def _check_pool(wire: Pool) -> None:
    if wire.type == "External" and not wire.base_url:
        raise ContradictoryConfig(f"pool {wire.key} is External and has no base URL")
    seen = set()
    for model in wire.models:
        where = f"model {model.name!r} (variant {model.variant!r}) of pool {wire.key}"
        if (model.name, model.variant) in seen:
            raise ContradictoryConfig(f"{where} stands in the pool twice")
        seen.add((model.name, model.variant))
        if model.pricing is None:
            if wire.type == "External":
                raise ContradictoryConfig(f"{where} has no price, which an External pool must state")
            continue
        try:
            prices_in_force(model.pricing, 0, 0.0)
        except (KeyError, ValueError, OSError) as error:
            raise ContradictoryConfig(f"{where} has a price window that cannot be read: {error}") from None


def _compile_routes(
    config: Config, pools: dict[str, CompiledPool], previous: RoutingTable | None
) -> dict[str, CompiledRoute]:
    routes: dict[str, CompiledRoute] = {}
    for wire in config.routes:
        if wire.key in routes:
            raise ContradictoryConfig(f"route {wire.key} stands in the configuration twice")
        fallbacks = [backend for fallback in wire.fallbacks for backend in fallback.backends]
        unknown = sorted({backend.pool for backend in (*wire.backends, *fallbacks)} - pools.keys())
        if unknown:
            raise ContradictoryConfig(
                f"route {wire.key} names pools that the configuration lacks: {', '.join(unknown)}"
            )
        known = previous.routes.get(wire.key) if previous else None
        if known is not None and known.wire == wire and all(pools[pool.key] is pool for pool in known.pools()):
            routes[wire.key] = known
        else:
            routes[wire.key] = CompiledRoute(wire, pools)
    return routes


def _compile_keys(config: Config) -> dict[str, KeyEntry]:
    """Keys by hash. A key of two consumers is nobody's: whose rights it has cannot be known, so it fails closed; the
    same key twice in one consumer has the earlier expiry."""
    keys: dict[str, KeyEntry] = {}
    shared = set()
    for consumer in config.consumers:
        for key in consumer.keys:
            other = keys.get(key.sha256)
            if other is not None and other.consumer is not consumer:
                shared.add(key.sha256)
            elif other is None or _expiry(key.expires_at) < _expiry(other.expires_at):
                keys[key.sha256] = KeyEntry(consumer, key.name, key.expires_at)
    return {sha256: entry for sha256, entry in keys.items() if sha256 not in shared}


def _expiry(expires_at: float | None) -> float:
    return math.inf if expires_at is None else expires_at
