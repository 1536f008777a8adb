"""Parts of the API types in the wire form: constraints, access lists, timeouts, limits. Pure; for `routes`, `pools`, …

What a manifest leaves out gets its meaning here or in the wire type's default (docs/absent-values.md).
"""

from __future__ import annotations

from tieline_api import snapshot
from tieline_api.v1alpha1.behaviour import Hedging, Timeouts
from tieline_api.v1alpha1.health import PoolLimits
from tieline_api.v1alpha1.selectors import Constraints, CountryAccess, ModelAccess, RegionAccess


def access(stated: ModelAccess | CountryAccess | RegionAccess | None) -> snapshot.AllowDeny:
    """Absent: everything is permitted."""
    if stated is None:
        return snapshot.AllowDeny()
    return snapshot.AllowDeny(allow=stated.allow or (), deny=stated.deny)


def constraints(stated: Constraints | None) -> snapshot.Constraints:
    """Absent: nothing is constrained."""
    if stated is None:
        return snapshot.Constraints()
    limit = stated.max_price
    return snapshot.Constraints(
        data_collection=stated.data_collection or "Allow",
        zero_data_retention=stated.zero_data_retention or False,
        countries=access(stated.countries),
        regions=access(stated.regions),
        quantizations=stated.quantizations or (),
        max_price=None
        if limit is None
        else snapshot.MaxPrice(prompt=limit.prompt, completion=limit.completion, request=limit.request),
    )


def timeouts(stated: Timeouts) -> snapshot.Timeouts:
    """Durations in seconds."""
    return snapshot.Timeouts(
        connect=stated.connect.seconds,
        first_token=snapshot.FirstToken(
            base=stated.first_token.base.seconds,
            per_thousand_tokens=stated.first_token.per_thousand_tokens.seconds,
        ),
        response=stated.response.seconds,
        idle=stated.idle.seconds,
        request=stated.request.seconds,
        keep_alive_after=stated.keep_alive_after.seconds,
    )


def limits(stated: PoolLimits | None) -> snapshot.Limits | None:
    """What routers enforce of a pool's limits. Absent: nothing is limited; absent queue: none waits."""
    if stated is None or (stated.concurrency is None and stated.queue is None):
        return None
    queue = stated.queue
    return snapshot.Limits(
        concurrency=stated.concurrency,
        queue_depth=queue.depth if queue else 0,
        queue_seconds=queue.timeout.seconds if queue else 0.0,
    )


def hedging(stated: Hedging | None) -> snapshot.Hedging | None:
    """Absent: no second attempt is hedged."""
    if stated is None:
        return None
    return snapshot.Hedging(after_percentile=stated.after_percentile, max_percent=stated.max_percent)
