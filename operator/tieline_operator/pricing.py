"""Prices of a pool's offers in the wire form, and the price of own tokens from what a replica costs. Pure.

Amounts are Decimal: USD per million tokens unless a name says else. Called by `pools`.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from tieline_api import snapshot
from tieline_api.v1alpha1.capacity import Cost
from tieline_api.v1alpha1.offers import BasePrices, OverridePrices, Pricing
from tieline_api.v1alpha1.selectors import TimeWindow

_ISO_WEEKDAYS: Final = {"Mon": 1, "Tue": 2, "Wed": 3, "Thu": 4, "Fri": 5, "Sat": 6, "Sun": 7}
_SECONDS_PER_HOUR: Final = 3600
_MILLION: Final = Decimal(1_000_000)
_STEP: Final = Decimal("0.000001")
"""Derived prices are rounded to a millionth of a USD per million tokens."""
NOTHING: Final = Decimal(0)


def window(stated: TimeWindow) -> snapshot.Window:
    """A time window in minutes of the day and ISO weekdays."""
    return snapshot.Window(
        start=stated.start.minutes,
        end=stated.end.minutes,
        days=tuple(sorted(_ISO_WEEKDAYS[day] for day in stated.days)),
        time_zone=stated.time_zone,
    )


def _prices(stated: BasePrices | OverridePrices) -> snapshot.Prices:
    return snapshot.Prices(
        prompt=stated.prompt,
        completion=stated.completion,
        cache_read=stated.cache_read,
        cache_write=stated.cache_write,
        request=stated.request,
    )


def stated_pricing(stated: Pricing, fee_percent: Decimal = NOTHING) -> snapshot.Pricing:
    """Prices that the manifest states, with the platform's fee (External pools)."""
    overrides = tuple(
        snapshot.PriceOverride(
            prices=_prices(override.prices),
            window=window(override.when.window) if override.when.window else None,
            min_prompt_tokens=override.when.min_prompt_tokens,
            effective_from=override.when.effective_from.timestamp() if override.when.effective_from else None,
        )
        for override in stated.overrides
    )
    return snapshot.Pricing(base=_prices(stated.base), overrides=overrides, fee_percent=fee_percent)


def price_at(cost: Cost, per_kwh: Decimal) -> Decimal | None:
    """USD per million tokens of a busy replica, prompt and completion alike; None when no capacity is stated.

    (accelerators × USD per accelerator hour + kW × PUE × USD per kWh) ÷ (tokens per second × 3600) × 10⁶:
    the cost of one hour over the tokens that a replica serves in it at its stated capacity.
    """
    if cost.tokens_per_second_per_replica is None:
        return None
    hardware = cost.accelerators_per_replica * cost.accelerator_hour
    energy = Decimal(cost.watts_busy or 0) / 1000 * cost.pue * per_kwh
    tokens_per_hour = cost.tokens_per_second_per_replica * _SECONDS_PER_HOUR
    return ((hardware + energy) * _MILLION / tokens_per_hour).quantize(_STEP)


def cost_pricing(cost: Cost) -> snapshot.Pricing | None:
    """Prices that follow from what a replica costs; hours with another price of electricity become overrides.

    None when the capacity is not stated, so that no price follows.
    """
    electricity = cost.electricity
    base = price_at(cost, electricity.per_kwh if electricity else NOTHING)
    if base is None:
        return None
    overrides = []
    for hours in electricity.windows if electricity else ():
        price = price_at(cost, hours.per_kwh)
        overrides.append(
            snapshot.PriceOverride(prices=snapshot.Prices(prompt=price, completion=price), window=window(hours.window))
        )
    return snapshot.Pricing(
        base=snapshot.Prices(prompt=base, completion=base), overrides=tuple(overrides), source="Cost"
    )
