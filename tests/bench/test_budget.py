from __future__ import annotations

from pathlib import Path

import pytest

from bench import budget

KEYS = ("body", "decide", "admission", "records", "metering", "spans")


def test_the_parts_fill_the_budget_of_fourteen_microseconds(tmp_path: Path) -> None:
    listed = budget.parts(tmp_path).listed()
    assert tuple(part.key for part in listed) == KEYS
    assert sum(part.budget for part in listed) == 14


@pytest.mark.parametrize("key", KEYS[:-1])
def test_each_part_runs_on_the_configuration_of_the_comparison(tmp_path: Path, key: str) -> None:
    part = next(part for part in budget.parts(tmp_path).listed() if part.key == key)
    assert part.step is not None
    part.step()


def test_what_is_not_built_has_no_figure(tmp_path: Path) -> None:
    assert budget.measure(budget.parts(tmp_path).listed()[-1]) is None
