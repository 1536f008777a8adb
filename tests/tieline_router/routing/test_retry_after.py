import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.routing.retry_after import MAX_SECONDS, retry_after

DATE = 1_700_000_000
THEN = {"date": formatdate(DATE, usegmt=True)}
LATER = formatdate(DATE + 20, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "-3"}, 0),
        ({"retry-after": "9999999"}, None),
        ({"retry-after": "99999"}, MAX_SECONDS),
        ({"retry-after": LATER} | THEN, 20),
        ({"retry-after": formatdate(DATE - 20, usegmt=True)} | THEN, 0),
        ({"retry-after": LATER}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "9" * 5000}, None),
        ({"retry-after": "soon", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after-ms": "0", "x-ms-retry-after-ms": "250"}, 0),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"x-ratelimit-reset": str(DATE + 60)} | THEN, 60),
        ({"x-ratelimit-reset": str((DATE + 60) * 1000)} | THEN, 60),
        ({"x-ratelimit-reset": "12"}, 12),
        ({"ratelimit-reset": "12"}, 12),
        ({"ratelimit": '"default";r=0;t=30'}, 30),
        ({"ratelimit": "limit=100, remaining=0, reset=31"}, 31),
        ({"x-ratelimit-reset-requests": "1m2.5s", "x-ratelimit-reset-tokens": "6ms"}, 0.006),
        ({"x-ratelimit-reset-requests": "6m0s"}, 360),
        ({"x-ratelimit-reset-requests": "2h3m"}, 7380),
        ({"x-ratelimit-reset-tokens": "20ms"}, 0.02),
        ({"x-ratelimit-reset-tokens": "1d12.5µs"}, MAX_SECONDS),
        ({"x-ratelimit-reset-tokens": "1s1"}, None),
        ({"anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:30Z"} | THEN, 10),
        ({"anthropic-ratelimit-input-tokens-reset": "2023-11-14T22:13:30+00:00"} | THEN, 10),
        ({"anthropic-ratelimit-requests-reset": "2023-11-14T22:13:30"} | THEN, None),
        ({"retry-after": "3", "x-ratelimit-reset": "1"}, 3),
    ],
)
def test_spellings(headers: dict[str, str], seconds: float | None) -> None:
    found = retry_after(headers, rate_limited=True)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_a_moment_counts_from_now_where_the_answer_has_no_date() -> None:
    assert retry_after({"retry-after": LATER}, rate_limited=True, now=DATE + 5) == 15
    assert retry_after({"retry-after": LATER} | THEN, rate_limited=True, now=DATE + 5) == 20


def test_the_limit_that_was_hit_is_the_one_with_nothing_remaining() -> None:
    resets = {"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "40s"}
    remaining = {"x-ratelimit-remaining-requests": "9", "x-ratelimit-remaining-tokens": "0"}
    assert retry_after(resets, rate_limited=True) == 1
    assert retry_after(resets | remaining, rate_limited=True) == 40


def test_reset_headers_count_on_a_rate_limit_only() -> None:
    assert retry_after({"x-ratelimit-reset": "12"}, rate_limited=False) is None
    assert retry_after({"retry-after": "12"}, rate_limited=False) == 12


NAMES = (
    "retry-after", "retry-after-ms", "x-ratelimit-reset", "x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens",
    "ratelimit", "date",
)  # fmt: skip
hostile = st.text(max_size=80) | st.from_regex(r"[0-9]{0,70}[dhms.]{0,3}[0-9a-z]{0,20}", fullmatch=True)


@given(st.dictionaries(st.sampled_from(NAMES), hostile), st.booleans(), st.none() | st.just(DATE + 0.5))
def test_anything_is_a_bounded_number_or_nothing(headers: dict[str, str], limited: bool, now: float | None) -> None:
    found = retry_after(headers, rate_limited=limited, now=now)
    assert found is None or (0 <= found <= MAX_SECONDS and math.isfinite(found))


@given(st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["h", "m", "s", "ms"])), min_size=1, max_size=4))
def test_a_duration_is_the_sum_of_its_parts(parts: list[tuple[int, str]]) -> None:
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    text = "".join(f"{count}{unit}" for count, unit in parts)
    found = retry_after({"x-ratelimit-reset-requests": text}, rate_limited=True)
    assert found == pytest.approx(min(sum(count * units[unit] for count, unit in parts), MAX_SECONDS))
