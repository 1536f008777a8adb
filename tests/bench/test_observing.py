from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from bench.observing import is_acked

ACKED: dict[str, Any] = {
    "metadata": {"generation": 3},
    "status": {
        "conditions": [{"type": "Programmed", "status": "True", "observedGeneration": 3}],
        "routers": [{"class": "default", "acked": 2, "expected": 2, "observedGeneration": 3}],
    },
}


def test_all_routers_have_the_generation() -> None:
    assert is_acked(ACKED)


def no_status(route: Any) -> None:
    del route["status"]


def older_condition(route: Any) -> None:
    route["status"]["conditions"][0]["observedGeneration"] = 2


def not_programmed(route: Any) -> None:
    route["status"]["conditions"][0]["status"] = "False"


def one_router_behind(route: Any) -> None:
    route["status"]["routers"][0]["acked"] = 1


def fleet_behind(route: Any) -> None:
    route["status"]["routers"][0]["observedGeneration"] = 2


def no_fleet(route: Any) -> None:
    route["status"]["routers"] = []


def no_router(route: Any) -> None:
    route["status"]["routers"][0] |= {"acked": 0, "expected": 0}


@pytest.mark.parametrize(
    "change", [no_status, older_condition, not_programmed, one_router_behind, fleet_behind, no_fleet, no_router]
)
def test_anything_less_is_not_acked(change: Callable[[Any], None]) -> None:
    route = copy.deepcopy(ACKED)
    change(route)
    assert not is_acked(route)
