from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.figures import percentile, summary


@pytest.mark.parametrize(("percent", "expected"), [(50, 25), (99, 50), (98, 49), (100, 50), (1, 1), (0, 1)])
def test_nearest_rank_of_fifty(percent: float, expected: int) -> None:
    assert percentile(list(range(50, 0, -1)), percent) == expected


@given(st.lists(st.floats(0, 1000), min_size=1), st.floats(0, 100))
def test_a_percentile_is_a_sample_that_enough_samples_do_not_exceed(samples: list[float], percent: float) -> None:
    found = percentile(samples, percent)
    assert found in samples
    assert sum(sample <= found for sample in samples) >= percent / 100 * len(samples) - 1e-9
    assert sum(sample < found for sample in samples) <= percent / 100 * len(samples) + 1e-9


def test_a_summary_keeps_the_order_of_its_samples() -> None:
    assert summary([0.3, 0.1, 0.2]) == {"p50": 0.2, "p99": 0.3, "max": 0.3, "samples": [0.3, 0.1, 0.2]}
