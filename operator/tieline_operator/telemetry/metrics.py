"""Every metric of the operator, in one place; docs/metrics.md documents each (a test compares). No I/O.

Label values are bounded: kinds, results, router classes and scope kinds, never names of objects or pods.
"""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from tieline_api.commandline import tieline_version

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class OperatorMetrics:
    """One per process, with a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.build = Info("tieline_operator_build", "Version of the operator.", registry=self.registry)
        self.build.info({"version": tieline_version()})
        self.reconciles = self._counter(
            "tieline_operator_reconciles", "Reconciled keys by kind and result.", "kind", "result"
        )
        self.reconcile_seconds = self._histogram(
            "tieline_operator_reconcile_seconds", "Time that one reconcile took.", "kind"
        )
        self.queue_depth = self._gauge("tieline_operator_queue_depth", "Keys that wait, by queue.", "queue")
        self.evaluation_seconds = self._histogram(
            "tieline_operator_evaluation_seconds", "Time to judge all objects and compile all snapshots."
        )
        self.api_requests = self._counter(
            "tieline_operator_api_requests",
            "Calls to the API server by verb, resource and outcome.",
            "verb",
            "resource",
            "outcome",
        )
        self.api_outage = self._gauge(
            "tieline_operator_api_outage", "1 while the API server cannot be reached, else 0."
        )
        self.objects = self._gauge("tieline_operator_objects", "Objects held, by kind.", "kind")
        self.watch_events = self._counter(
            "tieline_operator_watch_events", "Events that watches delivered, by kind.", "kind"
        )
        self.leader = self._gauge("tieline_operator_leader", "1 while this process holds the Lease, else 0.")
        self.epoch = self._gauge("tieline_operator_epoch", "Epoch of this process's term.")
        self.routers = self._gauge(
            "tieline_operator_connected_routers",
            "Connected routers by kind of scope and router class.",
            "scope",
            "router_class",
        )
        self.acked_lag = self._gauge(
            "tieline_operator_acked_lag_routers",
            "Expected routers of a gateway fleet that have not acknowledged the newest configuration.",
            "router_class",
        )
        self.frames = self._counter("tieline_operator_frames", "Frames published, by kind.", "kind")
        self.frame_bytes = self._gauge(
            "tieline_operator_frame_bytes", "Size of the newest frame of a gateway fleet.", "kind", "router_class"
        )
        self.acks = self._counter(
            "tieline_operator_acks", "Answers of routers by kind of frame and result.", "kind", "result"
        )
        self.refused = self._counter(
            "tieline_operator_refused_routers", "Snapshot streams refused, by HTTP status.", "status"
        )
        self.events = self._counter("tieline_operator_events", "Kubernetes Events by result.", "result")
        self.bootstrap_writes = self._counter(
            "tieline_operator_bootstrap_writes", "Writes of bootstrap ConfigMaps by result.", "result"
        )
        self.certificate_expiry = self._gauge(
            "tieline_operator_certificate_expiry_timestamp_seconds", "When the serving certificate ends, in Unix time."
        )

    def _counter(self, name: str, help_: str, *labels: str) -> Counter:
        return Counter(name, help_, labels, registry=self.registry)

    def _gauge(self, name: str, help_: str, *labels: str) -> Gauge:
        return Gauge(name, help_, labels, registry=self.registry)

    def _histogram(self, name: str, help_: str, *labels: str) -> Histogram:
        return Histogram(name, help_, labels, registry=self.registry, buckets=SECONDS)
