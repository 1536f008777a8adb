"""Transcripts of one breaker on a clock that the test moves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.snapshot import Ejection
from tieline_router.routing.breaker import MAX_SECONDS, Breaker, State

RULE = Ejection(consecutive_failures=3, base_seconds=30.0)


def state(breaker: Breaker) -> State:
    """Read afresh: the type checker takes an attribute to stay what it was."""
    return breaker.state


def opened(rule: Ejection = RULE, at: float = 0.0) -> Breaker:
    breaker = Breaker(rule)
    for _ in range(rule.consecutive_failures):
        breaker.fail(at, probe=breaker.begin(at), may_eject=True)
    assert state(breaker) is State.OPEN
    return breaker


def test_consecutive_failures_open_it_and_an_answer_between_them_does_not() -> None:
    breaker = Breaker(RULE)
    assert not breaker.fail(0, probe=False, may_eject=True)
    assert not breaker.fail(0, probe=False, may_eject=True)
    assert not breaker.succeed(0, probe=False)
    assert not breaker.fail(0, probe=False, may_eject=True)
    assert not breaker.fail(0, probe=False, may_eject=True)
    assert breaker.permits(0)
    assert breaker.fail(0, probe=False, may_eject=True)
    assert not breaker.permits(0)
    assert not breaker.permits(29.9)
    assert breaker.permits(30)


def test_one_probe_at_a_time_decides() -> None:
    breaker = opened()
    assert breaker.begin(30) is True
    assert state(breaker) is State.HALF_OPEN
    assert not breaker.permits(30)
    assert breaker.begin(30) is False
    assert breaker.succeed(31, probe=True)
    assert state(breaker) is State.CLOSED
    assert breaker.permits(31)


def test_a_failed_probe_opens_it_for_longer_each_time_up_to_the_cap() -> None:
    breaker = opened()
    lengths = []
    for _ in range(15):
        now = breaker.until
        assert breaker.begin(now)
        assert breaker.fail(now, probe=True, may_eject=True)
        lengths.append(breaker.until - now)
    assert lengths[:3] == [60, 90, 120]
    assert max(lengths) == lengths[-1] == MAX_SECONDS


def test_a_base_over_the_cap_is_kept() -> None:
    assert opened(Ejection(consecutive_failures=1, base_seconds=400)).until == 400


def test_requests_from_before_the_ejection_change_nothing() -> None:
    breaker = opened()
    assert not breaker.succeed(1, probe=False)
    assert not breaker.fail(1, probe=False, may_eject=True)
    assert state(breaker) is State.OPEN
    assert breaker.until == 30
    assert breaker.begin(30)
    assert not breaker.fail(31, probe=False, may_eject=True)
    assert state(breaker) is State.HALF_OPEN


def test_an_abandoned_probe_leaves_the_turn_to_the_next_request() -> None:
    breaker = opened()
    assert breaker.begin(30)
    breaker.abandon(probe=False)
    assert not breaker.permits(31)
    breaker.abandon(probe=True)
    assert breaker.permits(31)
    assert breaker.begin(31)


def test_a_pool_without_spare_endpoints_keeps_it_closed_until_it_has_one() -> None:
    breaker = Breaker(RULE)
    for _ in range(10):
        assert not breaker.fail(0, probe=False, may_eject=False)
    assert breaker.permits(0)
    assert breaker.fail(0, probe=False, may_eject=True)


def test_the_count_of_ejections_is_forgotten_after_a_long_time_closed() -> None:
    breaker = opened()
    breaker.begin(30)
    breaker.succeed(30, probe=True)
    for _ in range(3):
        breaker.fail(100, probe=False, may_eject=True)
    assert breaker.until == 100 + 60
    breaker.begin(160)
    breaker.succeed(160, probe=True)
    later = 160 + MAX_SECONDS + 1
    for _ in range(3):
        breaker.fail(later, probe=False, may_eject=True)
    assert breaker.until == later + 30


@given(st.lists(st.tuples(st.sampled_from(["ok", "bad", "left"]), st.floats(0, 50)), max_size=60), st.booleans())
def test_it_always_lets_a_request_through_in_the_end(events: list[tuple[str, float]], may_eject: bool) -> None:
    breaker, now = Breaker(RULE), 0.0
    for event, wait in events:
        now += wait
        probe = breaker.begin(now)
        match event:
            case "ok":
                breaker.succeed(now, probe=probe)
            case "bad":
                breaker.fail(now, probe=probe, may_eject=may_eject)
            case _:
                breaker.abandon(probe=probe)
        assert breaker.until <= now + MAX_SECONDS
    assert breaker.permits(now + MAX_SECONDS)


@pytest.mark.parametrize("now", [0.0, 29.0])
def test_begin_while_open_is_no_probe(now: float) -> None:
    breaker = opened()
    assert breaker.begin(now) is False
    assert state(breaker) is State.OPEN
