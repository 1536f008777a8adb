"""What a request costs at one offer: the price in force, and its sum. Pure; used by both planes and the CLI.

Prices are USD per million tokens, Decimal throughout. Time is an argument.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from tieline_api.snapshot import PriceOverride, Prices, Pricing, Window

MILLION: Final = Decimal(1_000_000)
PRICE_FLOOR: Final = Decimal("0.01")
"""USD per million tokens: the least price that a draw by 1/price² counts with, so that a free offer divides nothing."""
DEFAULT_COMPLETION_TOKENS: Final = 256
"""Completion tokens that a request without `max_tokens` is priced at."""


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def in_window(window: Window, now: float) -> bool:
    """Whether Unix time `now` lies in the window, in the window's own time zone.

    Half-open; `end` ≤ `start` wraps over midnight and then belongs to the day on which it began (equal ends: all day).
    """
    local = datetime.fromtimestamp(now, UTC).astimezone(_zone(window.time_zone))
    minute = local.hour * 60 + local.minute
    day = local
    if window.start < window.end:
        inside = window.start <= minute < window.end
    elif minute >= window.start:
        inside = True
    else:
        inside = minute < window.end
        day = local - timedelta(days=1)
    return inside and (not window.days or day.isoweekday() in window.days)


def _holds(override: PriceOverride, prompt_tokens: int, now: float) -> bool:
    if override.effective_from is not None and now < override.effective_from:
        return False
    if override.min_prompt_tokens is not None and prompt_tokens < override.min_prompt_tokens:
        return False
    return override.window is None or in_window(override.window, now)


def _replace(base: Prices, over: Prices) -> Prices:
    return Prices(
        prompt=base.prompt if over.prompt is None else over.prompt,
        completion=base.completion if over.completion is None else over.completion,
        cache_read=base.cache_read if over.cache_read is None else over.cache_read,
        cache_write=base.cache_write if over.cache_write is None else over.cache_write,
        request=base.request if over.request is None else over.request,
    )


def _with_fee(prices: Prices, percent: Decimal) -> Prices:
    factor = 1 + percent / 100

    def fee(value: Decimal | None) -> Decimal | None:
        return None if value is None else value * factor

    return Prices(
        prompt=fee(prices.prompt),
        completion=fee(prices.completion),
        cache_read=fee(prices.cache_read),
        cache_write=fee(prices.cache_write),
        request=fee(prices.request),
    )


def prices_in_force(pricing: Pricing, prompt_tokens: int, now: float) -> Prices:
    """The prices for a prompt of this size at Unix time `now`: base, then every override that holds, later ones
    winning key by key, then the platform fee on top."""
    prices = pricing.base
    for override in pricing.overrides:
        if _holds(override, prompt_tokens, now):
            prices = _replace(prices, override.prices)
    return _with_fee(prices, pricing.fee_percent) if pricing.fee_percent else prices


def request_cost(prices: Prices, prompt_tokens: int, completion_tokens: int) -> Decimal:
    """USD for one request: tokens of each kind × their price, plus the request price; absent prices are 0."""
    zero = Decimal(0)
    tokens = prompt_tokens * (prices.prompt or zero) + completion_tokens * (prices.completion or zero)
    return tokens / MILLION + (prices.request or zero)


def blended_price(cost: Decimal, tokens: int) -> Decimal:
    """USD per million tokens that `cost` means for `tokens`, never below `PRICE_FLOOR`: what strategies compare."""
    return max(PRICE_FLOOR, cost * MILLION / max(tokens, 1))
