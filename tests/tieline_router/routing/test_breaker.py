"""Transcripts of one breaker on a clock that the test moves."""

from hypothesis import given
from hypothesis import strategies as st
from tieline_api.snapshot import Ejection
from tieline_router.routing.breaker import CLOSED_TICKET, MAX_SECONDS, Breaker, State

RULE = Ejection(consecutive_failures=3, base_seconds=30.0)


def state(breaker: Breaker) -> State:
    """Read afresh: the type checker takes an attribute to stay what it was."""
    return breaker.state


def opened(rule: Ejection = RULE, at: float = 0.0) -> Breaker:
    breaker = Breaker(rule)
    for _ in range(rule.consecutive_failures):
        breaker.fail(at, breaker.begin(at), may_eject=True)
    assert state(breaker) is State.OPEN
    return breaker


def test_consecutive_failures_open_it_and_an_answer_between_them_does_not() -> None:
    breaker = Breaker(RULE)
    assert not breaker.fail(0, CLOSED_TICKET, may_eject=True)
    assert not breaker.fail(0, CLOSED_TICKET, may_eject=True)
    assert not breaker.succeed(0, CLOSED_TICKET)
    assert not breaker.fail(0, CLOSED_TICKET, may_eject=True)
    assert not breaker.fail(0, CLOSED_TICKET, may_eject=True)
    assert breaker.permits(0)
    assert breaker.fail(0, CLOSED_TICKET, may_eject=True)
    assert not breaker.permits(0)
    assert not breaker.permits(29.9)
    assert breaker.permits(30)


def test_failures_of_long_ago_do_not_count() -> None:
    breaker = Breaker(RULE)
    for now in (0.0, 1.0, 1.0 + MAX_SECONDS + 1, 310.0):
        assert not breaker.fail(now, CLOSED_TICKET, may_eject=True)
    assert breaker.failures == 2
    assert not breaker.forgotten(310.0)
    assert breaker.forgotten(310.0 + MAX_SECONDS + 1)


def test_one_probe_at_a_time_decides() -> None:
    breaker = opened()
    probe = breaker.begin(30)
    assert probe < 0
    assert state(breaker) is State.HALF_OPEN
    assert not breaker.permits(30)
    assert breaker.begin(30) > 0
    assert breaker.succeed(31, probe)
    assert state(breaker) is State.CLOSED
    assert breaker.permits(31)


def test_a_failed_probe_opens_it_for_longer_each_time_up_to_the_cap() -> None:
    breaker = opened()
    lengths = []
    for _ in range(15):
        now = breaker.until
        assert breaker.fail(now, breaker.begin(now), may_eject=True)
        lengths.append(breaker.until - now)
    assert lengths[:3] == [60, 90, 120]
    assert max(lengths) == lengths[-1] == MAX_SECONDS


def test_a_base_over_the_cap_is_kept() -> None:
    assert opened(Ejection(consecutive_failures=1, base_seconds=400)).until == 400


def test_requests_from_before_the_ejection_change_nothing() -> None:
    breaker = opened()
    assert not breaker.succeed(1, CLOSED_TICKET)
    assert not breaker.fail(1, CLOSED_TICKET, may_eject=True)
    assert state(breaker) is State.OPEN
    assert breaker.until == 30
    assert breaker.begin(30) < 0
    assert not breaker.fail(31, CLOSED_TICKET, may_eject=True)
    assert state(breaker) is State.HALF_OPEN


def test_a_survivors_success_closes_it_at_once_and_its_failure_changes_nothing() -> None:
    breaker = opened()
    first, second = breaker.begin(1), breaker.begin(1)
    assert first == second > 0
    assert not breaker.fail(2, first, may_eject=True)
    assert breaker.until == 30
    assert breaker.succeed(2, second)
    assert breaker.permits(2)
    assert breaker.closed_at == 2


def test_a_survivor_or_probe_of_an_earlier_opening_changes_nothing() -> None:
    breaker = opened()
    survivor, probe = breaker.begin(1), breaker.begin(30)
    assert breaker.fail(31, probe, may_eject=True)
    assert not breaker.succeed(32, survivor)
    assert not breaker.succeed(32, probe)
    assert not breaker.fail(32, probe, may_eject=True)
    assert state(breaker) is State.OPEN


def test_a_survivor_may_be_faster_than_the_probe() -> None:
    breaker = opened()
    probe, survivor = breaker.begin(30), breaker.begin(30)
    assert breaker.succeed(31, survivor)
    assert not breaker.fail(32, probe, may_eject=True)
    assert breaker.failures == 1


def test_an_abandoned_probe_leaves_the_turn_to_the_next_request() -> None:
    breaker = opened()
    probe = breaker.begin(30)
    breaker.abandon(CLOSED_TICKET)
    breaker.abandon(breaker.begin(30))
    assert not breaker.permits(31)
    breaker.abandon(probe)
    assert breaker.permits(31)
    assert breaker.begin(31) < 0


def test_a_pool_without_spare_endpoints_keeps_it_closed_until_it_has_one() -> None:
    breaker = Breaker(RULE)
    for _ in range(10):
        assert not breaker.fail(0, CLOSED_TICKET, may_eject=False)
    assert breaker.permits(0)
    assert breaker.fail(0, CLOSED_TICKET, may_eject=True)


def test_the_count_of_ejections_is_forgotten_after_a_long_time_closed() -> None:
    breaker = opened()
    breaker.succeed(30, breaker.begin(30))
    assert not breaker.forgotten(100)
    for _ in range(3):
        breaker.fail(100, CLOSED_TICKET, may_eject=True)
    assert breaker.until == 100 + 60
    breaker.succeed(160, breaker.begin(160))
    later = 160 + MAX_SECONDS + 1
    assert breaker.forgotten(later)
    for _ in range(3):
        breaker.fail(later, CLOSED_TICKET, may_eject=True)
    assert breaker.until == later + 30


@given(st.lists(st.tuples(st.sampled_from(["ok", "bad", "left"]), st.floats(0, 50)), max_size=60), st.booleans())
def test_it_always_lets_a_request_through_in_the_end(events: list[tuple[str, float]], may_eject: bool) -> None:
    breaker, now = Breaker(RULE), 0.0
    for event, wait in events:
        now += wait
        ticket = breaker.begin(now)
        match event:
            case "ok":
                breaker.succeed(now, ticket)
            case "bad":
                breaker.fail(now, ticket, may_eject=may_eject)
            case _:
                breaker.abandon(ticket)
        assert breaker.until <= now + MAX_SECONDS
    assert breaker.permits(now + MAX_SECONDS)


@given(st.lists(st.sampled_from(["begin", "ok", "bad", "left", "wait"]), max_size=80))
def test_there_is_never_more_than_one_probe(events: list[str]) -> None:
    breaker, now = Breaker(Ejection(consecutive_failures=1, base_seconds=10)), 0.0
    under_way: list[int] = []
    for event in events:
        match event:
            case "wait":
                now += 10
            case "begin":
                under_way.append(breaker.begin(now))
            case _ if not under_way:
                continue
            case "ok":
                breaker.succeed(now, under_way.pop(0))
            case "bad":
                breaker.fail(now, under_way.pop(0), may_eject=True)
            case _:
                breaker.abandon(under_way.pop(0))
        probes = [ticket for ticket in under_way if ticket == -breaker.openings]
        if breaker.state is State.HALF_OPEN and breaker.probing:
            assert len(probes) == 1
        assert breaker.state is not State.OPEN or not breaker.probing
