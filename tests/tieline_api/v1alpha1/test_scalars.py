"""Durations, decimals, clock times and timestamps: every form, and the value that it means."""

import re
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.v1alpha1.scalars import (
    ClockTime,
    Duration,
    format_decimal,
    format_timestamp,
    parse_decimal,
    parse_duration,
    parse_timestamp,
)

PARTS = st.lists(
    st.tuples(st.integers(0, 99_999), st.sampled_from([("h", 3600.0), ("m", 60.0), ("s", 1.0), ("ms", 0.001)])),
    min_size=1,
    max_size=4,
)


@given(PARTS)
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, tuple[str, float]]]) -> None:
    text = "".join(f"{number}{unit}" for number, (unit, _) in parts)
    seconds = sum(number * length for number, (_, length) in parts)
    assert parse_duration(text) == pytest.approx(seconds, abs=1e-6)
    assert Duration(text).seconds == parse_duration(text)
    assert Duration(text) == text


@pytest.mark.parametrize(
    ("text", "seconds"), [("0s", 0), ("250ms", 0.25), ("1h30m", 5400), ("90s", 90), ("1m1ms", 60.001)]
)
def test_durations_of_the_gateway_api(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@given(st.text(max_size=12))
def test_other_texts_are_no_durations(text: str) -> None:
    if not re.fullmatch(r"([0-9]{1,5}(h|m|s|ms)){1,4}", text):
        with pytest.raises(ValueError, match="is not a duration; write"):
            Duration(text)


@pytest.mark.parametrize("text", ["", "1", "s", "1d", "1.5s", "-1s", "1s ", "1s\n", "100000s", "1s1s1s1s1s", "１s"])
def test_near_misses_are_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        parse_duration(text)


@given(st.decimals(min_value=0, max_value=Decimal("999999999.999999999"), places=9))
def test_a_decimal_survives_the_wire(value: Decimal) -> None:
    assert parse_decimal(format_decimal(value)) == value


@given(st.integers(0, 999_999_999), st.integers(0, 9), st.integers(0, 999_999_999))
def test_a_decimal_keeps_its_digits(whole: int, places: int, fraction: int) -> None:
    text = f"{whole}.{str(fraction).zfill(9)[:places]}" if places else str(whole)
    assert format_decimal(parse_decimal(text)) == text


@pytest.mark.parametrize(
    "value",
    [
        0.28,
        1,
        True,
        None,
        "",
        "-1",
        "1e3",
        "1.",
        ".5",
        "1,5",
        " 1",
        "1\n",
        "NaN",
        "1234567890",
        Decimal(-1),
        Decimal("NaN"),
    ],
)
def test_what_is_no_exact_amount_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="is not a decimal; write digits in quotes"):
        parse_decimal(value)


@given(st.integers(0, 23), st.integers(0, 59))
def test_every_minute_of_the_day_has_a_clock_time(hour: int, minute: int) -> None:
    assert ClockTime(f"{hour:02}:{minute:02}").minutes == hour * 60 + minute


def test_the_day_ends_at_24() -> None:
    assert ClockTime("24:00").minutes == 1440


@pytest.mark.parametrize("text", ["", "9:00", "24:01", "12:60", "1200", "12:00 ", "noon", "-1:00"])
def test_other_texts_are_no_clock_times(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time of day"):
        ClockTime(text)


OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(min_value=datetime(1001, 1, 1), max_value=datetime(2999, 12, 30), timezones=OFFSETS))  # noqa: DTZ001 (the strategy adds the zone)
def test_a_timestamp_survives_the_wire(value: datetime) -> None:
    text = format_timestamp(value)
    assert text.endswith("Z")
    assert parse_timestamp(text) == value
    assert parse_timestamp(value.isoformat()) == value


def test_a_timestamp_of_whole_seconds_is_written_as_kubernetes_writes_it() -> None:
    assert format_timestamp(datetime(2027, 1, 1, tzinfo=UTC)) == "2027-01-01T00:00:00Z"


@pytest.mark.parametrize(
    "value",
    [
        "2027-01-01",
        "2027-01-01T00:00:00",
        "2027-02-29T00:00:00Z",
        "2027-04-31T00:00:00Z",
        "2027-01-01 00:00:00Z",
        1,
        None,
    ],
)
def test_other_values_are_no_timestamps(value: object) -> None:
    with pytest.raises(ValueError, match=r"is not a time in RFC 3339 form|day is out of range"):
        parse_timestamp(value)


def test_a_datetime_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        parse_timestamp(datetime(2027, 1, 1))  # noqa: DTZ001 (the point of the test)
