from tieline_api.snapshot import FirstToken, Timeouts
from tieline_router.routing.steps import TRANSITIONS, AttemptTimeouts, Event, State


def test_every_state_but_the_last_has_a_way_out_and_the_last_has_none() -> None:
    for state in State:
        ways = [event for event in Event if (state, event) in TRANSITIONS]
        assert bool(ways) is (state is not State.DONE)


def test_nothing_is_tried_after_the_commit() -> None:
    for event in (Event.ATTEMPT, Event.QUEUE, Event.HEDGE, Event.FALLBACK):
        assert (State.COMMITTED, event) not in TRANSITIONS


def test_timeouts_of_a_route_zero_is_off_and_prompts_give_time() -> None:
    wire = Timeouts(connect=0, response=0, idle=0, first_token=FirstToken(base=1, per_thousand_tokens=2))
    assert AttemptTimeouts.of(wire, 1500, None) == AttemptTimeouts(None, 4.0, None, None, None)
    off = Timeouts(first_token=FirstToken(base=0))
    assert AttemptTimeouts.of(off, 1500, 9.0) == AttemptTimeouts(3.0, None, 600.0, 60.0, 9.0)
