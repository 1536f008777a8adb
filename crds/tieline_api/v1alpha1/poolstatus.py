"""Status of a ProviderPool: what the operator saw of it."""

from __future__ import annotations

from typing import Annotated

from annotated_types import MaxLen, MinLen

from tieline_api.v1alpha1.markers import ListMap
from tieline_api.v1alpha1.meta import Condition, Shape
from tieline_api.v1alpha1.scalars import Counter, DecimalString, Duration, Replicas, ServerTime


class EndpointCounts(Shape):
    """How many endpoints there are."""

    total: Counter = 0
    """Endpoints that are known."""
    ready: Counter = 0
    """Endpoints that are ready to serve."""
    healthy: Counter = 0
    """Ready endpoints that also answer well."""


class ObservedDurations(Shape):
    """A measured distribution of durations."""

    p50: Duration | None = None
    """Half of all values were below this duration."""
    p95: Duration | None = None
    """Nineteen in twenty were below this duration."""


class Observed(Shape):
    """Measured behaviour, rounded. Live figures are metrics."""

    requests_per_minute: Counter | None = None
    """Requests per minute."""
    tokens_per_second: Counter | None = None
    """Tokens (prompt and completion) per second, all replicas together."""
    error_percent: DecimalString | None = None
    """Failed attempts, in percent."""
    time_to_first_token: ObservedDurations | None = None
    """From an attempt's start to its first token."""
    inter_token_latency: ObservedDurations | None = None
    """Between two tokens of one answer."""
    updated_at: ServerTime | None = None
    """When this was written."""


class PoolPrice(Shape):
    """What tokens of this pool cost, prompt and completion together as observed."""

    average_per_million: DecimalString | None = None
    """USD per million tokens, all costs shared by all tokens: for reports."""
    marginal_per_million: DecimalString | None = None
    """USD per million further tokens: for routing."""


class ReplicaStatus(Shape):
    """How many replicas there are and shall be."""

    current: Replicas = 0
    """Replicas that the workload has."""
    desired: Replicas = 0
    """Replicas that it should have."""
    reason: Annotated[str, MinLen(1), MaxLen(128)]
    """Why, as one CamelCase word."""


class ProviderPoolStatus(Shape):
    """What was seen of the pool."""

    conditions: Annotated[tuple[Condition, ...], ListMap(("type",)), MaxLen(16)] = ()
    """Aspects of the pool's state: Accepted, ResolvedRefs, Healthy, Ready, and ScalingActive when scaling is on."""
    endpoints: EndpointCounts | None = None
    """How many endpoints there are."""
    observed: Observed | None = None
    """Measured behaviour, rounded."""
    price: PoolPrice | None = None
    """What tokens of this pool cost."""
    replicas: ReplicaStatus | None = None
    """How many replicas there are and shall be."""
