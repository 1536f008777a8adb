import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.snapshot import Hedging
from tieline_router.routing.hedging import (
    BUCKETS,
    BUDGET_SECONDS,
    FIRST_BOUND,
    MIN_SAMPLES,
    RATIO,
    WINDOW,
    RouteHedging,
    Sketch,
    size_class,
)

RULE = Hedging(after_percentile=90, max_percent=10)
LONGEST = FIRST_BOUND * RATIO ** (BUCKETS - 2)


@given(st.lists(st.floats(FIRST_BOUND, LONGEST), min_size=MIN_SAMPLES, max_size=300), st.sampled_from([50, 75, 90, 95]))
def test_a_quantile_is_never_too_short_and_at_most_a_tenth_too_long(samples: list[float], percent: int) -> None:
    sketch = Sketch(0.0)
    for seconds in samples:
        sketch.add(seconds, 1.0)
    found = sketch.quantile(percent, 1.0)
    if len(samples) * (100 - percent) < 100:
        assert found is None
        return
    exact = sorted(samples)[math.ceil(len(samples) * percent / 100) - 1]
    assert found is not None
    assert exact * (1 - 1e-9) <= found <= exact * RATIO * (1 + 1e-9)


def test_what_is_unknown_is_not_hedged() -> None:
    sketch = Sketch(0.0)
    for _ in range(MIN_SAMPLES - 1):
        sketch.add(1.0, 0.0)
    assert sketch.quantile(50, 0.0) is None
    sketch.add(1.0, 0.0)
    assert sketch.quantile(50, 0.0) == pytest.approx(1.0, rel=0.1)
    assert sketch.quantile(99, 0.0) is None, "of twenty, none lies above the 99th percentile"


def test_samples_are_forgotten_after_two_windows() -> None:
    sketch = Sketch(0.0)
    for _ in range(MIN_SAMPLES):
        sketch.add(1.0, 0.0)
    assert sketch.quantile(50, 1.5 * WINDOW) is not None
    assert sketch.quantile(50, 3 * WINDOW) is None
    for _ in range(MIN_SAMPLES):
        sketch.add(1.0, 4 * WINDOW)
    assert sketch.quantile(50, 4 * WINDOW) is not None
    assert sketch.quantile(50, 7 * WINDOW) is None


@given(st.floats(0, 1e12))
def test_any_duration_has_a_bucket(seconds: float) -> None:
    sketch = Sketch(0.0)
    for _ in range(MIN_SAMPLES):
        sketch.add(seconds, 0.0)
    found = sketch.quantile(50, 0.0)
    assert (found is None) == (seconds > LONGEST)


def test_prompts_are_compared_with_prompts_of_their_size() -> None:
    assert [size_class(n) for n in (0, 1023, 1024, 4095, 4096, 16384, 65535, 65536, 10**7)] == [
        0, 0, 1, 1, 2, 3, 3, 4, 4,
    ]  # fmt: skip
    found = RouteHedging(RULE)
    for _ in range(MIN_SAMPLES):
        found.sample("p", 100, 0.1, 0.0)
    assert found.delay("p", 200, 0.0) == pytest.approx(0.1, rel=0.1)
    assert found.delay("p", 20_000, 0.0) is None
    assert found.delay("q", 200, 0.0) is None
    found.keep(frozenset({"q"}))
    assert found.delay("p", 200, 0.0) is None


def test_the_budget_is_a_share_of_recent_requests_without_a_floor() -> None:
    found = RouteHedging(RULE)
    for _ in range(9):
        found.requested(0.0)
    assert not found.permits(0.0)
    found.requested(0.0)
    assert found.permits(0.0)
    found.spend(0.0)
    assert not found.permits(0.0)
    for _ in range(10):
        found.requested(0.0)
    assert found.permits(0.0)
    assert not found.permits(2 * BUDGET_SECONDS)


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 20)), max_size=200), st.integers(1, 100))
def test_hedges_never_pass_the_share(events: list[tuple[bool, float]], percent: int) -> None:
    """Counted with the same decay, whatever comes when."""
    found, now = RouteHedging(Hedging(after_percentile=90, max_percent=percent)), 0.0
    requests = hedges = 0.0
    for wants, wait in events:
        now += wait
        factor = math.exp(-wait / BUDGET_SECONDS)
        requests, hedges = requests * factor + 1, hedges * factor
        found.requested(now)
        if wants and found.permits(now):
            found.spend(now)
            hedges += 1
        assert hedges <= requests * percent / 100 + 1e-6
