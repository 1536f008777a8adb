"""How many requests a pool gets at a time, and who waits for a place. Pure: no clock, no asyncio; owned by
`live.LiveTable`, asked by `places` and `attempts`.

A pool with `limits.concurrency` has a gate. A request takes a ticket: granted at once while there is room, else waiting
in the gate's queue, until a ticket that comes back grants it or its deadline passes. Consumers take turns, and each is
served in the order in which it came. A full queue refuses at once; but whoever waits for less than the consumer that
waits for most takes the place of that one's youngest, so that nobody can fill the queue for all.

A ticket is given back exactly once in effect: `give_back` may be called as often as one likes, in any state.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from tieline_api.snapshot import Limits

from tieline_router.routing.offers import CompiledPool

SMOOTHING: Final = 0.1
"""Weight of the newest interval between two departures in their running mean."""
MIN_RETRY_AFTER: Final = 1.0
MAX_RETRY_AFTER: Final = 60.0
NO_LIMITS: Final = Limits()


class TicketState(StrEnum):
    WAITING = "waiting"
    GRANTED = "granted"
    REFUSED = "refused"
    """Another consumer's request took its place in the queue, or the pool is gone."""
    DONE = "done"


class Ticket:
    """One request at one gate. `wake` is called once, when a waiting ticket is granted or refused."""

    __slots__ = ("consumer", "deadline", "gate", "state", "wake")

    def __init__(self, gate: Gate, consumer: str, deadline: float, state: TicketState) -> None:
        self.gate = gate
        self.consumer = consumer
        self.deadline = deadline
        """Unix seconds; a ticket that still waits then is worth nothing."""
        self.state = state
        self.wake: Callable[[], None] | None = None

    def give_back(self, now: float) -> None:
        """Its request has ended, or waits no longer."""
        state, self.state = self.state, TicketState.DONE
        if state is TicketState.GRANTED:
            self.gate.departed(now)
        elif state is TicketState.WAITING:
            self.gate.remove(self)

    def turn(self, state: TicketState) -> None:
        self.state = state
        if self.wake is not None:
            self.wake()


class Gate:
    """One pool's places and queue."""

    __slots__ = ("_departed_at", "_interval", "_queues", "limits", "running", "waiting")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.running = 0
        """Tickets that are granted and not given back."""
        self.waiting = 0
        self._queues: OrderedDict[str, dict[Ticket, None]] = OrderedDict()
        """By consumer, whose turn is next first; a dict is a queue from which anybody can leave."""
        self._interval: float | None = None
        """Running mean of seconds between two departures while others waited."""
        self._departed_at: float | None = None

    @property
    def free(self) -> bool:
        """Whether a request would be granted at once."""
        limit = self.limits.concurrency
        return limit is None or self.running < limit

    def enter(self, consumer: str, now: float, deadline: float) -> Ticket | None:
        """A ticket, granted or waiting; None when the queue is full.

        Args:
            consumer: who takes turns with others.
            deadline: Unix seconds at which the request itself is over.
        """
        if self.free:
            self.running += 1
            return Ticket(self, consumer, deadline, TicketState.GRANTED)
        if self.waiting >= self.limits.queue_depth and not self._displace(consumer):
            return None
        ticket = Ticket(self, consumer, min(deadline, now + self.limits.queue_seconds), TicketState.WAITING)
        self._queues.setdefault(consumer, {})[ticket] = None
        self.waiting += 1
        return ticket

    def _displace(self, consumer: str) -> bool:
        """Makes room at the expense of the consumer that waits for most, where that is fairer."""
        longest = max(self._queues.values(), key=len, default={})
        if len(longest) <= len(self._queues.get(consumer, ())) + 1:
            return False
        youngest = next(reversed(longest))
        self.remove(youngest)
        youngest.turn(TicketState.REFUSED)
        return True

    def remove(self, ticket: Ticket) -> None:
        """A waiting ticket leaves the queue."""
        queue = self._queues[ticket.consumer]
        del queue[ticket]
        self.waiting -= 1
        if not queue:
            del self._queues[ticket.consumer]

    def departed(self, now: float) -> None:
        """A granted ticket came back."""
        self.running -= 1
        if self.waiting and self._departed_at is not None:
            interval = max(now - self._departed_at, 0.0)
            self._interval = (
                interval if self._interval is None else self._interval + SMOOTHING * (interval - self._interval)
            )
        self._departed_at = now
        self.serve(now)

    def serve(self, now: float) -> None:
        """Grants waiting tickets while there is room. Those past their deadline are passed over: their requests find
        out by themselves."""
        while self.waiting and self.free:
            consumer, queue = next(iter(self._queues.items()))
            ticket = next(iter(queue))
            self.remove(ticket)
            if now >= ticket.deadline:
                ticket.turn(TicketState.REFUSED)
                continue
            if consumer in self._queues:
                self._queues.move_to_end(consumer)
            self.running += 1
            ticket.turn(TicketState.GRANTED)

    def retry_after(self) -> float:
        """Seconds after which those that wait now will have been served, as departures have been going lately."""
        if self._interval is None:
            return min(max(self.limits.queue_seconds, MIN_RETRY_AFTER), MAX_RETRY_AFTER)
        return min(max(self._interval * (self.waiting + 1), MIN_RETRY_AFTER), MAX_RETRY_AFTER)

    def refuse_all(self) -> None:
        """The pool is gone."""
        while self._queues:
            ticket = next(iter(next(iter(self._queues.values()))))
            self.remove(ticket)
            ticket.turn(TicketState.REFUSED)


class Admission:
    """The gates of all pools that have one. Most have none."""

    __slots__ = ("_gates", "_pools", "routers")

    def __init__(self) -> None:
        self._gates: dict[str, Gate] = {}
        self._pools: Mapping[str, CompiledPool] = {}
        self.routers = 1

    def share_among(self, routers: int) -> None:
        """A pool's limits hold for the whole fleet: each of its routers has an equal share."""
        if routers != self.routers:
            self.routers = routers
            self.apply(self._pools)

    def apply(self, pools: Mapping[str, CompiledPool]) -> None:
        """Takes the limits of a new table; those that wait enter where there is more room now. A gate outlives its
        limits while tickets are out."""
        self._pools = pools
        for key, gate in list(self._gates.items()):
            pool = pools.get(key)
            gate.limits = _share((pool.wire.limits if pool is not None else None) or NO_LIMITS, self.routers)
            if pool is None:
                gate.refuse_all()
            gate.serve(-math.inf)
            if not gate.running and gate.limits.concurrency is None:
                del self._gates[key]
        for key, pool in pools.items():
            limits = pool.wire.limits
            if limits is not None and limits.concurrency is not None and key not in self._gates:
                self._gates[key] = Gate(_share(limits, self.routers))

    def gate(self, pool: CompiledPool) -> Gate | None:
        """None: the pool takes any number."""
        return self._gates.get(pool.key) if self._gates else None


def _share(limits: Limits, routers: int) -> Limits:
    """One router's part: rounded down, so that all together stay within the pool's limit, but one at least, because a
    router that could send nothing would only fail those who reach it."""
    if routers <= 1 or limits.concurrency is None:
        return limits
    return Limits(
        concurrency=max(1, limits.concurrency // routers),
        queue_depth=-(-limits.queue_depth // routers),
        queue_seconds=limits.queue_seconds,
    )
