"""What a pool bears and how its failures are noticed. Part of ProviderPool."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le

from tieline_api.v1alpha1.identifiers import UrlPath
from tieline_api.v1alpha1.markers import Rule
from tieline_api.v1alpha1.meta import Shape
from tieline_api.v1alpha1.scalars import Concurrency, Duration, Rate, WholePercent


class QueueLimit(Shape):
    """Requests that wait when the pool is busy."""

    depth: Annotated[int, Ge(0), Le(100_000)]
    """Most requests that wait."""
    timeout: Duration = Duration("5s")
    """Longest wait. Default 5s."""


class PoolLimits(Shape):
    """What the pool may be asked for."""

    RULES = (
        Rule(
            cel="has(self.requestsPerMinute) || has(self.tokensPerMinute) || has(self.concurrency) || has(self.queue)",
            message="limits nothing; write requestsPerMinute, tokensPerMinute, concurrency or queue, or leave "
            "limits out",
        ),
    )

    requests_per_minute: Rate | None = None
    """Most requests per minute."""
    tokens_per_minute: Rate | None = None
    """Most tokens (prompt and completion) per minute."""
    concurrency: Concurrency | None = None
    """Most requests at a time, of all routers of a fleet together: each has an equal share."""
    queue: QueueLimit | None = None
    """Requests that wait when `concurrency` is used up. Default: none waits, and more are refused at once."""


class Ejection(Shape):
    """When a failing endpoint is left out for a while."""

    consecutive_failures: Annotated[int, Ge(1), Le(1000)] = 5
    """Failures in a row that eject an endpoint. Default 5."""
    base_duration: Duration = Duration("30s")
    """How long the first ejection lasts; later ones last longer. Default 30s."""
    max_percent: WholePercent = 50
    """Most endpoints, in percent, that are ejected at a time; the last one never is. Default 50."""


class Probe(Shape):
    """An active check of every endpoint."""

    path: UrlPath
    """Path that answers 200 when the server is well, such as /health."""
    interval: Duration = Duration("10s")
    """Time between two checks. Default 10s."""
    timeout: Duration = Duration("2s")
    """Longest wait for an answer. Default 2s."""


class Health(Shape):
    """How failures are noticed."""

    ejection: Ejection = Ejection()
    """When a failing endpoint is left out for a while."""
    probe: Probe | None = None
    """An active check of every endpoint. Default: none."""
