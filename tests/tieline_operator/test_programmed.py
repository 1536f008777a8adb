from typing import Any

import pytest
from tieline_api.conditions import Reason
from tieline_operator.programmed import FleetProgress, programmed, routers_status


def fleet(expected: str = "ab", acked: str = "", rejected: dict[str, str] | None = None, **more: Any) -> FleetProgress:
    return FleetProgress(more.pop("router_class", "default"), tuple(expected), frozenset(acked), rejected or {}, **more)


SIDECAR = fleet("xyz", "", {"x": "too new"}, router_class="sidecar", waited_for=False)


@pytest.mark.parametrize(
    ("fleets", "reason", "words"),
    [
        ((fleet("ab", "ab"),), Reason.PROGRAMMED, "2/2"),
        ((fleet("ab", "abz"),), Reason.PROGRAMMED, "2/2"),
        (
            (fleet("ab", "a"),),
            Reason.WAITING_FOR_ROUTERS,
            "1/2 routers of class default have acknowledged, waiting for b",
        ),
        ((fleet("ab", "xy"),), Reason.WAITING_FOR_ROUTERS, "0/2"),
        ((fleet("ab", "ab", {"a": "schema 9"}),), Reason.REJECTED_BY_ROUTER, "router a refused"),
        ((fleet("", "", declared=0),), Reason.NO_ROUTERS, "tieline.dev/router-class=default"),
        ((fleet("", ""),), Reason.WAITING_FOR_ROUTERS, "has no ready router: see why with kubectl describe pods -l"),
        ((), Reason.NO_ROUTERS, "spec.routerClass"),
        ((fleet("", "xy", declared=2),), Reason.PROGRAMMED, "2/2"),
        ((fleet("", "x", declared=2),), Reason.WAITING_FOR_ROUTERS, "1/2"),
        ((fleet("", "xyz", declared=2),), Reason.PROGRAMMED, "2/2"),
        ((fleet("ab", "ab"), SIDECAR), Reason.PROGRAMMED, "2/2"),
        ((SIDECAR,), Reason.NO_ROUTERS, "class default"),
    ],
)
def test_programmed_says_how_far_the_fleet_is(fleets: tuple[FleetProgress, ...], reason: Reason, words: str) -> None:
    finding = programmed(fleets, "default")
    assert finding.reason == reason
    assert finding.holds is (reason == Reason.PROGRAMMED)
    assert words in finding.message


def test_the_reason_of_a_router_that_refused_is_told() -> None:
    finding = programmed((fleet("ab", "", {"b": "second", "a": "malformed config frame"}),), "default")
    assert "router a refused the configuration" in finding.message
    assert "malformed config frame" in finding.message
    assert "2 routers refused" in finding.message


def test_the_names_of_those_waited_for_are_bounded() -> None:
    many = FleetProgress("default", tuple(f"router-{index:03}" for index in range(50)))
    message = programmed((many,), "default").message
    assert message.count("router-") == 10
    assert message.endswith("and 40 more")


def test_the_status_of_each_fleet_stands_by_class() -> None:
    written = routers_status((SIDECAR, fleet("ab", "ab"), fleet("ab", "a", router_class="batch")), 7, {})
    assert written == [
        {"class": "batch", "acked": 1, "expected": 2, "summary": "1/2"},
        {"class": "default", "acked": 2, "expected": 2, "summary": "2/2", "observedGeneration": 7},
        {"class": "sidecar", "acked": 0, "expected": 3, "summary": "0/3"},
    ]


def test_the_generation_in_force_stays_until_all_have_the_new_one() -> None:
    (before,) = routers_status((fleet("ab", "ab"),), 1, {})
    (during,) = routers_status((fleet("ab", "a"),), 2, {"default": before})
    assert during["observedGeneration"] == 1
    (after,) = routers_status((fleet("ab", "ab"),), 2, {"default": during})
    assert after["observedGeneration"] == 2
