"""The router's Prometheus metrics: `tieline_router_…`, one registry per process.

Label values come from the configuration and from closed lists, never from callers, so that nobody can grow the series
without bound. What requests count is plain numbers (`series`); state that lives elsewhere (endpoints, snapshot) is read
when Prometheus asks.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Sequence
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from tieline_router.errors import ErrorClass
from tieline_router.streaming.usage import Usage
from tieline_router.telemetry import semconv as names
from tieline_router.telemetry.series import Counters, Histograms

DURATION_BUCKETS: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
"""Seconds: from an embedding-like short answer to a long generation."""


class EndpointSample(NamedTuple):
    pool: str
    endpoint: str
    in_flight: int
    ejected: bool


class StateSample(NamedTuple):
    """What is read when Prometheus asks."""

    endpoints: tuple[EndpointSample, ...] = ()
    config_counter: int = 0
    config_epoch: int = 0
    applied_at: float | None = None
    endpoints_confirmed_at: float = -math.inf
    operator_connected: bool = False
    in_flight: int = 0


class Metrics:
    """All metrics of one router. `sample` gives the state of this moment."""

    def __init__(self, sample: Callable[[], StateSample]) -> None:
        self.registry = CollectorRegistry()
        self._series: list[Counters | Histograms] = []
        self._requests = self._counter("requests", "Requests by route and outcome.", names.ROUTE, names.OUTCOME)
        self._attempts = self._counter("attempts", "Attempts by pool and outcome.", names.POOL, names.OUTCOME)
        self._tokens = self._counter("tokens", "Tokens that providers reported.", names.POOL, names.KIND)
        self._cost = self._counter("estimated_cost_usd", "Cost by the price in force, in USD.", names.POOL)
        self._frames = self._counter("snapshot_frames", "Frames by kind and result.", names.FRAME, names.RESULT)
        self._duration = self._histogram("request_duration_seconds", "Whole request.", names.ROUTE, names.STREAM)
        self._first = self._histogram("time_to_first_token_seconds", "Streams: until the first content.", names.ROUTE)
        self._state = _StateCollector(sample)
        self.registry.register(_SeriesCollector(self._series))
        self.registry.register(self._state)

    def _counter(self, name: str, text: str, *labels: str) -> Counters:
        counters = Counters(f"{names.NAMESPACE}_{name}", text, labels)
        self._series.append(counters)
        return counters

    def _histogram(self, name: str, text: str, *labels: str) -> Histograms:
        histograms = Histograms(f"{names.NAMESPACE}_{name}", text, labels, DURATION_BUCKETS)
        self._series.append(histograms)
        return histograms

    def request(self, route: str, outcome: ErrorClass | None, *, stream: bool, seconds: float) -> None:
        """One request has ended; `route` empty = refused before one was found."""
        route = route or names.NO_ROUTE
        self._requests.add((route, outcome.value if outcome else names.OK))
        self._duration.observe((route, "true" if stream else "false"), seconds)

    def first_token(self, route: str, seconds: float) -> None:
        """The content commit of a stream."""
        self._first.observe((route,), seconds)

    def attempt(self, pool: str, outcome: ErrorClass | None) -> None:
        """One attempt has ended."""
        self._attempts.add((pool, outcome.value if outcome else names.OK))

    def usage(self, pool: str, usage: Usage, cost_usd: float) -> None:
        """What an answer took, as the provider counts, and what that costs at the price in force."""
        add = self._tokens.add
        if usage.prompt:
            add((pool, "prompt"), usage.prompt)
        if usage.completion:
            add((pool, "completion"), usage.completion)
        if usage.cached:
            add((pool, "cached"), usage.cached)
        if usage.reasoning:
            add((pool, "reasoning"), usage.reasoning)
        self._cost.add((pool,), cost_usd)

    def frame(self, kind: str, result: str) -> None:
        """A snapshot frame was taken (`applied`), known already (`unchanged`) or `refused`."""
        self._frames.add((kind, result))

    def keep(self, routes: Container[str], pools: Container[str]) -> None:
        """Drops the series of routes and pools (keys) that are gone: a name that comes back counts from zero, as after
        a restart."""
        for of_routes in (self._requests, self._duration, self._first):
            of_routes.keep(lambda labels: labels[0] in routes or labels[0] == names.NO_ROUTE)
        for of_pools in (self._attempts, self._tokens, self._cost):
            of_pools.keep(lambda labels: labels[0] in pools)

    def render(self) -> bytes:
        """The text format, version 0.0.4. With 2,000 routes in use it takes a second, so call it in a thread, after
        `take_sample` on the thread that owns the state."""
        return generate_latest(self.registry)

    def take_sample(self) -> None:
        """Reads the state of this moment for the next `render`."""
        self._state.take()


class _SeriesCollector(Collector):
    def __init__(self, series: Sequence[Counters | Histograms]) -> None:
        self._series = series

    def collect(self) -> Iterable[Metric]:
        for one in self._series:
            yield from one.collect()


class _StateCollector(Collector):
    def __init__(self, sample: Callable[[], StateSample]) -> None:
        self._sample = sample
        self._taken = StateSample()

    def take(self) -> None:
        self._taken = self._sample()

    def collect(self) -> Iterable[GaugeMetricFamily]:
        sample = self._taken
        labels = (names.POOL, names.ENDPOINT)
        in_flight = _gauge("endpoint_in_flight_requests", "Attempts under way.", labels)
        ejected = _gauge("endpoint_ejected", "1 while the breaker keeps requests away.", labels)
        for one in sample.endpoints:
            in_flight.add_metric((one.pool, one.endpoint), one.in_flight)
            ejected.add_metric((one.pool, one.endpoint), int(one.ejected))
        yield in_flight
        yield ejected
        yield _gauge("in_flight_requests", "Requests under way.", value=sample.in_flight)
        yield _gauge("snapshot_epoch", "Epoch of the configuration in force.", value=sample.config_epoch)
        yield _gauge("snapshot_counter", "Counter of the configuration in force.", value=sample.config_counter)
        applied = sample.applied_at if sample.applied_at is not None else math.nan
        yield _gauge("snapshot_applied_timestamp_seconds", "When the last frame came into force.", value=applied)
        confirmed = sample.endpoints_confirmed_at if math.isfinite(sample.endpoints_confirmed_at) else math.nan
        yield _gauge("endpoints_confirmed_timestamp_seconds", "When addresses were last confirmed.", value=confirmed)
        yield _gauge(
            "operator_connected", "1 while the operator's stream is open.", value=int(sample.operator_connected)
        )


def _gauge(name: str, text: str, labels: tuple[str, ...] = (), value: float | None = None) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{names.NAMESPACE}_{name}", text, value=value, labels=labels if value is None else None)
