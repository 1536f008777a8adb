"""One gate on a clock that the test moves; then any order of events, against what must always hold."""

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from tieline_api.snapshot import Limits, Pool
from tieline_router.routing.admission import MAX_RETRY_AFTER, MIN_RETRY_AFTER, Admission, Gate, Ticket, TicketState
from tieline_router.routing.offers import CompiledPool

from tests.support.routing import own

WAITING, GRANTED, REFUSED = TicketState.WAITING, TicketState.GRANTED, TicketState.REFUSED
LATER = 1e9


def enter(gate: Gate, consumer: str = "a", now: float = 0.0, deadline: float = LATER) -> Ticket:
    ticket = gate.enter(consumer, now, deadline)
    assert ticket is not None
    return ticket


def state(ticket: Ticket) -> TicketState:
    """Read afresh: the type checker takes an attribute to stay what it was."""
    return ticket.state


def gate(concurrency: int | None = 1, depth: int = 3, seconds: float = 5.0) -> Gate:
    return Gate(Limits(concurrency=concurrency, queue_depth=depth, queue_seconds=seconds))


def test_room_is_granted_at_once_then_requests_wait_and_are_woken() -> None:
    one = gate()
    first, second = enter(one), enter(one, now=1.0)
    assert (state(first), state(second), second.deadline) == (GRANTED, WAITING, 6.0)
    woken: list[TicketState] = []
    second.wake = lambda: woken.append(second.state)
    first.give_back(2.0)
    assert woken == [GRANTED]
    assert (one.running, one.waiting) == (1, 0)
    second.give_back(3.0)
    second.give_back(3.0)
    assert one.running == 0


def test_a_full_queue_refuses_at_once() -> None:
    one = gate(depth=1)
    enter(one)
    enter(one)
    assert one.enter("a", 0.0, LATER) is None
    none = gate(depth=0)
    enter(none)
    assert none.enter("a", 0.0, LATER) is None


def test_consumers_take_turns() -> None:
    one = gate(depth=9)
    running = enter(one)
    order = [enter(one, who) for who in ("a", "a", "a", "b", "c", "b")]
    served = []
    for _ in order:
        running.give_back(0.0)
        running = next(ticket for ticket in order if state(ticket) is GRANTED)
        served.append(order.index(running))
    assert served == [0, 3, 4, 1, 5, 2]


def test_nobody_can_fill_the_queue_for_all() -> None:
    one = gate(depth=3)
    enter(one)
    flood = [enter(one, "a") for _ in range(3)]
    woken: list[str] = []
    flood[2].wake = lambda: woken.append("youngest")
    other = enter(one, "b")
    assert [state(ticket) for ticket in flood] == [WAITING, WAITING, REFUSED]
    assert woken == ["youngest"]
    assert state(other) is WAITING
    assert one.enter("a", 0.0, LATER) is None
    assert one.enter("b", 0.0, LATER) is None, "two and one: taking another would not be fairer"


def test_who_leaves_the_queue_makes_room() -> None:
    one = gate(depth=1)
    running, waiting = enter(one), enter(one)
    waiting.give_back(0.0)
    assert state(enter(one)) is WAITING
    running.give_back(0.0)
    assert one.running == 1


def test_the_deadline_is_the_sooner_of_the_queues_and_the_requests_and_is_passed_over() -> None:
    one = gate()
    running = enter(one)
    late = enter(one, deadline=3.0)
    assert late.deadline == 3.0
    fresh = enter(one, now=2.0)
    running.give_back(3.0)
    assert (state(late), state(fresh)) == (REFUSED, GRANTED)


def test_retry_after_follows_the_departures() -> None:
    one = gate(depth=9, seconds=50.0)
    assert one.retry_after() == 50.0, "nothing is known: as long as one may wait"
    running = enter(one)
    waiting = [enter(one) for _ in range(5)]
    for number, ticket in enumerate(waiting[:3], 1):
        running.give_back(float(4 * number))
        running = ticket
    assert one.retry_after() == 4.0 * 3
    assert gate(seconds=0.0).retry_after() == MIN_RETRY_AFTER
    assert gate(seconds=1e6).retry_after() == MAX_RETRY_AFTER


def compiled(*wires: Pool) -> dict[str, CompiledPool]:
    return {wire.key: CompiledPool(wire) for wire in wires}


def test_only_pools_with_a_limit_have_a_gate_and_it_follows_the_configuration() -> None:
    admission = Admission()
    limited = compiled(own("p", limits=Limits(concurrency=1, queue_depth=9, queue_seconds=5.0)), own("free"))
    admission.apply(limited)
    pool = limited["ai/p"]
    assert admission.gate(limited["ai/free"]) is None
    found = admission.gate(pool)
    assert found is not None
    running, *waiting = [enter(found) for _ in range(4)]
    admission.apply(compiled(own("p", limits=Limits(concurrency=2, queue_depth=9))))
    assert admission.gate(pool) is found
    assert [state(ticket) for ticket in waiting] == [GRANTED, WAITING, WAITING]
    admission.apply(compiled(own("p")))
    assert [state(ticket) for ticket in waiting] == [GRANTED, GRANTED, GRANTED]
    for ticket in (running, *waiting):
        ticket.give_back(1.0)
    assert found.running == 0
    admission.apply(compiled(own("p")))
    assert admission.gate(pool) is None


def test_a_fleet_shares_what_a_pool_bears() -> None:
    admission = Admission()
    pools = compiled(own("p", limits=Limits(concurrency=7, queue_depth=4, queue_seconds=5.0)))
    admission.apply(pools)
    found = admission.gate(pools["ai/p"])
    assert found is not None
    admission.share_among(3)
    assert (found.limits.concurrency, found.limits.queue_depth) == (2, 2)
    tickets = [enter(found) for _ in range(3)]
    assert [state(ticket) for ticket in tickets] == [GRANTED, GRANTED, WAITING]
    admission.share_among(1)
    assert state(tickets[2]) is GRANTED, "there is room where another router has gone"
    admission.share_among(100)
    assert found.limits.concurrency == 1, "no router is shut out"


def test_a_pool_that_goes_refuses_those_that_wait() -> None:
    admission = Admission()
    limited = compiled(own("p", limits=Limits(concurrency=1, queue_depth=9)))
    admission.apply(limited)
    found = admission.gate(limited["ai/p"])
    assert found is not None
    running, waiting = enter(found), enter(found)
    admission.apply({})
    assert (state(running), state(waiting)) == (GRANTED, REFUSED)
    running.give_back(0.0)
    admission.apply({})
    assert admission.gate(limited["ai/p"]) is None


@given(st.integers(1, 30), st.integers(2, 6))
def test_a_newcomer_is_served_before_anybody_is_served_twice_more(flood: int, consumers: int) -> None:
    """No starvation: whatever others send, a consumer waits for one turn of each of the others at most."""
    one = gate(depth=flood + consumers)
    running = enter(one, "a")
    tickets = [enter(one, f"c{number % (consumers - 1)}") for number in range(flood)]
    mine = enter(one, "mine")
    turns = 0
    while state(mine) is WAITING:
        running.give_back(0.0)
        turns += 1
        running = next(t for t in (*tickets, mine) if state(t) is GRANTED)
        tickets.append(enter(one, running.consumer))
    assert turns <= consumers


@dataclass
class Ledger:
    """What the gate must agree with."""

    tickets: list[Ticket] = field(default_factory=list)

    def count(self, *states: TicketState) -> int:
        return sum(ticket.state in states for ticket in self.tickets)


class GateMachine(RuleBasedStateMachine):
    tickets = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.gate = gate(concurrency=2, depth=3)
        self.now = 0.0
        self.ledger = Ledger()
        self.woken: dict[Ticket, int] = {}

    @rule(target=tickets, consumer=st.sampled_from("abc"), patience=st.floats(0, 9))
    def enter(self, consumer: str, patience: float) -> Ticket | None:
        waiting = self.gate.waiting
        ticket = self.gate.enter(consumer, self.now, self.now + patience)
        if ticket is None:
            assert waiting == 3
            return None
        if ticket.state is WAITING:
            ticket.wake = lambda: self.woken.update({ticket: self.woken.get(ticket, 0) + 1})
        self.ledger.tickets.append(ticket)
        return ticket

    @rule(ticket=consumes(tickets), seconds=st.floats(0, 3))
    def give_back(self, ticket: Ticket | None, seconds: float) -> None:
        self.now += seconds
        if ticket is not None:
            ticket.give_back(self.now)

    @rule(ticket=tickets)
    def give_back_twice(self, ticket: Ticket | None) -> None:
        if ticket is not None and ticket.state is TicketState.DONE:
            ticket.give_back(self.now)

    @invariant()
    def the_gate_agrees(self) -> None:
        assert self.gate.running == self.ledger.count(GRANTED) <= 2
        assert self.gate.waiting == self.ledger.count(WAITING) <= 3
        assert self.gate.waiting == 0 or not self.gate.free, "nobody waits while there is room"
        assert all(count == 1 for count in self.woken.values())
        assert MIN_RETRY_AFTER <= self.gate.retry_after() <= MAX_RETRY_AFTER

    def teardown(self) -> None:
        for ticket in self.ledger.tickets:
            ticket.give_back(self.now)
        assert (self.gate.running, self.gate.waiting) == (0, 0)


TestGateMachine = GateMachine.TestCase
