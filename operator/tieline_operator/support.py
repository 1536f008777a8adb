"""Which fields of the API this version does not have the behaviour of: one table, path → what happens. Pure.

What restricts and is not enforced is REFUSED: the object is `Accepted=False`, reason `UnsupportedField`, and carries no
traffic, so that nobody relies on a limit that does not hold. The rest is IGNORED: accepted, and named in the condition
`FieldsIgnored`. A field that is not in the table is enforced. Used by `checks`; docs/conditions.md shows the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tieline_api.names import CONSUMER, MODEL_ROUTE, PROVIDER_POOL
from tieline_api.protocols import reachable
from tieline_api.v1alpha1.consumer import Consumer, ConsumerSpec
from tieline_api.v1alpha1.modelroute import ModelRoute, ModelRouteSpec
from tieline_api.v1alpha1.providerpool import ProviderPool, ProviderPoolSpec


class Support(StrEnum):
    REFUSED = "refused"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True)
class Row:
    """One field without behaviour. `found` gives the paths at which an object uses it (none: it does not)."""

    kind: str
    path: str
    """As users write it, with the values that matter where only some do."""
    support: Support
    instead: str
    """What this version does."""
    found: Callable[[ProviderPool | ModelRoute | Consumer], Iterable[str]]


def _pool(path: str, support: Support, instead: str, found: Callable[[ProviderPoolSpec], bool | Iterable[str]]) -> Row:
    def paths(thing: ProviderPool | ModelRoute | Consumer) -> Iterable[str]:
        return _paths(path, found(thing.spec)) if isinstance(thing, ProviderPool) else ()

    return Row(PROVIDER_POOL, path, support, instead, paths)


def _route(path: str, support: Support, instead: str, found: Callable[[ModelRouteSpec], bool | Iterable[str]]) -> Row:
    def paths(thing: ProviderPool | ModelRoute | Consumer) -> Iterable[str]:
        return _paths(path, found(thing.spec)) if isinstance(thing, ModelRoute) else ()

    return Row(MODEL_ROUTE, path, support, instead, paths)


def _consumer(path: str, support: Support, instead: str, found: Callable[[ConsumerSpec], bool | Iterable[str]]) -> Row:
    def paths(thing: ProviderPool | ModelRoute | Consumer) -> Iterable[str]:
        return _paths(path, found(thing.spec)) if isinstance(thing, Consumer) else ()

    return Row(CONSUMER, path, support, instead, paths)


def _paths(path: str, found: bool | Iterable[str]) -> Iterable[str]:
    if isinstance(found, bool):
        return (path.partition(":")[0],) if found else ()
    return found


_NO_LIMIT: Final = "nothing would limit it, so the object carries no traffic"

TABLE: Final[tuple[Row, ...]] = (
    # -- refused: it restricts --------------------------------------------------------------------------------------
    _pool(
        "spec.limits.requestsPerMinute",
        Support.REFUSED,
        _NO_LIMIT,
        lambda spec: spec.limits is not None and spec.limits.requests_per_minute is not None,
    ),
    _pool(
        "spec.limits.tokensPerMinute",
        Support.REFUSED,
        _NO_LIMIT,
        lambda spec: spec.limits is not None and spec.limits.tokens_per_minute is not None,
    ),
    _route("spec.spillover", Support.REFUSED, _NO_LIMIT, lambda spec: spec.spillover is not None),
    _consumer("spec.limits", Support.REFUSED, _NO_LIMIT, lambda spec: spec.limits is not None),
    _consumer("spec.budgets", Support.REFUSED, _NO_LIMIT, lambda spec: bool(spec.budgets)),
    _consumer("spec.runawayGuard", Support.REFUSED, _NO_LIMIT, lambda spec: spec.runaway_guard is not None),
    _consumer(
        "spec.bringYourOwnKey[].mode: Only",
        Support.REFUSED,
        "the pool's own key would be used, so the object carries no traffic",
        lambda spec: [
            f"spec.bringYourOwnKey[{index}].mode"
            for index, own in enumerate(spec.bring_your_own_key)
            if own.mode == "Only"
        ],
    ),
    # -- ignored: it does not ---------------------------------------------------------------------------------------
    _route(
        "spec.strategy.type: Adaptive, Latency, Throughput",
        Support.IGNORED,
        "acts as Balanced",
        lambda spec: spec.strategy.type in {"Adaptive", "Latency", "Throughput"},
    ),
    _route("spec.affinity", Support.IGNORED, "any endpoint may get a request", lambda spec: spec.affinity is not None),
    _route("spec.tiering", Support.IGNORED, "the route's own backends answer", lambda spec: spec.tiering is not None),
    _route("spec.mirrors", Support.IGNORED, "no copy is sent", lambda spec: bool(spec.mirrors)),
    _route(
        "spec.preferences", Support.IGNORED, "no backend is moved to the end", lambda spec: spec.preferences is not None
    ),
    _pool(
        "spec.selfHosted.autoscaling: mode Recommend, Direct",
        Support.IGNORED,
        "replicas are left alone",
        lambda spec: (
            spec.self_hosted is not None
            and spec.self_hosted.autoscaling is not None
            and spec.self_hosted.autoscaling.mode != "Off"
        ),
    ),
    _pool(
        "spec.selfHosted.scaleTargetRef",
        Support.IGNORED,
        "the workload is left alone",
        lambda spec: spec.self_hosted is not None and spec.self_hosted.scale_target_ref is not None,
    ),
    _pool(
        "spec.selfHosted.dataParallelSize: above 1",
        Support.IGNORED,
        "the server chooses the rank",
        lambda spec: spec.self_hosted is not None and spec.self_hosted.data_parallel_size > 1,
    ),
    _pool(
        "spec.health.probe",
        Support.IGNORED,
        "readiness and the router's breaker say what is healthy",
        lambda spec: spec.health.probe is not None,
    ),
    _pool("spec.modelsFrom", Support.IGNORED, "only `models` are offered", lambda spec: bool(spec.models_from)),
    _pool(
        "spec.models[].apis: of a protocol that connection.protocols lacks",
        Support.IGNORED,
        "requests of that API are translated to one that the pool speaks, where there is one",
        lambda spec: [
            f"spec.models[{index}].apis"
            for index, model in enumerate(spec.models)
            if 0 < len(reachable(model.apis, (item.type for item in spec.connection.protocols))) < len(model.apis)
        ],
    ),
    _consumer("spec.identities", Support.IGNORED, "these callers need a key", lambda spec: bool(spec.identities)),
    _consumer(
        "spec.bringYourOwnKey[].mode: Prefer, Fallback",
        Support.IGNORED,
        "the pool's own key is used",
        lambda spec: [
            f"spec.bringYourOwnKey[{index}]" for index, own in enumerate(spec.bring_your_own_key) if own.mode != "Only"
        ],
    ),
    _consumer("spec.markupPercent: above 0", Support.IGNORED, "nothing is added", lambda spec: spec.markup_percent > 0),
    _consumer(
        "spec.failureMode: Closed",
        Support.IGNORED,
        "there is no ledger to be unreachable",
        lambda spec: spec.failure_mode == "Closed",
    ),
)


def fields(thing: ProviderPool | ModelRoute | Consumer, support: Support) -> tuple[str, ...]:
    """Paths of the fields that `thing` uses and that this version refuses or ignores, in the order of the table."""
    return tuple(path for row in TABLE if row.support is support for path in row.found(thing))
