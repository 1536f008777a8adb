"""What a generation cost by the counts of its provider and the prices in force. Pure; used by `exchange`.

Tokens read from or written to a provider's cache have prices of their own; where a pool states none they cost what
other prompt tokens do.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final

from tieline_api.prices import MILLION, prices_in_force
from tieline_api.snapshot import Prices

from tieline_router.routing.offers import Offer
from tieline_router.streaming.form import Cost
from tieline_router.streaming.usage import Usage

ZERO: Final = Decimal(0)


class Bill:
    """Prices the usage of one attempt; remembers the last sum, because the answer shows it and the books take it."""

    __slots__ = ("_cost", "_offer", "_started", "_usage")

    def __init__(self, offer: Offer, started: float) -> None:
        self._offer = offer
        self._started = started
        self._usage: Usage | None = None
        self._cost: Cost | None = None

    def __call__(self, usage: Usage) -> Cost | None:
        if usage is not self._usage:
            self._usage = usage
            self._cost = cost_of(self._offer, self._started, usage)
        return self._cost


def cost_of(offer: Offer, started: float, usage: Usage) -> Cost | None:
    """USD for one generation, by the prices in force when its request came (Unix seconds); None where the pool states
    no prices."""
    pricing = offer.model.pricing
    if pricing is None:
        return None
    prices = prices_in_force(pricing, usage.prompt, math.floor(started))
    prompt = prompt_cost(prices, usage)
    completion = usage.completion * (prices.completion or ZERO) / MILLION
    return Cost(float(prompt + completion + (prices.request or ZERO)), float(prompt), float(completion))


def prompt_cost(prices: Prices, usage: Usage) -> Decimal:
    """USD for the tokens that were read."""
    base = prices.prompt or ZERO
    read = base if prices.cache_read is None else prices.cache_read
    written = base if prices.cache_write is None else prices.cache_write
    fresh = max(0, usage.prompt - usage.cached - usage.cache_write)
    return (fresh * base + usage.cached * read + usage.cache_write * written) / MILLION
