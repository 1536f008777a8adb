"""How a route behaves beyond its choice of backends: limits of spending, soft rules, affinity, timeouts, retries.

Part of ModelRoute.
"""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from tieline_api.v1alpha1.markers import Rule
from tieline_api.v1alpha1.meta import Shape
from tieline_api.v1alpha1.scalars import DecimalString, Duration, Fraction, PositivePercent, WholePercent


class Spillover(Shape):
    """When own capacity may be exceeded with bought capacity."""

    RULES = (
        Rule(
            cel="has(self.fromSaturation) || has(self.maxSpendPerHour)",
            message="limits nothing; write fromSaturation, maxSpendPerHour or both, or leave spillover out",
        ),
    )

    from_saturation: Fraction | None = None
    """Share of own capacity in use, 0 to 1 in quotes, below which nothing is bought: "0.7"."""
    max_spend_per_hour: DecimalString | None = None
    """Most USD per hour that may be spent, in quotes: "20.00"."""


class MinThroughput(Shape):
    """Tokens per second, by percentile, that a provider should reach."""

    RULES = (
        Rule(
            cel="has(self.p50) || has(self.p75) || has(self.p90) || has(self.p99)",
            message="asks for nothing; write at least one of p50, p75, p90 and p99",
        ),
    )

    p50: Annotated[int, Ge(1), Le(1_000_000)] | None = None
    """Tokens per second that half of all answers reach."""
    p75: Annotated[int, Ge(1), Le(1_000_000)] | None = None
    """Tokens per second that three in four answers reach."""
    p90: Annotated[int, Ge(1), Le(1_000_000)] | None = None
    """Tokens per second that nine in ten answers reach."""
    p99: Annotated[int, Ge(1), Le(1_000_000)] | None = None
    """Tokens per second that ninety-nine in a hundred answers reach."""


class MaxLatency(Shape):
    """Time to the first token, by percentile, that a provider should keep."""

    RULES = (
        Rule(
            cel="has(self.p50) || has(self.p75) || has(self.p90) || has(self.p99)",
            message="asks for nothing; write at least one of p50, p75, p90 and p99",
        ),
    )

    p50: Duration | None = None
    """Half of all answers begin within this duration."""
    p75: Duration | None = None
    """Three in four answers begin within this duration."""
    p90: Duration | None = None
    """Nine in ten answers begin within this duration."""
    p99: Duration | None = None
    """Ninety-nine in a hundred answers begin within this duration."""


class Preferences(Shape):
    """Soft rules: a provider that fails one is asked last."""

    RULES = (
        Rule(
            cel="has(self.minThroughput) || has(self.maxLatency)",
            message="prefers nothing; write minThroughput or maxLatency, or leave preferences out",
        ),
    )

    min_throughput: MinThroughput | None = None
    """Tokens per second that a provider should reach."""
    max_latency: MaxLatency | None = None
    """Time to the first token that a provider should keep."""


class SessionAffinity(Shape):
    """Requests of one session go to one endpoint."""

    ttl: Duration = Duration("10m")
    """How long a session without requests is remembered. Default 10m."""


class PrefixAffinity(Shape):
    """Requests that begin alike go to one endpoint, whose cache knows the beginning."""

    enabled: bool = True
    """Whether this is done. Default true."""


class Affinity(Shape):
    """Which requests go to the same endpoint."""

    RULES = (
        Rule(
            cel="has(self.session) || has(self.prefix)",
            message="asks for nothing; write session or prefix, or leave affinity out",
        ),
    )

    session: SessionAffinity | None = None
    """Requests of one session go to one endpoint."""
    prefix: PrefixAffinity | None = None
    """Requests that begin alike go to one endpoint."""


class FirstTokenTimeout(Shape):
    """How long the first token of a stream may take."""

    base: Duration = Duration("30s")
    """For any prompt. Default 30s."""
    per_thousand_tokens: Duration = Duration("500ms")
    """In addition, for every thousand tokens of the prompt. Default 500ms."""


class Timeouts(Shape):
    """How long each part of a request may take; 0s switches one off."""

    connect: Duration = Duration("3s")
    """Until the connection to a server stands. Default 3s."""
    first_token: FirstTokenTimeout = FirstTokenTimeout()
    """Streams: until the first token."""
    response: Duration = Duration("10m")
    """Plain requests: until the answer's headers, which come when it is complete. Default 10m."""
    idle: Duration = Duration("60s")
    """Streams: between two events. Default 60s."""
    request: Duration = Duration("15m")
    """All attempts together. Default 15m."""
    keep_alive_after: Duration = Duration("10s")
    """Streams: when comments begin to keep the client's connection open. Default 10s."""


class Retries(Shape):
    """How often a failed attempt is repeated elsewhere."""

    attempts: Annotated[int, Ge(1), Le(10)] = 3
    """Most attempts for one request, the first one included. Default 3."""
    budget_percent: WholePercent = 20
    """Most repeated attempts, in percent of recent successes, so that an outage is not made worse. Default 20."""


class Hedging(Shape):
    """A second attempt before the first has failed, when it is unusually slow."""

    after_percentile: Annotated[int, Ge(50), Le(99)] = 95
    """Percentile of the usual time to the first token after which it starts. Default 95."""
    max_percent: PositivePercent = 5
    """Most requests, in percent, that get one. Default 5."""
