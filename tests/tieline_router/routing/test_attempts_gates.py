"""The attempt machine before pools that limit concurrency: transcripts, then many requests at once."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tieline_api.snapshot import Fallback, Limits, Pool, Retries, Timeouts
from tieline_router.errors import ErrorClass
from tieline_router.routing.admission import TicketState
from tieline_router.routing.attempts import Attempt, Stop, Wait
from tieline_router.routing.callers import Caller

from tests.support.attempts import Transcript, three
from tests.support.routing import NAMESPACE, World, backend, consumer, external, model, route

E = ErrorClass
A, B, C = "a/a.example", "b/b.example", "c/c.example"


def limited(name: str, concurrency: int = 1, depth: int = 1, seconds: float = 5.0) -> Pool:
    return external(name, limits=Limits(concurrency=concurrency, queue_depth=depth, queue_seconds=seconds))


def busy(found: World, *expected: str) -> list[Transcript]:
    """Requests that keep the pools busy."""
    made = []
    for place in expected:
        play = Transcript(found)
        assert play.next() == place
        play.begin()
        made.append(play)
    return made


def test_a_pool_at_its_limit_is_passed_over_while_another_has_room() -> None:
    found = three(pools=[limited("a"), external("b")])
    (first, _) = busy(found, A, B)
    first.end(None)
    busy(found, A, B, B)


def test_where_none_has_room_the_request_queues_at_the_best() -> None:
    found = three(pools=[limited("a"), limited("b")])
    first, _ = busy(found, A, B)
    play = Transcript(found)
    assert play.next() == "… ai/a"
    assert isinstance(play.step, Wait)
    woken: list[bool] = []
    play.step.ticket.wake = lambda: woken.append(True)
    assert play.next() == "… ai/a", "asking again changes nothing"
    first.end(None)
    assert woken == [True]
    assert play.next() == A
    play.begin()
    play.end(None)
    gate = found.live.admission.gate(found.pool("a"))
    assert gate is not None
    assert (gate.running, gate.waiting) == (0, 0)


def test_the_next_queue_takes_what_the_best_refuses() -> None:
    found = three(pools=[limited("a", depth=0), limited("b")])
    busy(found, A, B)
    assert Transcript(found).next() == "… ai/b"


def test_a_full_queue_refuses_at_once_with_a_time_to_come_back() -> None:
    found = three(pools=[limited("a"), limited("b", depth=0, seconds=0)])
    busy(found, A, B)
    assert Transcript(found).next() == "… ai/a"
    play = Transcript(found)
    assert play.next() == "✗ queue_full"
    assert play.stop().retry_after == 1.0


def test_a_wait_in_vain_is_told() -> None:
    found = three(pools=[limited("a")])
    busy(found, A)
    play = Transcript(found)
    assert play.next() == "… ai/a"
    found.now += 5
    assert play.next() == "✗ queue_timeout"
    assert play.stop().retry_after == 5.0
    assert Transcript(found).next() == "… ai/a", "its place in the queue is free again"


def test_the_requests_own_time_ends_the_wait() -> None:
    found = three(pools=[limited("a", seconds=60)], timeouts=Timeouts(request=2.0))
    busy(found, A)
    play = Transcript(found)
    play.next()
    assert isinstance(play.step, Wait)
    assert play.step.ticket.deadline == found.now + 2
    found.now += 2
    assert play.next() == "✗ timeout_total"


def test_a_full_pool_is_a_reason_for_the_next_model() -> None:
    pools = [limited("a", depth=0), external("f", model("x"))]
    listed = (Fallback(model="x", when=("Capacity",), backends=(backend("f", "x"),)),)
    found = World(pools, [route(backend("a"), fallbacks=listed)])
    busy(found, A)
    play = Transcript(found)
    assert [play.next(), play.next()] == ["→ x", "f/f.example"]


def test_what_went_wrong_before_the_queue_is_told_rather_than_the_queue() -> None:
    found = three(pools=[external("a"), limited("b", depth=0)])
    other = Transcript(found)
    assert other.next() == A
    other.end(E.CONNECT_REFUSED)
    assert other.next() == B
    other.begin()
    play = Transcript(found)
    assert play.play(E.STATUS_5XX)[-1] == "✗ status_5xx"


def test_a_queued_retry_spends_the_retry_budget_once() -> None:
    found = three(pools=[external("a"), limited("b")])
    holder = Transcript(found)
    holder.next()
    holder.end(E.GARBAGE)
    assert holder.next() == B
    holder.begin()
    budget = found.live.budget(found.table.routes["ai/r"])
    assert budget.retries == 1
    play = Transcript(found)
    play.next()
    play.end(E.GARBAGE)
    assert play.next() == "… ai/b"
    assert budget.retries == 1
    holder.end(None)
    assert play.next() == B
    assert budget.retries == 2


@pytest.mark.parametrize("waiting", [True, False])
def test_a_request_that_is_given_up_gives_back_what_it_holds(waiting: bool) -> None:
    found = three(pools=[limited("a")])
    (holder,) = busy(found, A)
    play, last = Transcript(found), None
    assert play.next() == "… ai/a"
    if not waiting:
        holder.end(None)
    play.attempts.close(found.now)
    play.attempts.close(found.now)
    last = Transcript(found)
    assert last.next() == ("… ai/a" if waiting else A)


def test_an_attempt_that_never_began_gives_its_place_back() -> None:
    found = three(pools=[limited("a")])
    play = Transcript(found)
    assert play.next() == A
    assert Transcript(found).next() == "… ai/a"
    play.attempts.close(found.now)
    gate = found.live.admission.gate(found.pool("a"))
    assert gate is not None
    assert gate.waiting == 0


def test_a_pool_that_vanished_meanwhile_is_no_place() -> None:
    found = three(pools=[limited("a")])
    (holder,) = busy(found, A)
    play = Transcript(found)
    play.next()
    (endpoint,) = found.live.endpoints(found.pool("a"), found.now)
    endpoint.cooldown.extend(E.OVERLOADED, found.now, 60.0)
    holder.end(None)
    assert play.next() == "✗ queue_full"
    gate = found.live.admission.gate(found.pool("a"))
    assert gate is not None
    assert gate.running == 0


class Crowd:
    """Many requests at once, before two pools with gates."""

    def __init__(self, concurrency: int, depth: int) -> None:
        pools = [limited("a", concurrency, depth), limited("b", concurrency, depth)]
        refs = (backend("a"), backend("b"))
        self.world = World(pools, [route(*refs, strategy="Priority", retries=Retries(attempts=3))])
        self.gates = [gate for name in "ab" if (gate := self.world.live.admission.gate(self.world.pool(name)))]
        self.callers = [Caller(NAMESPACE, consumer(name)) for name in ("x", "y", "z")]
        self.present: list[Transcript] = []

    def come(self, who: int) -> None:
        self.present.append(Transcript(self.world, caller=self.callers[who % 3]))
        self.go_on(self.present[-1])

    def go_on(self, play: Transcript) -> None:
        play.next()
        if isinstance(play.step, Attempt):
            play.begin()
        elif isinstance(play.step, Stop):
            self.leave(play)

    def leave(self, play: Transcript) -> None:
        self.present.remove(play)
        if isinstance(play.step, Attempt) and play.lease is not None:
            play.end(E.CLIENT_DISCONNECTED)
        play.attempts.close(self.world.now)

    def end(self, play: Transcript, outcome: ErrorClass | None) -> None:
        if isinstance(play.step, Attempt):
            play.end(outcome)
        if outcome is None and not isinstance(play.step, Wait):
            self.leave(play)
        else:
            self.go_on(play)


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(st.sampled_from(["come", "end", "end", "leave"]), st.integers(0, 30), st.booleans()), max_size=80
    ),
    st.integers(1, 3),
    st.integers(0, 3),
)
def test_never_more_than_the_limit_and_every_ticket_is_given_back(
    events: list[tuple[str, int, bool]], concurrency: int, depth: int
) -> None:
    crowd = Crowd(concurrency, depth)
    for event, number, answered in events:
        crowd.world.now += number % 3
        if event == "come" or not crowd.present:
            crowd.come(number)
        elif event == "leave":
            crowd.leave(crowd.present[number % len(crowd.present)])
        else:
            crowd.end(crowd.present[number % len(crowd.present)], None if answered else E.STATUS_5XX)
        under_way = sum(play.lease is not None for play in crowd.present)
        granted = sum(
            isinstance(play.step, Wait) and play.step.ticket.state is TicketState.GRANTED for play in crowd.present
        )
        assert sum(gate.running for gate in crowd.gates) == under_way + granted
        assert all(gate.running <= concurrency and gate.waiting <= depth for gate in crowd.gates)
    for play in list(crowd.present):
        crowd.leave(play)
    assert [(gate.running, gate.waiting) for gate in crowd.gates] == [(0, 0), (0, 0)]
