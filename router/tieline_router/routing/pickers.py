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


def _without_replacement(candidates: Sequence[Candidate], weights: list[float], draw: Draw) -> list[Candidate]:
    """Draws all, one after the other, each among those left in proportion to its weight. The last one needs no draw."""
    left = list(candidates)
    order: list[Candidate] = []
    while len(left) > 1:
        point = draw() * sum(weights)
        chosen = len(left) - 1  # where rounding leaves the point beyond the last weight
        for index, share in enumerate(weights):
            point -= share
            if point < 0:
                chosen = index
                break
        order.append(left.pop(chosen))
        weights.pop(chosen)
    return order + left


def _balanced(group: Sequence[Candidate], draw: Draw) -> list[Candidate]:
    return _without_replacement(group, [inverse_square(candidate) for candidate in group], draw)


def _price(group: Sequence[Candidate], _draw: Draw) -> list[Candidate]:
    return sorted(group, key=lambda candidate: (candidate.price, candidate.order))


def _weighted(group: Sequence[Candidate], draw: Draw) -> list[Candidate]:
    return _without_replacement(group, [weight(candidate) for candidate in group], draw)


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


def pick_endpoint(endpoints: Sequence[EndpointState], draw: Draw) -> EndpointState | None:
    """The endpoint with the fewest requests under way among two drawn (power of two choices). Those on their way out
    serve only where no other is left; those that are not ready, never."""
    ready = [e for e in endpoints if e.ready and not e.terminating] or [e for e in endpoints if e.ready]
    if len(ready) < 2:
        return ready[0] if ready else None
    first = min(int(draw() * len(ready)), len(ready) - 1)
    second = min(int(draw() * (len(ready) - 1)), len(ready) - 2)
    second += second >= first
    return min(ready[first], ready[second], key=lambda endpoint: endpoint.in_flight)
