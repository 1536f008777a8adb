"""Which names a route holds: tie-breaks, conflicts, and what a refused route keeps (`routes` with `tenancy`)."""

from typing import Any

from tieline_api import snapshot
from tieline_api.conditions import Reason
from tieline_operator.verdicts import RouteVerdict

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import MODEL, Raw, external, judged_route, ref, route


def wire(verdict: RouteVerdict) -> snapshot.Route:
    assert verdict.wire is not None
    return verdict.wire


def aged(name: str, models: list[str], day: int, **more: Any) -> Raw:
    return route(name, models, [ref("api", None if "*" in "".join(models) else MODEL)], **more) | {
        "metadata": manifests.metadata(name, creationTimestamp=f"2026-01-{day:02}T00:00:00Z")
    }


def test_the_older_route_keeps_a_name_and_the_other_one_says_so() -> None:
    raws = [external(), aged("new", ["coder", "writer"], 2), aged("old", ["coder"], 1)]
    assert wire(judged_route(*raws, name="old")).models == ("coder",)
    loser = judged_route(*raws, name="new")
    assert wire(loser).models == ("writer",)
    assert loser.verdict.accepted.holds
    assert "coder (held by the older ModelRoute ai/old)" in loser.verdict.accepted.message


def test_a_route_that_loses_all_names_is_conflicted_and_carries_nothing() -> None:
    raws = [external(), aged("a", ["m/*"], 1), aged("b", ["m/*"], 1)]
    loser = judged_route(*raws, name="b")
    assert (loser.verdict.accepted.status, loser.verdict.accepted.reason) == ("False", Reason.CONFLICTED)
    assert "ai/a" in loser.verdict.accepted.message
    assert loser.wire is None


def test_other_classes_and_namespaces_do_not_compete() -> None:
    raws = [
        external(),
        aged("a", ["coder"], 1),
        aged("b", ["coder"], 2, routerClass="batch"),
        route("c", ["coder"], [], meta={"namespace": "other"}),
    ]
    evaluation = manifests.judged(*raws)
    assert all(verdict.wire is not None for verdict in evaluation.routes.values())


def test_a_refused_route_keeps_its_name_without_backends() -> None:
    raws = [external(), aged("old", ["coder"], 1, spillover={"fromSaturation": "0.5"}), aged("new", ["coder"], 2)]
    refused = judged_route(*raws, name="old")
    assert refused.verdict.accepted.reason == Reason.UNSUPPORTED_FIELD
    assert wire(refused) == snapshot.Route(
        key="ai/old", namespace="ai", generation=1, created=wire(refused).created, models=("coder",)
    )
    assert judged_route(*raws, name="new").verdict.accepted.reason == Reason.CONFLICTED


def test_a_long_list_of_lost_names_is_bounded() -> None:
    names = [f"m{index}" for index in range(40)]
    loser = judged_route(external(), aged("old", names, 1), aged("new", names, 2), name="new")
    assert loser.verdict.accepted.message.count("held by") == 10
    assert "and 30 more" in loser.verdict.accepted.message
