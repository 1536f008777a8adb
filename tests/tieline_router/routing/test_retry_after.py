import math
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.routing.retry_after import MAX_SECONDS, retry_after

DATE = 1_700_000_000
THEN = {"Date": formatdate(DATE, usegmt=True)}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7),
        ({"Retry-After": " 0.5 "}, 0.5),
        ({"Retry-After": "-3"}, 0),
        ({"Retry-After": "9999999"}, None),
        ({"Retry-After": "99999"}, MAX_SECONDS),
        ({"Retry-After": formatdate(DATE + 20, usegmt=True)} | THEN, 20),
        ({"Retry-After": formatdate(DATE - 20, usegmt=True)} | THEN, 0),
        ({"Retry-After": formatdate(DATE + 20, usegmt=True)}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({"Retry-After": "soon", "retry-after-ms": "1500"}, 1.5),
        ({"x-ms-retry-after-ms": "250"}, 0.25),
        ({"x-ratelimit-reset": str(DATE + 60)} | THEN, 60),
        ({"x-ratelimit-reset": "12"}, 12),
        ({"x-ratelimit-reset-requests": "1m2.5s", "x-ratelimit-reset-tokens": "6ms"}, 0.006),
        ({"x-ratelimit-reset-requests": "2h3m"}, 7380),
        ({"anthropic-ratelimit-tokens-reset": "2023-11-14T22:13:30Z"} | THEN, 10),
        ({"Retry-After": "3", "x-ratelimit-reset": "1"}, 3),
    ],
)
def test_spellings(headers: dict[str, str], seconds: float | None) -> None:
    found = retry_after(headers, rate_limited=True)
    assert found == (None if seconds is None else pytest.approx(seconds))


def test_reset_headers_count_on_a_rate_limit_only() -> None:
    assert retry_after({"x-ratelimit-reset": "12"}, rate_limited=False) is None
    assert retry_after({"Retry-After": "12"}, rate_limited=False) == 12


NAMES = ("Retry-After", "retry-after-ms", "x-ratelimit-reset", "Date")


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=20)), st.booleans())
def test_anything_is_a_bounded_number_or_nothing(headers: dict[str, str], limited: bool) -> None:
    found = retry_after(headers, rate_limited=limited)
    assert found is None or (0 <= found <= MAX_SECONDS and math.isfinite(found))
