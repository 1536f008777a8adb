"""Scores of a candidate: numbers that pickers compare or draw by. Pure.

There is one so far, the price of this request (`PriceNow.blended`), and the weights that draws give to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from tieline_api.prices import DEFAULT_COMPLETION_TOKENS

from tieline_router.routing.view import RequestView

if TYPE_CHECKING:
    from tieline_router.routing.decision import Candidate


def completion_tokens(view: RequestView) -> int:
    """Completion tokens that a request is priced at: what it asks for at most, else 256."""
    return DEFAULT_COMPLETION_TOKENS if view.max_tokens is None else view.max_tokens


def inverse_square(candidate: Candidate) -> float:
    """The weight of a price in the Balanced draw: 1/price² (OpenRouter's load balancing; 1 against 3 USD is 9 : 1). The
    price has a floor, so nothing is divided by zero."""
    return candidate.warmth / (candidate.price * candidate.price)


def weight(candidate: Candidate) -> float:
    """The weight of a backendRef in the Weighted draw."""
    return candidate.warmth * candidate.weight


DRAWN_BY: Final[dict[str, Callable[[Candidate], float]]] = {"Balanced": inverse_square, "Weighted": weight}
"""Strategies that draw, and by which weight; the others sort."""


def first_shares(strategy: str, candidates: Sequence[Candidate]) -> list[float]:
    """How probable it was that each candidate of an ordered shortlist came first: 0 below the first rank."""
    if not candidates:
        return []
    scorer = DRAWN_BY.get(strategy)
    if scorer is None:
        return [1.0] + [0.0] * (len(candidates) - 1)
    first = min(candidate.rank for candidate in candidates)
    weights = [scorer(candidate) if candidate.rank == first else 0.0 for candidate in candidates]
    total = sum(weights)
    return [weight / total for weight in weights]
