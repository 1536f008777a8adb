from __future__ import annotations

import pytest

from bench.gateways.memory import slope


def samples(*values: int) -> list[dict[str, int]]:
    return [{"requests": 1000 * (index + 1), "bytes": value} for index, value in enumerate(values)]


def test_growth_while_warming_up_is_none() -> None:
    assert slope(samples(10, 5000, 9000, 9000, 9000, 9000)) == 0


def test_growth_after_it_is_told_per_thousand_requests() -> None:
    assert slope(samples(0, 0, 100, 200, 300, 400)) == pytest.approx(100)


def test_one_sample_tells_nothing() -> None:
    assert slope(samples(7)) == 0
