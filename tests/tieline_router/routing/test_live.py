from tieline_api.snapshot import Config, Ejection, Endpoint, PoolEndpoints, Verdict
from tieline_router.errors import ERRORS, Ejects, ErrorClass
from tieline_router.routing.breaker import State
from tieline_router.routing.credentials import Paused
from tieline_router.routing.endpoint import EndpointState
from tieline_router.routing.live import ANSWERED, CONFIRMATION_TTL, LiveTable
from tieline_router.routing.table import compile_table

from tests.support.routing import NOW, World, backend, credential, endpoints, external, own, route

LISTED = {"ai/own": endpoints("10.0.0.1:80", "10.0.0.2:80", service="own.ai.svc:80")}


def world() -> World:
    return World([own("own"), external("ext")], [route(backend("own"), backend("ext"))], LISTED)


def names(found: World, name: str = "own") -> list[str]:
    return [endpoint.name for endpoint in found.live.endpoints(found.pool(name), found.now)]


def fail(
    found: World, endpoint: EndpointState, outcome: ErrorClass = ErrorClass.CONNECT_REFUSED, times: int = 5
) -> None:
    for _ in range(times):
        found.live.end(found.live.begin(endpoint, None, found.now), outcome, found.now)


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
    lease = found.live.begin(first, None, found.now)
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


def test_failures_open_the_breaker_and_the_probe_closes_it() -> None:
    found = world()
    (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
    fail(found, endpoint, times=4)
    lease = found.live.begin(endpoint, None, found.now)
    opened = found.live.end(lease, ErrorClass.STATUS_5XX, found.now)
    assert opened == (endpoint, State.OPEN)
    found.now += 30
    probe = found.live.begin(endpoint, None, found.now)
    assert probe.probe
    assert found.live.end(probe, None, found.now) == (endpoint, State.CLOSED)


def test_an_answer_that_is_no_success_shows_that_the_endpoint_works() -> None:
    assert not {error for error in ANSWERED if ERRORS[error].ejects is Ejects.ENDPOINT}
    for answered in ANSWERED:
        found = world()
        (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
        fail(found, endpoint, times=4)
        found.live.end(found.live.begin(endpoint, None, found.now), answered, found.now)
        fail(found, endpoint, times=4)
        assert endpoint.breaker.permits(found.now), answered


def test_a_client_that_leaves_says_nothing_about_the_endpoint() -> None:
    found = world()
    (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
    fail(found, endpoint, times=4)
    fail(found, endpoint, ErrorClass.CLIENT_DISCONNECTED, times=10)
    assert endpoint.breaker.failures == 4
    fail(found, endpoint, times=1)
    found.now += 30
    probe = found.live.begin(endpoint, None, found.now)
    found.live.end(probe, ErrorClass.CLIENT_DISCONNECTED, found.now)
    assert endpoint.breaker.permits(found.now)


def test_no_more_than_its_share_of_a_pool_is_ejected() -> None:
    addresses = [f"10.0.0.{i}:80" for i in range(5)]
    for percent, expected in ((50, 2), (100, 5), (10, 1)):
        pool = own("own", ejection=Ejection(max_percent=percent))
        found = World([pool], [route()], {"ai/own": endpoints(*addresses)})
        for endpoint in found.live.endpoints(found.pool("own"), found.now):
            fail(found, endpoint)
        states = [e.breaker.state for e in found.live.endpoints(found.pool("own"), found.now)]
        assert states.count(State.OPEN) == expected


def test_a_credential_is_paused_not_the_endpoint() -> None:
    wire = external("ext", credentials=(credential("a"), credential("b")))
    found = World([wire], [route(backend("ext"))])
    (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
    lease = found.live.begin(endpoint, credential("a"), found.now)
    found.live.end(lease, ErrorClass.STATUS_429, found.now, retry_after=9)
    assert not endpoint.cooldown.active(found.now)
    assert found.live.credentials.choose(found.pool("ext"), endpoint.host, found.now) == credential("b")


def test_a_pause_outlasts_answers_to_requests_from_before_it() -> None:
    wire = external("ext", credentials=(credential("a"),))
    found = World([wire], [route(backend("ext"))])
    (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
    for key in (credential("a"), None):
        before = found.live.begin(endpoint, key, found.now)
        found.live.end(found.live.begin(endpoint, key, found.now), ErrorClass.STATUS_429, found.now, retry_after=9)
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
            found.live.end(found.live.begin(endpoint, key, found.now), outcome, found.now)
            paused = found.live.credentials.choose(found.pool("ext"), endpoint.host, found.now)
            until = paused.until if isinstance(paused, Paused) else endpoint.cooldown.until
            lengths.append(max(until - found.now, 0))
            found.now = max(found.now, until)
        assert lengths == [5, 10, 0, 5]


def test_every_attempt_takes_the_next_credential() -> None:
    wire = external("ext", credentials=(credential("a"), credential("b")))
    found = World([wire], [route(backend("ext"))])
    (endpoint,) = found.live.endpoints(found.pool("ext"), found.now)
    found.live.begin(endpoint, None, found.now)
    assert found.live.credentials.choose(found.pool("ext"), endpoint.host, found.now) == credential("a")
    found.live.begin(endpoint, credential("a"), found.now)
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
