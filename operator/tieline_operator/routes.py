"""One ModelRoute: which names does it hold, which pools may answer, what does a router need to know? Pure.

Called by `evaluate`. A backend that does not resolve is named in ResolvedRefs; the others carry traffic.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

from tieline_api import snapshot
from tieline_api.conditions import Reason
from tieline_api.names import Key, key
from tieline_api.v1alpha1.modelroute import BackendRef, ModelRoute

from tieline_operator import wireforms
from tieline_operator.checks import accept_route, joined
from tieline_operator.objects import NamespaceView
from tieline_operator.support import Support, fields
from tieline_operator.tenancy import Claimant, permits
from tieline_operator.verdicts import (
    MAX_LISTED,
    RESOLVED,
    BackendVerdict,
    Finding,
    PoolVerdict,
    Problem,
    RouteVerdict,
    Verdict,
)
from tieline_operator.world import Options

_BUILT: Final[dict[str, Literal["Balanced", "Price", "Weighted", "Priority"]]] = {
    "Balanced": "Balanced",
    "Price": "Price",
    "Weighted": "Weighted",
    "Priority": "Priority",
}
"""Strategies that routers of this version have; the others act as Balanced."""


@dataclass(frozen=True, slots=True)
class LocalPools:
    """Pools of one namespace that let its routes use them."""

    pools: Mapping[Key, PoolVerdict]
    """In order of key."""
    offering: Mapping[str, tuple[Key, ...]]
    """Pools by the name of a model that they offer."""
    names: tuple[str, ...]
    """Names of all models, in order, so that those with a prefix stand together."""

    @classmethod
    def of(cls, namespace: str, view: NamespaceView | None, verdicts: Mapping[Key, PoolVerdict]) -> Self:
        """`verdicts`: those of the namespace's pools."""
        pools = {
            pool: verdicts[pool]
            for pool in sorted(verdicts)
            if permits(verdicts[pool].allowed, namespace, namespace, view)
        }
        offering: dict[str, list[Key]] = {}
        for pool, verdict in pools.items():
            for name in verdict.served:
                offering.setdefault(name, []).append(pool)
        return cls(pools, {name: tuple(keys) for name, keys in offering.items()}, tuple(sorted(offering)))

    def that_offer(self, pattern: str) -> Iterator[Key]:
        """Pools that offer a model which is, or matches, the pattern."""
        if not pattern.endswith("*"):
            yield from self.offering.get(pattern, ())
            return
        prefix = pattern[:-1]
        for name in self.names[bisect_left(self.names, prefix) :]:
            if not name.startswith(prefix):
                return
            yield from self.offering[name]


NO_POOLS: Final = LocalPools({}, {}, ())


@dataclass(frozen=True, slots=True)
class Surroundings:
    """All that a route's verdict depends on besides the route. Equal surroundings, equal verdict."""

    options: Options
    namespace: NamespaceView | None
    """The route's own."""
    lost: Mapping[str, Key]
    """Names that the route claims and another one holds."""
    named: Mapping[Key, PoolVerdict | None]
    """The pools that its backendRefs name; None: there is no such pool."""
    local: LocalPools
    """Those of its namespace; none for a route that names its pools and has no fallbacks."""
    answered: frozenset[str]
    """Those of its fallback models that a route of the namespace and class answers."""


def needs_local(route: ModelRoute) -> bool:
    """Whether the verdict depends on pools that the route does not name."""
    return route.spec.backend_refs is None or bool(route.spec.fallbacks)


def pool_keys(route: ModelRoute) -> Iterator[Key]:
    """Pools that the route names, in order."""
    for reference in route.spec.backend_refs or ():
        yield key(reference.namespace or route.namespace, reference.name)


def matches(pattern: str, name: str) -> bool:
    """Whether a name is the pattern, or begins as a glob (its only `*` stands at the end) does."""
    return name.startswith(pattern[:-1]) if pattern.endswith("*") else name == pattern


def patterns_of(name: str) -> Iterator[str]:
    """Every name and glob that matches a model name."""
    yield name
    for end in range(len(name) + 1):
        yield f"{name[:end]}*"


def evaluate_route(route: ModelRoute, around: Surroundings) -> RouteVerdict:
    """The verdict on one route."""
    held = tuple(name for name in route.spec.models if name not in around.lost)
    accepted = _accepted(route, held, around.lost)
    if route.spec.backend_refs is None:
        backends, problems = _any_pool(route, around)
    else:
        backends = tuple(
            _backend(route, reference, f"spec.backendRefs[{index}]", around)
            for index, reference in enumerate(route.spec.backend_refs)
        )
        problems = [backend.problem for backend in backends if backend.problem is not None]
    problems += _unserved(route, held, backends, around)
    fallbacks = tuple(
        _fallback(item.model, f"spec.fallbacks[{index}]", around) for index, item in enumerate(route.spec.fallbacks)
    )
    problems += [fallback for fallback in fallbacks if isinstance(fallback, Finding)]
    verdict = Verdict(accepted, joined(problems, RESOLVED), fields(route, Support.IGNORED))
    wire = None
    if held and accepted.holds:
        others = tuple(
            snapshot.Fallback(model=item.model, when=item.when, backends=found)
            for item, found in zip(route.spec.fallbacks, fallbacks, strict=True)
            if not isinstance(found, Finding)
        )
        wire = _wire(route, held, backends, others)
    elif held:
        wire = _wire(route, held, (), ())
    return RouteVerdict(verdict, route.spec.router_class, wire, backends)


def refused_route(route: ModelRoute, why: Finding, lost: Mapping[str, Key]) -> RouteVerdict:
    """The verdict on a route that cannot be judged: it keeps its names, without backends."""
    held = tuple(name for name in route.spec.models if name not in lost)
    return RouteVerdict(Verdict(why), route.spec.router_class, _wire(route, held, (), ()) if held else None)


def _accepted(route: ModelRoute, held: tuple[str, ...], lost: Mapping[str, Key]) -> Finding:
    accepted = accept_route(route)
    if not accepted.holds or not lost:
        return accepted
    listed = list(lost.items())[:MAX_LISTED]
    more = f" and {len(lost) - MAX_LISTED} more" if len(lost) > MAX_LISTED else ""
    names = ", ".join(f"{name} (held by the older ModelRoute {winner})" for name, winner in listed) + more
    message, remedy = f"not served by this route: {names}", "remove the name from one of the two routes"
    reason = Reason.ACCEPTED if held else Reason.CONFLICTED
    return Finding.of(reason, Problem("spec.models", message, remedy), status="True" if held else "False")


def _unusable(owner: Key, pool: PoolVerdict, path: str) -> Finding | None:
    """Why a pool that exists and is permitted carries no traffic."""
    if not pool.verdict.accepted.holds:
        message = f"ProviderPool {owner} is not accepted ({pool.verdict.accepted.reason})"
        return Finding.of(Reason.POOL_NOT_ACCEPTED, Problem(path, message, "see its conditions"))
    if pool.wire is None:
        message = f"ProviderPool {owner} lacks a Secret ({pool.verdict.resolved_refs.reason})"
        return Finding.of(Reason.POOL_NOT_RESOLVED, Problem(path, message, "see its conditions"))
    return None


def _backend(route: ModelRoute, reference: BackendRef, path: str, around: Surroundings) -> BackendVerdict:
    owner = reference.namespace or route.namespace
    pool_key = key(owner, reference.name)
    problem = _refusal(route, reference, path, around)
    return BackendVerdict(pool_key, reference.model, reference.priority, reference.weight, problem)


def _refusal(route: ModelRoute, reference: BackendRef, path: str, around: Surroundings) -> Finding | None:
    owner = reference.namespace or route.namespace
    pool_key = key(owner, reference.name)
    foreign = owner != route.namespace
    if foreign and not around.options.allow_cross_namespace:
        message = "the operator does not permit pools of other namespaces"
        remedy = f"use one of namespace {route.namespace}, or start the operator with --allow-cross-namespace"
        return Finding.of(Reason.REF_NOT_PERMITTED, Problem(path, message, remedy))
    pool = around.named[pool_key]
    if pool is None and not foreign:
        problem = Problem(path, f"there is no ProviderPool {pool_key}", "create it, or correct the name")
        return Finding.of(Reason.POOL_NOT_FOUND, problem)
    if pool is None or not permits(pool.allowed, owner, route.namespace, around.namespace):
        # One answer for both, or a route could find out which pools other namespaces have.
        message = f"no ProviderPool {pool_key} permits routes of namespace {route.namespace}"
        problem = Problem(path, message, "its owner can do so in spec.allowedRoutes")
        return Finding.of(Reason.REF_NOT_PERMITTED, problem)
    unusable = _unusable(pool_key, pool, path)
    if unusable is not None:
        return unusable
    wanted = (reference.model,) if reference.model is not None else route.spec.models
    if any(matches(pattern, name) for pattern in wanted for name in pool.served):
        return None
    offers = ", ".join(sorted(pool.served)[:MAX_LISTED]) or "nothing that this version can ask for"
    message = f"ProviderPool {pool_key} does not offer {', '.join(wanted)} (it offers {offers})"
    remedy = "write one of these into model, or add the model to the pool"
    return Finding.of(Reason.MODEL_NOT_SERVED, Problem(path, message, remedy))


def _any_pool(route: ModelRoute, around: Surroundings) -> tuple[tuple[BackendVerdict, ...], list[Finding]]:
    """Every permitted pool of the namespace that offers a model of the route. Pools that offer none are no problem."""
    if not around.local.pools:
        message = f"is left out, and namespace {route.namespace} has no ProviderPool that permits the route"
        return (), [Finding.of(Reason.NO_POOLS, Problem("spec.backendRefs", message, "create one"))]
    offering = sorted({key for pattern in route.spec.models for key in around.local.that_offer(pattern)})
    backends = tuple(
        BackendVerdict(key, None, 0, 1, _unusable(key, around.local.pools[key], "spec.backendRefs")) for key in offering
    )
    return backends, [backend.problem for backend in backends if backend.problem is not None]


def _unserved(
    route: ModelRoute, held: Iterable[str], backends: Iterable[BackendVerdict], around: Surroundings
) -> list[Finding]:
    """Names of the route that no backend answers. Silent when a backend that might answer has a problem of its own."""
    if any(backend.problem is not None for backend in backends) or (
        route.spec.backend_refs is None and not around.local.pools
    ):
        return []
    findings = []
    for pattern in held:
        if not any(_answers(backend, pattern, around) for backend in backends):
            path = f"spec.models[{route.spec.models.index(pattern)}]"
            remedy = (
                "add it to the models of a ProviderPool, "
                "or name in backendRefs the pool and the model that shall answer"
            )
            problem = Problem(path, f"no pool offers {pattern}", remedy)
            findings.append(Finding.of(Reason.MODEL_NOT_SERVED, problem))
    return findings


def _answers(backend: BackendVerdict, pattern: str, around: Surroundings) -> bool:
    pool = around.named.get(backend.pool) or around.local.pools.get(backend.pool)
    if backend.model is not None or pool is None:
        return backend.model is not None
    return any(matches(pattern, name) for name in pool.served)


def _fallback(model: str, path: str, around: Surroundings) -> tuple[snapshot.Backend, ...] | Finding:
    """Pools that answer a fallback model which no route answers; none when a route does, whose backends then count."""
    if model in around.answered:
        return ()
    found = tuple(
        snapshot.Backend(pool=pool_key, model=model)
        for pool_key in around.local.offering.get(model, ())
        if around.local.pools[pool_key].wire is not None
    )
    if found:
        return found
    message = f"no ModelRoute of the namespace and class answers {model}, and no usable ProviderPool offers it"
    return Finding.of(Reason.MODEL_NOT_SERVED, Problem(path, message, "create one, or correct the name"))


def _wire(
    route: ModelRoute,
    held: tuple[str, ...],
    backends: Iterable[BackendVerdict],
    fallbacks: tuple[snapshot.Fallback, ...],
) -> snapshot.Route:
    spec = route.spec
    return snapshot.Route(
        key=route.key,
        namespace=route.namespace,
        generation=route.metadata.generation,
        created=Claimant.of(route.created, route.key).created,
        models=held,
        backends=tuple(
            snapshot.Backend(pool=backend.pool, model=backend.model, priority=backend.priority, weight=backend.weight)
            for backend in backends
            if backend.problem is None
        ),
        strategy=_BUILT.get(spec.strategy.type, "Balanced"),
        fallbacks=fallbacks,
        constraints=wireforms.constraints(spec.constraints),
        timeouts=wireforms.timeouts(spec.timeouts),
        retries=snapshot.Retries(attempts=spec.retries.attempts, budget_percent=spec.retries.budget_percent),
        hedging=wireforms.hedging(spec.hedging),
    )
