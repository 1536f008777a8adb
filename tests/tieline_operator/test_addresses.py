from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.conditions import Reason
from tieline_api.names import key
from tieline_operator.addresses import host_of, is_forbidden, is_private, join, split
from tieline_operator.verdicts import EndpointsVerdict
from tieline_operator.world import Options

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import Raw

POD = {"kind": "Pod", "namespace": "ai", "name": "own-0"}


def found(*raws: Raw, pool: Raw | None = None, **options: bool) -> EndpointsVerdict:
    return manifests.judged(pool or manifests.hosted(), *raws, **options).endpoints[key("ai", "own")]


def addresses(verdict: EndpointsVerdict) -> list[str]:
    return [endpoint.address for endpoint in verdict.wire.endpoints]


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("api.example.com", False),
        ("8.8.8.8", False),
        ("10.0.0.1", True),
        ("192.168.1.1", True),
        ("127.0.0.1", True),
        ("localhost", True),
        ("a.localhost.", True),
        ("169.254.169.254", True),
        ("100.64.0.1", True),
        ("0.0.0.0", True),
        ("::1", True),
        ("::ffff:10.0.0.1", True),
        ("fd00::1", True),
        ("2606:4700::1111", False),
        ("224.0.0.1", True),
    ],
)
def test_which_addresses_are_not_public(host: str, private: bool) -> None:
    assert is_private(host) is private


@pytest.mark.parametrize(
    ("host", "strict", "loopback_permitted"),
    [
        ("10.0.0.7", False, False),
        ("own.ai.svc", False, False),
        ("127.0.0.1", True, False),
        ("localhost", True, False),
        ("::1", True, False),
        ("::ffff:127.0.0.1", True, False),
        ("169.254.169.254", True, True),
        ("fe80::1", True, True),
        ("0.0.0.0", True, True),
        ("224.0.0.1", True, True),
    ],
)
def test_where_own_servers_may_not_stand(host: str, strict: bool, loopback_permitted: bool) -> None:
    assert is_forbidden(host, Options()) is strict
    assert is_forbidden(host, Options(loopback_addresses=True)) is loopback_permitted


@given(st.ip_addresses(), st.integers(1, 65535))
def test_an_address_is_split_as_it_was_joined(address: Any, port: int) -> None:
    assert split(join(str(address), port)) == (str(address), str(port))


def test_the_host_of_a_url() -> None:
    assert host_of("https://API.example.com:8443/v1") == "api.example.com"
    assert host_of("http://[::1]:80") == "::1"


def test_endpoints_stand_in_order_with_the_port_of_the_pods() -> None:
    verdict = found(
        manifests.service(),
        manifests.endpoint_slice(
            "own-1", manifests.endpoint("10.0.0.9", zone="b"), manifests.endpoint("10.0.0.2", False)
        ),
    )
    assert addresses(verdict) == ["10.0.0.2:8080", "10.0.0.9:8080"]
    assert [(item.ready, item.zone) for item in verdict.wire.endpoints] == [(False, None), (True, "b")]
    assert verdict.wire.service_address == "own.ai.svc:8000"
    assert (verdict.total, verdict.ready, verdict.observed, verdict.problem) == (2, 1, True, None)


def test_a_terminating_endpoint_stays_and_is_neither_ready_nor_counted() -> None:
    raw = manifests.endpoint("10.0.0.1", None)
    raw["conditions"] = {"ready": True, "serving": True, "terminating": True}
    verdict = found(manifests.service(), manifests.endpoint_slice("own-1", raw))
    assert [(item.ready, item.terminating) for item in verdict.wire.endpoints] == [(False, True)]
    assert (verdict.total, verdict.ready) == (0, 0)


def test_an_endpoint_in_two_slices_counts_once_and_is_ready_if_ready_in_one() -> None:
    for first, second in ((True, False), (False, True)):
        verdict = found(
            manifests.service(),
            manifests.endpoint_slice("own-1", manifests.endpoint("10.0.0.1", first)),
            manifests.endpoint_slice("own-2", manifests.endpoint("10.0.0.1", second)),
        )
        assert [(item.address, item.ready) for item in verdict.wire.endpoints] == [("10.0.0.1:8080", True)]


def test_a_pod_with_two_address_families_counts_once() -> None:
    verdict = found(
        manifests.service(),
        manifests.endpoint_slice("own-6", manifests.endpoint("fd00::1", targetRef=POD), family="IPv6"),
        manifests.endpoint_slice("own-4", manifests.endpoint("10.0.0.1", targetRef=POD)),
    )
    assert addresses(verdict) == ["10.0.0.1:8080"]


def test_ipv6_addresses_stand_in_brackets() -> None:
    verdict = found(
        manifests.service(), manifests.endpoint_slice("own-6", manifests.endpoint("fd00::1"), family="IPv6")
    )
    assert addresses(verdict) == ["[fd00::1]:8080"]


def test_the_port_is_found_by_the_name_that_the_service_gives_it() -> None:
    verdict = found(
        manifests.service("own", ("metrics", 9000), ("api", 8000)),
        manifests.endpoint_slice("own-1", manifests.endpoint("10.0.0.1"), ports=[("metrics", 9100), ("api", 8123)]),
    )
    assert addresses(verdict) == ["10.0.0.1:8123"]


def test_without_a_service_the_only_port_or_the_one_with_the_number_counts() -> None:
    one = manifests.endpoint_slice("own-1", manifests.endpoint("10.0.0.1"), ports=[("", 8123)])
    assert addresses(found(one)) == ["10.0.0.1:8123"]
    several = manifests.endpoint_slice("own-1", manifests.endpoint("10.0.0.1"), ports=[("a", 1), ("b", 8000)])
    assert addresses(found(several)) == ["10.0.0.1:8000"]
    assert found(several).wire.service_address is None


def test_a_slice_port_without_number_means_the_wanted_one() -> None:
    open_port = manifests.endpoint_slice("own-1", manifests.endpoint("10.0.0.1"), ports=[("http", None)])
    assert addresses(found(manifests.service(), open_port)) == ["10.0.0.1:8000"]
    portless = manifests.endpoint_slice("own-1", manifests.endpoint("10.0.0.1"), ports=[])
    assert addresses(found(manifests.service(), portless)) == []


def test_a_missing_service_is_named() -> None:
    verdict = found()
    assert verdict.problem is not None
    assert verdict.problem.reason == Reason.SERVICE_NOT_FOUND
    assert "Service ai/own does not exist" in verdict.problem.message


def test_a_port_that_the_service_lacks_is_named_with_those_that_it_has() -> None:
    verdict = found(manifests.service("own", ("a", 80), ("b", 9000)), manifests.endpoint_slice())
    assert verdict.problem is not None
    assert verdict.problem.reason == Reason.SERVICE_NOT_FOUND
    assert "80, 9000" in verdict.problem.message


def test_a_service_without_endpoints_resolves() -> None:
    verdict = found(manifests.service())
    assert (verdict.total, verdict.problem) == (0, None)


def test_a_slice_cannot_lead_to_the_routers_own_loopback() -> None:
    local = manifests.endpoint_slice("own-1", manifests.endpoint("127.0.0.1"), manifests.endpoint("169.254.169.254"))
    assert addresses(found(manifests.service(), local)) == []
    assert addresses(found(manifests.service(), local, loopback_addresses=True)) == ["127.0.0.1:8080"]


def test_stated_addresses_are_taken_as_they_are_and_not_observed() -> None:
    pool = manifests.hosted(selfHosted={"addresses": ["10.0.0.9:8000", "10.0.0.1:8000"]})
    verdict = found(pool=pool)
    assert addresses(verdict) == ["10.0.0.1:8000", "10.0.0.9:8000"]
    assert (verdict.observed, verdict.wire.service_address) == (False, None)


def test_an_external_pool_has_no_endpoints() -> None:
    assert manifests.judged(manifests.external()).endpoints == {}
