from hypothesis import given
from hypothesis import strategies as st
from tieline_router.errors import ErrorClass
from tieline_router.routing.breaker import MAX_SECONDS
from tieline_router.routing.endpoint import MIN_WARMTH, SLOW_START_SECONDS, EndpointState

from tests.support.routing import NOW, World, backend, external, model, route


def world() -> tuple[World, EndpointState]:
    found = World([external("ext", model("m"), model("x"))], [route(backend("ext"))])
    (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
    return found, endpoint


@given(st.floats(0, 100))
def test_warmth_grows_linearly_from_a_tenth_to_the_whole(seconds: float) -> None:
    _, endpoint = world()
    assert endpoint.warmth("m", NOW) == 1
    endpoint.joined_at = NOW
    expected = min(max(seconds / SLOW_START_SECONDS, MIN_WARMTH), 1.0)
    assert abs(endpoint.warmth("m", NOW + seconds) - expected) < 1e-6


def test_an_ejection_cools_what_it_kept_away() -> None:
    for outcome, colder in ((ErrorClass.TLS, {"m", "x"}), (ErrorClass.GARBAGE, {"m"})):
        found, endpoint = world()
        for _ in range(5):
            found.attempt(endpoint, outcome)
        found.now += 30
        found.attempt(endpoint, None)
        found.now += SLOW_START_SECONDS / 2
        assert {name for name in ("m", "x") if endpoint.warmth(name, found.now) == 0.5} == colder


def calm(endpoint: EndpointState, now: float) -> bool:
    endpoint.mark(now)
    return endpoint.calm


def test_a_mark_is_as_old_as_what_it_stands_for() -> None:
    found, endpoint = world()
    assert calm(endpoint, found.now)
    found.attempt(endpoint, ErrorClass.GARBAGE)
    assert not calm(endpoint, found.now + MAX_SECONDS)
    assert calm(endpoint, found.now + MAX_SECONDS + 1)
    assert endpoint.models == {}
    found.attempt(endpoint, ErrorClass.OVERLOADED, retry_after=10)
    assert not calm(endpoint, found.now + 11), "the next pause would be longer"
    assert calm(endpoint, found.now + 1000)


def test_the_next_probe_is_the_addresses_or_the_models_first() -> None:
    found, endpoint = world()
    for _ in range(5):
        found.attempt(endpoint, ErrorClass.GARBAGE)
    assert endpoint.next_probe("m", found.now) == found.now + 30
    found.now += 10
    for _ in range(5):
        found.attempt(endpoint, ErrorClass.TLS)
    assert endpoint.next_probe("m", found.now) == found.now + 30
