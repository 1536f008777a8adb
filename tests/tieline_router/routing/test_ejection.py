"""Which breaker counts which outcome, through the live table that owns them."""

import pytest
from tieline_api.snapshot import Ejection, Pool
from tieline_router.errors import ERRORS, Ejects, ErrorClass
from tieline_router.routing.breaker import State
from tieline_router.routing.ejection import ANSWERED, REACHED
from tieline_router.routing.endpoint import EndpointState

from tests.support.routing import World, backend, credential, endpoints, external, model, own, route

REFUSED, BROKEN = ErrorClass.CONNECT_REFUSED, ErrorClass.STATUS_5XX


def world(pool: Pool | None = None) -> tuple[World, EndpointState]:
    wire = pool or external("ext", model("m"), model("x"))
    found = World([wire], [route(backend("ext"), backend("ext", "x"))])
    (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
    return found, endpoint


def fail(found: World, endpoint: EndpointState, outcome: ErrorClass = REFUSED, times: int = 5, name: str = "m") -> None:
    for _ in range(times):
        found.attempt(endpoint, outcome, model_name=name)


def permits(found: World, endpoint: EndpointState, name: str = "m") -> bool:
    return found.live.permits(endpoint.pool.offers[name][0], endpoint, found.now)


def test_a_lost_connection_counts_against_the_address_for_all_models() -> None:
    found, endpoint = world()
    fail(found, endpoint, times=4)
    assert found.attempt(endpoint, REFUSED) == (endpoint, State.OPEN, None)
    assert not permits(found, endpoint, "m")
    assert not permits(found, endpoint, "x")
    found.now += 30
    probe = found.begin(endpoint, model_name="x")
    assert found.live.end(probe, None, found.now) == (endpoint, State.CLOSED, None)
    assert permits(found, endpoint, "m")


def test_a_broken_answer_counts_against_its_model_alone() -> None:
    found, endpoint = world()
    fail(found, endpoint, BROKEN, times=4)
    assert found.attempt(endpoint, BROKEN) == (endpoint, State.OPEN, "m")
    assert not permits(found, endpoint, "m")
    assert permits(found, endpoint, "x")
    assert endpoint.breaker.state is State.CLOSED
    assert endpoint.worst().state is State.OPEN
    found.now += 30
    assert permits(found, endpoint, "m")
    assert found.attempt(endpoint, None) == (endpoint, State.CLOSED, "m")


def test_a_broken_answer_shows_that_the_address_can_be_reached() -> None:
    found, endpoint = world()
    fail(found, endpoint, REFUSED, times=4)
    fail(found, endpoint, BROKEN, times=1)
    fail(found, endpoint, REFUSED, times=4)
    assert permits(found, endpoint, "x")


@pytest.mark.parametrize("outcome", sorted(ANSWERED | REACHED))
def test_an_answer_that_is_no_success_is_a_sign_of_life(outcome: ErrorClass) -> None:
    assert ERRORS[outcome].ejects is Ejects.NO
    for failure, counted in ((REFUSED, REACHED), (BROKEN, ANSWERED)):
        found, endpoint = world()
        fail(found, endpoint, failure, times=4)
        fail(found, endpoint, outcome, times=1)
        fail(found, endpoint, failure, times=1)
        assert permits(found, endpoint) == (outcome in counted), failure


@pytest.mark.parametrize("outcome", [ErrorClass.CLIENT_DISCONNECTED, ErrorClass.HEDGE_LOST, ErrorClass.INTERNAL])
def test_what_is_given_up_says_nothing(outcome: ErrorClass) -> None:
    for failure in (REFUSED, BROKEN):
        found, endpoint = world()
        fail(found, endpoint, failure, times=4)
        fail(found, endpoint, outcome, times=10)
        assert permits(found, endpoint)
        fail(found, endpoint, failure, times=1)
        assert not permits(found, endpoint)
        found.now += 30
        probe = found.begin(endpoint)
        assert not permits(found, endpoint), "there is one probe at a time"
        found.live.end(probe, outcome, found.now)
        assert permits(found, endpoint)


def test_a_model_is_shut_by_credential() -> None:
    """An account may lack a model that another one has."""
    a, b = credential("a"), credential("b")
    found, endpoint = world(external("ext", model("m"), credentials=(a, b)))
    for _ in range(5):
        found.attempt(endpoint, ErrorClass.STATUS_404_MODEL, a)
    assert endpoint.shut("m", found.now) == {"a"}
    assert permits(found, endpoint)
    for _ in range(5):
        found.attempt(endpoint, ErrorClass.STATUS_404_MODEL, b)
    assert not permits(found, endpoint)


def test_no_more_than_its_share_of_a_pool_is_ejected() -> None:
    addresses = [f"10.0.0.{i}:80" for i in range(5)]
    for outcome in (REFUSED, BROKEN):
        for percent, expected in ((50, 2), (100, 5), (10, 1)):
            pool = own("own", ejection=Ejection(max_percent=percent))
            found = World([pool], [route(backend("own"))], {"ai/own": endpoints(*addresses)})
            listed = found.live.endpoints(found.pool("own"), found.now)
            for endpoint in listed:
                fail(found, endpoint, outcome)
            assert sum(not permits(found, endpoint) for endpoint in listed) == expected


def test_models_that_the_pool_lost_are_forgotten() -> None:
    found, endpoint = world()
    fail(found, endpoint, BROKEN, times=1)
    fail(found, endpoint, BROKEN, times=1, name="x")
    other, _ = world(external("ext", model("x")))
    found.live.apply_config(other.table)
    assert set(endpoint.models) == {("x", "")}
