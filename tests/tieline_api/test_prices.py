from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.prices import PRICE_FLOOR, blended_price, in_window, prices_in_force, request_cost
from tieline_api.snapshot import PriceOverride, Prices, Pricing, Window

BASE = Prices(prompt=Decimal("0.28"), completion=Decimal("0.42"), cache_read=Decimal("0.028"))
decimals = st.decimals(min_value=0, max_value=1000, places=4)


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def minutes(text: str) -> int:
    hours, rest = text.split(":")
    return int(hours) * 60 + int(rest)


def window(start: str, end: str, days: tuple[int, ...] = (), zone: str = "UTC") -> Window:
    return Window(start=minutes(start), end=minutes(end), days=days, time_zone=zone)


@pytest.mark.parametrize(
    ("when", "inside"),
    [
        ("2026-11-20T16:29:59", False),
        ("2026-11-20T16:30:00", True),
        ("2026-11-21T00:29:59", True),
        ("2026-11-21T00:30:00", False),
    ],
)
def test_a_window_is_half_open_and_wraps_over_midnight(when: str, inside: bool) -> None:
    assert in_window(window("16:30", "00:30"), at(when)) is inside


def test_after_midnight_a_wrapped_window_belongs_to_the_day_on_which_it_began() -> None:
    friday_night = window("23:00", "07:00", days=(5,))
    assert in_window(friday_night, at("2026-11-21T06:59:00"))  # Saturday morning
    assert not in_window(friday_night, at("2026-11-20T06:59:00"))  # Friday morning: Thursday's night
    assert not in_window(friday_night, at("2026-11-21T23:30:00"))


def test_equal_ends_mean_the_whole_day() -> None:
    assert in_window(window("08:00", "08:00"), at("2026-11-20T03:00:00"))


def test_a_window_is_read_in_its_own_time_zone_in_summer_and_winter() -> None:
    night = window("23:00", "07:00", zone="Europe/Berlin")
    assert in_window(night, at("2026-01-10T22:00:00"))
    assert not in_window(night, at("2026-01-10T21:59:00"))
    assert in_window(night, at("2026-07-10T21:00:00"))


@given(st.integers(0, 1439), st.integers(0, 1439), st.integers(0, 2 * 10**9))
def test_a_window_and_its_complement_cover_every_minute_once(start: int, end: int, now: int) -> None:
    if start != end:
        assert in_window(Window(start=start, end=end), now) != in_window(Window(start=end, end=start), now)


def test_later_overrides_win_key_by_key_and_only_while_all_their_parts_hold() -> None:
    pricing = Pricing(
        base=BASE,
        overrides=(
            PriceOverride(
                prices=Prices(prompt=Decimal("0.14"), completion=Decimal("0.21")), window=window("16:30", "00:30")
            ),
            PriceOverride(prices=Prices(prompt=Decimal("0.56")), min_prompt_tokens=128_000),
            PriceOverride(prices=Prices(completion=Decimal("0.60")), effective_from=at("2027-01-01T00:00:00")),
        ),
    )
    assert prices_in_force(pricing, 10, at("2026-11-20T12:00:00")) == BASE
    night = prices_in_force(pricing, 128_000, at("2026-11-20T20:00:00"))
    assert (night.prompt, night.completion, night.cache_read) == (Decimal("0.56"), Decimal("0.21"), Decimal("0.028"))
    assert prices_in_force(pricing, 127_999, at("2026-11-20T20:00:00")).prompt == Decimal("0.14")
    assert prices_in_force(pricing, 1, at("2027-01-01T00:00:00")).completion == Decimal("0.60")


def test_the_platform_fee_is_on_top_of_the_prices_in_force() -> None:
    pricing = Pricing(base=BASE, fee_percent=Decimal("5.5"))
    prices = prices_in_force(pricing, 1, 0.0)
    assert prices.prompt == Decimal("0.2954")
    assert prices.cache_write is None


def test_the_cost_of_a_request_is_exact() -> None:
    prices = Prices(prompt=Decimal("0.28"), completion=Decimal("0.42"), request=Decimal("0.001"))
    assert request_cost(prices, 1_000, 256) == Decimal("0.00138752")


@given(decimals, decimals, st.integers(0, 10**6), st.integers(0, 10**6))
def test_cost_is_additive_in_tokens(prompt: Decimal, completion: Decimal, one: int, other: int) -> None:
    prices = Prices(prompt=prompt, completion=completion)
    whole = request_cost(prices, one + other, one + other)
    assert whole == request_cost(prices, one, one) + request_cost(prices, other, other)


def test_the_blended_price_has_a_floor_and_divides_by_nothing() -> None:
    assert blended_price(Decimal(0), 0) == PRICE_FLOOR
    assert blended_price(Decimal("0.00138752"), 1256) > PRICE_FLOOR
