"""Scores of a candidate: numbers that pickers compare or draw by. Pure.

There is one so far, the price of this request; a scorer is a function of view, offer and time.
"""

from __future__ import annotations

from tieline_api.prices import DEFAULT_COMPLETION_TOKENS

from tieline_router.routing.offers import Offer
from tieline_router.routing.view import RequestView


def completion_tokens(view: RequestView) -> int:
    """Completion tokens that a request is priced at: what it asks for at most, else 256."""
    return DEFAULT_COMPLETION_TOKENS if view.max_tokens is None else view.max_tokens


def request_price(view: RequestView, offer: Offer, now: float) -> float:
    """USD per million tokens that this request costs at an offer, 0.01 at least; see `PriceNow.blended`."""
    return offer.price(view.prompt_tokens, now).blended(view.prompt_tokens, completion_tokens(view))


def inverse_square(price: float) -> float:
    """The weight of a price in the Balanced draw: 1/price² (OpenRouter's load balancing; 1 against 3 USD is 9 : 1).
    `price` has a floor, so nothing is divided by zero."""
    return 1.0 / (price * price)
