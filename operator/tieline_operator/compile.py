"""What one kind of router may know: the frames' content for a scope and a router class, from an evaluation. Pure.

Called by the operator's delivery and by `tieline dev|explain`. Least knowledge: only routes of the class, and of pools,
secrets and addresses only what those routes use. The scope `gateway` has all namespaces; the scope of a namespace has
its own routes, pools and consumers and nothing else, not even a pool of another namespace that permits its routes: with
that pool's address and key, a sidecar's owner could call it past every rule. What is withheld is reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec
from tieline_api import snapshot
from tieline_api.names import GATEWAY_SCOPE, Key, namespace_scope

from tieline_operator.verdicts import Evaluation


@dataclass(frozen=True, slots=True)
class Compiled:
    """Content of the four frames; equal content is equal. Secret values stand in `secrets` alone."""

    config: snapshot.Config
    endpoints: dict[str, snapshot.PoolEndpoints]
    """Of the SelfHosted pools of `config`, by key."""
    secrets: dict[str, snapshot.SecretValue] = field(repr=False)
    """Those that pools of `config` refer to, by id."""
    overlay: dict[str, snapshot.Verdict]
    """Health of pools as the operator sees it: nothing, until requests are observed. Readiness is no such verdict: it
    goes with the endpoints, and one that outlived the operator would keep a recovered pool out."""
    withheld: tuple[tuple[Key, Key], ...] = ()
    """(route, pool) where the scope does not reach the pool's namespace."""


def namespace_of(scope: str) -> str | None:
    """The namespace that a scope is confined to; None for the gateway.

    Raises:
        ValueError: it is no scope.
    """
    if scope == GATEWAY_SCOPE:
        return None
    namespace = scope.partition("/")[2]
    if not namespace or scope != namespace_scope(namespace):
        raise ValueError(f"{scope!r} is no scope: write {GATEWAY_SCOPE} or {namespace_scope('NAMESPACE')}")
    return namespace


def compile_scope(evaluation: Evaluation, scope: str, router_class: str) -> Compiled:
    """All that routers of this class and scope need, in order of keys.

    Raises:
        ValueError: `scope` is no scope.
    """
    only = namespace_of(scope)
    routes: list[snapshot.Route] = []
    withheld: list[tuple[Key, Key]] = []
    used: set[str] = set()
    for key in sorted(evaluation.routes):
        verdict = evaluation.routes[key]
        if verdict.wire is None or verdict.router_class != router_class or not _within(key, only):
            continue
        route = verdict.wire if only is None else _confined(verdict.wire, only)
        withheld += [(key, backend.pool) for backend in verdict.backends if not _within(backend.pool, only)]
        used |= {backend.pool for backend in _backends(route)}
        routes.append(route)
    pools, secrets = _pools(evaluation, sorted(used))
    consumers = [
        verdict.wire
        for key, verdict in sorted(evaluation.consumers.items())
        if verdict.wire is not None and _within(key, only)
    ]
    hosted = {pool.key: evaluation.endpoints[Key(pool.key)] for pool in pools if Key(pool.key) in evaluation.endpoints}
    return Compiled(
        config=snapshot.Config(pools=tuple(pools), routes=tuple(routes), consumers=tuple(consumers)),
        endpoints={key: verdict.wire for key, verdict in hosted.items()},
        secrets=secrets,
        overlay={},
        withheld=tuple(withheld),
    )


def _within(key: str, only: str | None) -> bool:
    return only is None or key.partition("/")[0] == only


def _backends(route: snapshot.Route) -> Iterable[snapshot.Backend]:
    yield from route.backends
    for fallback in route.fallbacks:
        yield from fallback.backends


def _confined(route: snapshot.Route, only: str) -> snapshot.Route:
    """The route without backends of other namespaces; the very same object when it has none."""
    backends = tuple(backend for backend in route.backends if _within(backend.pool, only))
    if len(backends) == len(route.backends):
        return route
    return msgspec.structs.replace(route, backends=backends)


def _pools(evaluation: Evaluation, keys: Iterable[str]) -> tuple[list[snapshot.Pool], dict[str, snapshot.SecretValue]]:
    pools: list[snapshot.Pool] = []
    secrets: dict[str, snapshot.SecretValue] = {}
    for key in keys:
        verdict = evaluation.pools[Key(key)]
        assert verdict.wire is not None  # noqa: S101 - a backend whose pool carries no traffic has a problem
        pools.append(verdict.wire)
        secrets |= verdict.secrets
    return pools, dict(sorted(secrets.items()))
