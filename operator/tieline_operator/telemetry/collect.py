"""Brings the operator's gauges up to date just before they are read. Reads the parts; changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from tieline_api.names import GATEWAY_SCOPE

from tieline_operator.delivery.publications import Target
from tieline_operator.delivery.sessions import Hub
from tieline_operator.resources import WATCHED
from tieline_operator.store import Store
from tieline_operator.telemetry.metrics import OperatorMetrics

OTHER_CLASS: Final = "other"


def collect_store(metrics: OperatorMetrics, store: Store) -> None:
    for resource in WATCHED:
        metrics.objects.labels(resource.kind).set(len(store.keys(resource.kind)))


def collect_queues(metrics: OperatorMetrics, depths: Mapping[str, int]) -> None:
    for queue, depth in depths.items():
        metrics.queue_depth.labels(queue).set(depth)


def collect_state(metrics: OperatorMetrics, *, leading: bool, outage: bool, expires: datetime | None) -> None:
    metrics.leader.set(leading)
    metrics.api_outage.set(outage)
    if expires is not None:
        metrics.certificate_expiry.set(expires.timestamp())


def collect_routers(metrics: OperatorMetrics, hub: Hub, fleets: Mapping[str, tuple[str, ...]]) -> None:
    """Connected routers, and how many of each fleet are behind. `fleets`: names of the expected pods by class."""
    metrics.routers.clear()
    classes = {target.router_class for target in hub.publications if target.scope == GATEWAY_SCOPE}
    for target, count in hub.connected().items():
        # A namespace's routers claim any class they like: only those of gateway fleets are label values.
        router_class = target.router_class if target.router_class in classes else OTHER_CLASS
        metrics.routers.labels(target.scope.partition("/")[0], router_class).inc(count)
    metrics.acked_lag.clear()
    for router_class, pods in fleets.items():
        target = Target(GATEWAY_SCOPE, router_class)
        publication = hub.publications.get(target)
        frame = publication.frames.get("config") if publication is not None else None
        if frame is not None and frame.revision is not None:
            behind = set(pods) - hub.acked(target, frame.revision.counter)
            metrics.acked_lag.labels(router_class).set(len(behind))
