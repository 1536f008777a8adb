from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tieline_api import prices, snapshot
from tieline_api.v1alpha1.capacity import Cost
from tieline_api.v1alpha1.offers import Pricing
from tieline_api.v1alpha1.selectors import TimeWindow
from tieline_operator.pricing import cost_pricing, price_at, stated_pricing, window

COST: dict[str, Any] = {
    "acceleratorsPerReplica": 8,
    "acceleratorHour": "1.90",
    "wattsIdle": 2800,
    "wattsBusy": 6500,
    "pue": "1.25",
    "electricity": {"perKWh": "0.07"},
    "tokensPerSecondPerReplica": 2400,
}


def cost(**more: Any) -> Cost:
    return Cost.model_validate(COST | more)


def test_the_price_of_own_tokens_is_an_hour_over_the_tokens_of_an_hour() -> None:
    # (8 × 1.90 + 6.5 kW × 1.25 × 0.07) ÷ (2400 × 3600) × 10⁶ = 15.76875 ÷ 8.64
    assert price_at(cost(), Decimal("0.07")) == Decimal("1.825087")


def test_without_stated_capacity_no_price_follows() -> None:
    assert cost_pricing(Cost.model_validate({"acceleratorHour": "1.90"})) is None


def test_without_watts_only_the_hardware_counts() -> None:
    stated = Cost.model_validate({"acceleratorHour": "3.60", "tokensPerSecondPerReplica": 1000})
    assert price_at(stated, Decimal("9.99")) == Decimal("1.000000")


def test_hours_of_cheap_electricity_become_overrides() -> None:
    night = {"days": ["Mon", "Fri"], "from": "23:00", "to": "07:00", "timeZone": "Europe/Berlin"}
    priced = cost_pricing(cost(electricity={"perKWh": "0.07", "windows": [{"window": night, "perKWh": "0"}]}))
    assert priced is not None
    assert priced.source == "Cost"
    assert priced.base.prompt == priced.base.completion == Decimal("1.825087")
    (override,) = priced.overrides
    assert override.window == snapshot.Window(start=1380, end=420, days=(1, 5), time_zone="Europe/Berlin")
    assert override.prices.prompt == override.prices.completion == Decimal("1.759259")
    assert override.prices.request is None


def test_stated_prices_keep_order_conditions_and_fee() -> None:
    stated = Pricing.model_validate(
        {
            "base": {"prompt": "0.28", "completion": "0.42", "cacheRead": "0.028", "request": "0.001"},
            "overrides": [
                {"when": {"window": {"from": "16:30", "to": "00:30"}}, "prices": {"prompt": "0.14"}},
                {"when": {"minPromptTokens": 128000}, "prices": {"prompt": "0.56"}},
                {"when": {"effectiveFrom": "2027-01-01T00:00:00Z"}, "prices": {"completion": "0.60"}},
            ],
        }
    )
    priced = stated_pricing(stated, Decimal("5.5"))
    assert priced.source == "Pricing"
    assert priced.fee_percent == Decimal("5.5")
    assert priced.base.cache_read == Decimal("0.028")
    assert [item.min_prompt_tokens for item in priced.overrides] == [None, 128000, None]
    assert priced.overrides[0].window == snapshot.Window(start=990, end=30)
    assert priced.overrides[2].effective_from == datetime(2027, 1, 1, tzinfo=UTC).timestamp()


amounts = st.decimals(min_value=0, max_value=1000, places=4)


@given(amounts, amounts, st.integers(1, 64), st.integers(0, 20_000), st.integers(1, 100_000))
def test_a_price_grows_with_what_it_is_made_of(
    hour: Decimal, per_kwh: Decimal, accelerators: int, watts: int, rate: int
) -> None:
    stated = Cost.model_validate(
        {
            "acceleratorsPerReplica": accelerators,
            "acceleratorHour": str(hour),
            "wattsIdle": 0,
            "wattsBusy": watts,
            "tokensPerSecondPerReplica": rate,
        }
    )
    price, dearer = price_at(stated, per_kwh), price_at(stated, per_kwh + 1)
    assert price is not None
    assert dearer is not None
    assert 0 <= price <= dearer
    hourly = accelerators * hour + Decimal(watts) / 1000 * per_kwh
    assert abs(price * rate * 3600 / 1_000_000 - hourly) <= Decimal(rate * 3600) / 10**12


@given(st.integers(0, 1440), st.integers(0, 1440), st.integers(0, 2 * 7 * 1440), st.sets(st.sampled_from(range(7))))
def test_a_window_means_the_same_on_the_wire_as_in_the_manifest(
    start: int, end: int, minute: int, days: set[int]
) -> None:
    """The minutes of a window, counted one by one from each of its beginnings, are those that routers find in it."""
    names = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]
    stated = TimeWindow.model_validate(
        {
            "from": f"{start // 60:02}:{start % 60:02}",
            "to": f"{end // 60:02}:{end % 60:02}",
            "days": [names[day] for day in sorted(days)],
        }
    )
    monday = datetime(2026, 1, 5, tzinfo=UTC).timestamp()
    length = end - start if end > start else end - start + 1440
    begins = [day * 1440 + start for day in range(-7, 15) if not days or day % 7 in days]
    expected = any(begin <= minute < begin + length for begin in begins)
    assert prices.in_window(window(stated), monday + minute * 60) == expected
