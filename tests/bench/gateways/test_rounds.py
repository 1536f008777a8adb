from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.gateways import rounds


def test_a_turn_is_compared_with_the_direct_turn_of_its_own_round() -> None:
    through = {"p50": 300.0, "p99": 900.0, "cpu": 80.0, "firstTokenP50": 250.0}
    found = rounds.with_added(through, {"p50": 100.0, "p99": 1000.0, "firstTokenP50": 90.0})
    assert (found["addedP50"], found["addedP99"], found["addedFirstTokenP50"]) == (200.0, -100.0, 160.0)
    assert found["cpu"] == 80.0
    assert "addedDelayP50" not in found


def test_without_a_direct_turn_nothing_is_added() -> None:
    assert rounds.with_added({"p50": 300.0}, None) == {"p50": 300.0}


def test_a_summary_is_the_median_with_its_spread() -> None:
    found = rounds.summary([{"cpu": 3.0}, {"cpu": 1.0, "p50": 7.0}, {"cpu": 2.0}])
    assert found["cpu"] == {"median": 2.0, "min": 1.0, "max": 3.0, "samples": [3.0, 1.0, 2.0]}
    assert found["p50"]["samples"] == [7.0]


@given(st.lists(st.text(), unique=True), st.integers(0, 50))
def test_every_round_has_everyone_once(names: list[str], number: int) -> None:
    assert sorted(rounds.rotated(names, number)) == sorted(names)


@pytest.mark.parametrize(("number", "expected"), [(0, ["a", "b", "c"]), (1, ["b", "c", "a"]), (5, ["c", "a", "b"])])
def test_each_round_begins_with_the_next_one(number: int, expected: list[str]) -> None:
    assert rounds.rotated(["a", "b", "c"], number) == expected
