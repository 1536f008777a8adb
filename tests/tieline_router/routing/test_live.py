from hypothesis import given
from hypothesis import strategies as st
from tieline_api.snapshot import Config, Ejection, Endpoint, PoolEndpoints, Verdict
from tieline_router.errors import ErrorClass
from tieline_router.routing.credentials import Paused
from tieline_router.routing.endpoint import MIN_WARMTH, SLOW_START_SECONDS
from tieline_router.routing.live import CONFIRMATION_TTL, REVIEW_SECONDS, LiveTable
from tieline_router.routing.table import compile_table

from tests.support.routing import NOW, World, backend, credential, endpoints, external, own, route

LISTED = {"ai/own": endpoints("10.0.0.1:80", "10.0.0.2:80", service="own.ai.svc:80")}


def world() -> World:
    return World([own("own"), external("ext")], [route(backend("own"), backend("ext"))], LISTED)


def names(found: World, name: str = "own") -> list[str]:
    return [endpoint.name for endpoint in found.live.endpoints(found.pool(name), found.now)]


def test_an_external_pool_has_the_endpoint_of_its_url() -> None:
    assert names(world(), "ext") == ["ext.example:443"]


def test_addresses_unconfirmed_for_a_minute_give_way_to_the_service() -> None:
    found = world()
    found.now += CONFIRMATION_TTL - 1
    assert names(found) == ["10.0.0.1:80", "10.0.0.2:80"]
    found.now += 1
    assert found.live.stale(found.now)
    assert names(found) == ["own.ai.svc:80"]
    assert names(found, "ext") == ["ext.example:443"]
    found.live.confirm(found.now)
    assert names(found) == ["10.0.0.1:80", "10.0.0.2:80"]


def test_addresses_from_a_file_are_not_trusted_until_somebody_confirms_them() -> None:
    found = world()
    found.live = LiveTable()
    found.live.apply_config(found.table)
    found.live.apply_endpoints(LISTED, found.now, confirmed=False)
    assert names(found) == ["own.ai.svc:80"]
    found.live.confirm(found.now)
    assert names(found) == ["10.0.0.1:80", "10.0.0.2:80"]


def test_static_addresses_do_not_age() -> None:
    found = World([own("own"), own("other")], [route()], {"ai/own": endpoints("10.0.0.1:80"), "ai/other": endpoints()})
    found.now += 10 * CONFIRMATION_TTL
    assert names(found) == ["10.0.0.1:80"]


def test_an_endpoint_keeps_its_state_over_frames_and_configurations() -> None:
    found = world()
    first = found.live.endpoints(found.pool("own"), found.now)[0]
    lease = found.begin(first)
    found.live.apply_endpoints({"ai/own": endpoints("10.0.0.3:80", "10.0.0.1:80")}, found.now)
    assert names(found) == ["10.0.0.3:80", "10.0.0.1:80"]
    assert found.live.endpoints(found.pool("own"), found.now)[1] is first
    assert first.in_flight == 1
    edited = own("own", ejection=Ejection(consecutive_failures=1))
    found.table = compile_table(Config(pools=(edited,)), found.table)
    found.live.apply_config(found.table)
    assert found.live.endpoints(found.pool("own"), found.now)[1] is first
    assert first.pool is found.pool("own")
    assert first.breaker.rule.consecutive_failures == 1
    found.live.end(lease, None, found.now)
    assert first.in_flight == 0


def test_ranks_of_one_address_are_endpoints_of_their_own() -> None:
    ranks = PoolEndpoints(endpoints=(Endpoint(address="10.0.0.1:80", rank=0), Endpoint(address="10.0.0.1:80", rank=1)))
    found = World([own("own")], [route()], {"ai/own": ranks})
    assert names(found) == ["10.0.0.1:80#0", "10.0.0.1:80#1"]
    a, b = found.live.endpoints(found.pool("own"), found.now)
    assert a is not b


def test_hosts_of_addresses() -> None:
    found = World([own("own")], [route()], {"ai/own": endpoints("10.0.0.1:80", "[fd00::1]:80", "own.ai.svc:80")})
    hosts = [endpoint.host for endpoint in found.live.endpoints(found.pool("own"), found.now)]
    assert hosts == ["10.0.0.1", "fd00::1", "own.ai.svc"]


def test_what_vanishes_is_dropped() -> None:
    found = world()
    found.live.apply_endpoints({}, found.now)
    assert names(found) == []
    assert [e.name for e in found.live.all_endpoints(found.now)] == ["ext.example:443"]
    pool = found.pool("own")
    found.live.apply_config(compile_table(Config()))
    assert found.live.endpoints(pool, found.now) == ()
    assert list(found.live.all_endpoints(found.now)) == []


def test_a_credential_is_paused_not_the_endpoint() -> None:
    wire = external("ext", credentials=(credential("a"), credential("b")))
    found = World([wire], [route(backend("ext"))])
    (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
    lease = found.begin(endpoint, credential("a"))
    found.live.end(lease, ErrorClass.STATUS_429, found.now, retry_after=9)
    assert not endpoint.cooldown.active(found.now)
    assert found.live.credentials.choose(found.pool("ext"), endpoint.host, found.now) == credential("b")


def test_a_pause_outlasts_answers_to_requests_from_before_it() -> None:
    wire = external("ext", credentials=(credential("a"),))
    found = World([wire], [route(backend("ext"))])
    (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
    for key in (credential("a"), None):
        before = found.begin(endpoint, key)
        found.live.end(found.begin(endpoint, key), ErrorClass.STATUS_429, found.now, retry_after=9)
        found.live.end(before, None, found.now)
    assert endpoint.cooldown.active(found.now)
    assert isinstance(found.live.credentials.choose(found.pool("ext"), endpoint.host, found.now), Paused)


def test_a_success_lets_the_next_pause_start_small() -> None:
    wire = external("ext", credentials=(credential("a"),))
    for key in (credential("a"), None):
        found = World([wire], [route(backend("ext"))])
        (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
        lengths = []
        for outcome in (ErrorClass.STATUS_429, ErrorClass.STATUS_429, None, ErrorClass.STATUS_429):
            found.live.end(found.begin(endpoint, key), outcome, found.now)
            paused = found.live.credentials.choose(found.pool("ext"), endpoint.host, found.now)
            until = paused.until if isinstance(paused, Paused) else endpoint.cooldown.until
            lengths.append(max(until - found.now, 0))
            found.now = max(found.now, until)
        assert lengths == [5, 10, 0, 5]


def test_every_attempt_takes_the_next_credential() -> None:
    wire = external("ext", credentials=(credential("a"), credential("b")))
    found = World([wire], [route(backend("ext"))])
    (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
    found.begin(endpoint)
    assert found.live.credentials.choose(found.pool("ext"), endpoint.host, found.now) == credential("a")
    found.begin(endpoint, credential("a"))
    assert found.live.credentials.choose(found.pool("ext"), endpoint.host, found.now) == credential("b")


def test_verdicts_are_unknown_until_told() -> None:
    found = world()
    assert found.live.verdict(found.pool("own")).health == "Unknown"
    found.live.apply_overlay({"ai/own": Verdict(health="Degraded")})
    assert found.live.verdict(found.pool("own")).health == "Degraded"


def test_one_budget_per_route() -> None:
    found = world()
    budget = found.live.budget(found.table.routes["ai/r"])
    budget.succeeded(NOW)
    assert found.live.budget(found.table.routes["ai/r"]) is budget
    found.live.apply_config(compile_table(Config()))
    assert found.live.budget(found.table.routes["ai/r"]) is not budget


# -- calm --------------------------------------------------------------------------------------------------------------


def calm(found: World, name: str = "own") -> bool:
    pool = found.pool(name)
    known = found.live.calm(frozenset({pool.key}), found.now)
    assert known == (found.live.calm_endpoints(pool, found.now) is not None)
    return known


def test_a_pool_is_calm_until_something_distinguishes_it() -> None:
    found = world()
    assert calm(found)
    assert calm(found, "ext")
    (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
    found.attempt(endpoint, ErrorClass.STATUS_5XX)
    assert not calm(found, "ext")
    assert calm(found), "other pools do not mind"
    found.now += REVIEW_SECONDS
    found.attempt(endpoint, None)
    assert calm(found, "ext")


def test_a_pause_ends_the_calm_until_an_answer_after_it() -> None:
    wire = external("ext", credentials=(credential("a"),))
    for key, outcome in ((credential("a"), ErrorClass.STATUS_429), (None, ErrorClass.OVERLOADED)):
        found = World([wire], [route(backend("ext"))])
        (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
        found.attempt(endpoint, outcome, key, retry_after=20)
        found.now += 10
        found.attempt(endpoint, None, key)
        assert not calm(found, "ext")
        found.now += 11
        found.attempt(endpoint, None, key)
        assert calm(found, "ext")


def test_verdicts_secrets_and_addresses_end_the_calm() -> None:
    found = world()
    found.live.apply_overlay({"ai/own": Verdict(health="Unhealthy")})
    assert not calm(found)
    found.live.apply_overlay({})
    (first, _) = found.live.endpoints(found.pool("own"), found.now)
    found.attempt(first, None)
    assert calm(found)
    found.live.apply_endpoints({"ai/own": endpoints("10.0.0.1:80", ready=False)}, found.now)
    assert not calm(found)
    found.live.apply_endpoints(LISTED, found.now)
    found.now += CONFIRMATION_TTL
    assert not calm(found)
    found = World([external("ext", credentials=(credential("a"),))], [route(backend("ext"))])
    assert calm(found, "ext")
    found.live.apply_secrets({})
    assert not calm(found, "ext")


def test_an_endpoint_that_joins_others_starts_slowly() -> None:
    found = world()
    found.now += 5
    three = endpoints("10.0.0.1:80", "10.0.0.2:80", "10.0.0.3:80", service="own.ai.svc:80")
    found.live.apply_endpoints({"ai/own": three}, found.now)
    assert not calm(found)
    *old, new = found.live.endpoints(found.pool("own"), found.now)
    assert [endpoint.warmth("m", found.now) for endpoint in (*old, new)] == [1, 1, MIN_WARMTH]
    found.now += SLOW_START_SECONDS
    found.attempt(new, None)
    assert calm(found)
    assert new.warmth("m", found.now) == 1


def test_nobody_starts_slowly_who_has_no_warm_neighbour() -> None:
    found = world()
    for endpoint in found.live.endpoints(found.pool("own"), found.now):
        assert endpoint.warmth("m", found.now) == 1
    found.live.apply_endpoints({"ai/own": endpoints("10.0.0.1:80", ready=False)}, found.now)
    found.live.apply_endpoints({"ai/own": endpoints("10.0.0.1:80")}, found.now)
    assert calm(found), "it was the only one"


def test_what_becomes_ready_beside_others_starts_slowly() -> None:
    found = world()
    pair = (Endpoint(address="10.0.0.1:80"), Endpoint(address="10.0.0.2:80", ready=False))
    found.live.apply_endpoints({"ai/own": PoolEndpoints(endpoints=pair)}, found.now)
    assert calm(found)
    found.live.apply_endpoints({"ai/own": endpoints("10.0.0.1:80", "10.0.0.2:80")}, found.now)
    warm, cold = found.live.endpoints(found.pool("own"), found.now)
    assert (warm.warmth("m", found.now), cold.warmth("m", found.now)) == (1, MIN_WARMTH)


outcomes = st.sampled_from([None, None, *ErrorClass])


@given(st.lists(st.tuples(outcomes, st.floats(0, 40), st.integers(0, 2), st.none() | st.floats(0, 90)), max_size=30))
def test_a_pool_that_is_called_calm_is(events: list[tuple[ErrorClass | None, float, int, float | None]]) -> None:
    """The list of restless pools errs on one side only."""
    keys = (credential("a"), credential("b"), None)
    wire = own("own", credentials=keys[:2], ejection=Ejection(consecutive_failures=2))
    found = World([wire], [route(backend("own"))], {"ai/own": endpoints("10.0.0.1:80", "10.0.0.2:80")})
    found.live.confirmation_ttl = 1e9
    pool = found.pool("own")
    offer = pool.offers["m"][0]
    for outcome, wait, which, retry_after in events:
        found.now += wait
        listed = found.live.endpoints(pool, found.now)
        found.attempt(listed[which % 2], outcome, keys[which], retry_after=retry_after)
        if calm(found):
            for endpoint in listed:
                assert not endpoint.cooldown.active(found.now)
                assert endpoint.warmth("m", found.now) == 1
                assert found.live.permits(offer, endpoint, found.now)
                assert endpoint.shut("m", found.now) == frozenset()
            assert found.live.credentials.choose(pool, "10.0.0.1", found.now) is found.live.credentials.turn(pool)
