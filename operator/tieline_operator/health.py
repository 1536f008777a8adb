"""Findings about health from what is observed: readiness of own endpoints. Missing data is unknown, never bad. Pure.

Called by `plan`. A provider's outage shows here and never in `Ready`.
"""

from __future__ import annotations

from collections.abc import Iterable

from tieline_api.conditions import Reason
from tieline_api.names import Key

from tieline_operator.verdicts import BackendVerdict, Evaluation, Finding

NOT_JUDGED = Finding("Unknown", Reason.NOT_ACCEPTED, "not looked at while the object is not accepted")


def pool_health(evaluation: Evaluation, key: Key) -> Finding:
    """`Healthy` of a pool that exists."""
    if not evaluation.pools[key].verdict.accepted.holds:
        return NOT_JUDGED
    endpoints = evaluation.endpoints.get(key)
    if endpoints is None:
        return Finding(
            "Unknown", Reason.NOT_OBSERVED, "an External pool is judged by each router from its own requests"
        )
    if not endpoints.observed:
        return Finding(
            "Unknown", Reason.NOT_OBSERVED, "fixed addresses are judged by each router from its own requests"
        )
    if endpoints.problem is not None:
        return Finding("False", Reason.NO_ENDPOINTS, "its Service does not resolve: see ResolvedRefs")
    total, ready = endpoints.total, endpoints.ready
    if total == 0:
        message = "the Service selects no pods: see its selector and the replicas of the workload"
        return Finding("False", Reason.NO_ENDPOINTS, message)
    counts = f"{ready} of {total} endpoints are ready"
    if ready == 0:
        return Finding("False", Reason.NO_READY_ENDPOINTS, f"{counts}: see the pods' readiness probes and logs")
    if ready < total:
        return Finding("True", Reason.SOME_UNHEALTHY, counts)
    return Finding("True", Reason.HEALTHY, counts)


def backend_reason(evaluation: Evaluation, key: Key) -> Reason:
    """Health of a pool as its routes show it: coarser than `Healthy`, or the flap of one endpoint would rewrite the
    status of every route that uses the pool."""
    reason = pool_health(evaluation, key).reason
    return Reason.HEALTHY if reason == Reason.SOME_UNHEALTHY else reason


def backends_health(evaluation: Evaluation, backends: Iterable[BackendVerdict]) -> Finding:
    """`BackendsHealthy` of an accepted route, over those backends that get traffic (resolved, weight above 0)."""
    serving = [backend.pool for backend in backends if backend.problem is None and backend.weight > 0]
    if not serving:
        message = "no backend resolves to a pool with traffic: see ResolvedRefs and the weights"
        return Finding("False", Reason.NO_HEALTHY_BACKENDS, message)
    states = {pool: pool_health(evaluation, pool) for pool in serving}
    down = [pool for pool, state in states.items() if state.status == "False"]
    if len(down) == len(states):
        return Finding("False", Reason.NO_HEALTHY_BACKENDS, f"no endpoint is ready: see {', '.join(down)}")
    if down:
        return Finding("True", Reason.SOME_UNHEALTHY, f"without a ready endpoint: {', '.join(down)}")
    if all(state.status == "Unknown" for state in states.values()):
        return Finding("Unknown", Reason.NOT_OBSERVED, "routers judge these backends from their own requests")
    return Finding("True", Reason.HEALTHY)
