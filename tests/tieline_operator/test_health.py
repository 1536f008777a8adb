import pytest
from tieline_api.conditions import Reason
from tieline_api.names import key
from tieline_operator.health import backend_reason, backends_health, pool_health
from tieline_operator.verdicts import Finding

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import Raw, external, hosted, ref, route


def own(name: str, *readiness: bool) -> list[Raw]:
    """A pool behind a Service of its own with endpoints of this readiness."""
    items = [manifests.endpoint(f"10.0.0.{index}", ready) for index, ready in enumerate(readiness)]
    return [
        hosted(name, selfHosted={"serviceRef": {"name": name, "port": 8000}}),
        manifests.service(name),
        manifests.endpoint_slice(f"{name}-1", *items, service=name),
    ]


def health(*raws: Raw, name: str = "own") -> Finding:
    return pool_health(manifests.judged(*raws), key("ai", name))


@pytest.mark.parametrize(
    ("raws", "status", "reason"),
    [
        ([external("own")], "Unknown", Reason.NOT_OBSERVED),
        ([hosted("own", selfHosted={"addresses": ["10.0.0.1:8000"]})], "Unknown", Reason.NOT_OBSERVED),
        ([hosted("own")], "False", Reason.NO_ENDPOINTS),
        (own("own"), "False", Reason.NO_ENDPOINTS),
        (own("own", False, False), "False", Reason.NO_READY_ENDPOINTS),
        (own("own", True, False), "True", Reason.SOME_UNHEALTHY),
        (own("own", True, True), "True", Reason.HEALTHY),
        ([hosted("own", limits={"requestsPerMinute": 1})], "Unknown", Reason.NOT_ACCEPTED),
    ],
)
def test_a_pool_is_as_healthy_as_its_endpoints_are_ready(raws: list[Raw], status: str, reason: Reason) -> None:
    finding = health(*raws)
    assert (finding.status, finding.reason) == (status, reason)


def test_the_counts_stand_in_the_message() -> None:
    assert health(*own("own", True, False, False)).message == "1 of 3 endpoints are ready"


def together(*raws: Raw, refs: list[Raw]) -> Finding:
    evaluation = manifests.judged(*raws, route(refs=refs))
    return backends_health(evaluation, evaluation.routes[key("ai", "coder")].backends)


UP, DOWN, PARTLY = own("up", True), own("down", False), own("partly", True, False)


@pytest.mark.parametrize(
    ("refs", "status", "reason"),
    [
        ([ref("up")], "True", Reason.HEALTHY),
        ([ref("partly")], "True", Reason.HEALTHY),
        ([ref("up"), ref("down")], "True", Reason.SOME_UNHEALTHY),
        ([ref("down")], "False", Reason.NO_HEALTHY_BACKENDS),
        ([ref("bought")], "Unknown", Reason.NOT_OBSERVED),
        ([ref("bought"), ref("up")], "True", Reason.HEALTHY),
        ([ref("bought"), ref("down")], "True", Reason.SOME_UNHEALTHY),
        ([ref("missing")], "False", Reason.NO_HEALTHY_BACKENDS),
        ([ref("up", weight=0), ref("down")], "False", Reason.NO_HEALTHY_BACKENDS),
        ([ref("up"), ref("down", weight=0)], "True", Reason.HEALTHY),
        ([ref("up", weight=0)], "False", Reason.NO_HEALTHY_BACKENDS),
    ],
)
def test_a_route_is_as_healthy_as_the_backends_that_get_traffic(refs: list[Raw], status: str, reason: Reason) -> None:
    finding = together(*UP, *DOWN, *PARTLY, external("bought"), refs=refs)
    assert (finding.status, finding.reason) == (status, reason)


def test_a_pool_that_is_down_is_named() -> None:
    assert "ai/down" in together(*UP, *DOWN, refs=[ref("up"), ref("down")]).message


def test_one_endpoint_s_flap_does_not_show_in_a_route() -> None:
    whole, partly = manifests.judged(*own("own", True, True)), manifests.judged(*own("own", True, False))
    pool = key("ai", "own")
    assert backend_reason(whole, pool) == backend_reason(partly, pool) == Reason.HEALTHY
    assert backend_reason(manifests.judged(*own("own", False)), pool) == Reason.NO_READY_ENDPOINTS
