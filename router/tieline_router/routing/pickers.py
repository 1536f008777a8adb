"""Pickers: the order in which candidates are tried, and the endpoint within a pool. Pure; `draw` is in [0, 1).

Lower priority first under every strategy, and within one priority those that speak the client's API before those that
need a translation. Among equals:
    Balanced   drawn without replacement, weight 1/price²
    Price      cheapest first, then as listed
    Weighted   drawn without replacement, weight of the backendRef
    Priority   heavier weight first, then as listed
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from tieline_router.routing.decision import Candidate
from tieline_router.routing.endpoint import EndpointState
from tieline_router.routing.scorers import inverse_square, weight

Draw = Callable[[], float]
"""A source of floats in [0, 1), such as `random.random`."""


def drawn(weights: Sequence[float], draw: Draw) -> int:
    """An index, drawn in proportion to the weights."""
    point = draw() * sum(weights)
    for index, share in enumerate(weights):
        point -= share
        if point < 0:
            return index
    return len(weights) - 1  # where rounding leaves the point beyond the last weight


def without_replacement(left: list[Candidate], weights: list[float], draw: Draw) -> list[Candidate]:
    """Draws all, one after the other, each among those left in proportion to its weight. The last one needs no draw.
    Uses both lists up."""
    order: list[Candidate] = []
    while len(left) > 2:
        point = draw() * sum(weights)
        chosen = 0
        for share in weights:  # `drawn`, written out, 0.2 µs sooner; and that of two once more
            point -= share
            if point < 0:
                break
            chosen += 1
        else:
            chosen -= 1
        order.append(left.pop(chosen))
        del weights[chosen]
    if len(left) == 2 and draw() * (weights[0] + weights[1]) >= weights[0]:
        left.reverse()
    return order + left


def _balanced(group: Sequence[Candidate], draw: Draw) -> list[Candidate]:
    return without_replacement(list(group), [inverse_square(candidate) for candidate in group], draw)


def _price(group: Sequence[Candidate], _draw: Draw) -> list[Candidate]:
    return sorted(group, key=lambda candidate: (candidate.price, candidate.order))


def _weighted(group: Sequence[Candidate], draw: Draw) -> list[Candidate]:
    return without_replacement(list(group), [weight(candidate) for candidate in group], draw)


def _priority(group: Sequence[Candidate], _draw: Draw) -> list[Candidate]:
    return sorted(group, key=lambda candidate: (-candidate.weight, candidate.order))


PICKERS: Final[dict[str, Callable[[Sequence[Candidate], Draw], list[Candidate]]]] = {
    "Balanced": _balanced,
    "Price": _price,
    "Weighted": _weighted,
    "Priority": _priority,
}


def order_candidates(strategy: str, candidates: Sequence[Candidate], draw: Draw) -> tuple[Candidate, ...]:
    """The order of attempts: groups of equal rank, lower first, each ordered by the strategy."""
    if len(candidates) < 2:
        return tuple(candidates)
    pick = PICKERS[strategy]
    groups: dict[tuple[int, bool], list[Candidate]] = {}
    for candidate in candidates:
        groups.setdefault(candidate.rank, []).append(candidate)
    return tuple(candidate for rank in sorted(groups) for candidate in pick(groups[rank], draw))


def pick_endpoint(
    endpoints: Sequence[EndpointState], draw: Draw, warmth: Callable[[EndpointState], float] | None = None
) -> EndpointState | None:
    """The endpoint with the fewest requests under way among two drawn (power of two choices). Those on their way out
    serve only where no other is left; those that are not ready, never.

    While one of them warms up, one is drawn by its warmth ÷ (requests under way + 1), as Envoy's least-request balancer
    does with unequal weights and active_request_bias 1: of two drawn, a cold and idle one would win every time.

    Args:
        warmth: the share of its usual traffic that an endpoint should get, 0 to 1; None = all are warm.
    """
    ready = [e for e in endpoints if e.ready and not e.terminating] or [e for e in endpoints if e.ready]
    if len(ready) < 2:
        return ready[0] if ready else None
    if warmth is not None:
        shares = [warmth(endpoint) for endpoint in ready]
        if min(shares) < 1.0:
            weights = [share / (endpoint.in_flight + 1) for share, endpoint in zip(shares, ready, strict=True)]
            return ready[drawn(weights, draw)]
    return emptier(ready, draw)


def emptier(ready: Sequence[EndpointState], draw: Draw) -> EndpointState:
    """The one with fewer requests under way of two drawn; of one, that one."""
    if len(ready) == 1:
        return ready[0]
    first = min(int(draw() * len(ready)), len(ready) - 1)
    second = min(int(draw() * (len(ready) - 1)), len(ready) - 2)
    second += second >= first
    return min(ready[first], ready[second], key=lambda endpoint: endpoint.in_flight)
