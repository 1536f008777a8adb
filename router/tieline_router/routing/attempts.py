"""What to try next: outcomes go in, attempts come out. A state machine by tables, without I/O and without a clock.

    ready ── attempt ──▶ trying ── answer ──▶ done
      ▲  └─ queue ─▶ queued ─▲ │  └──── commit ──▶ committed ── answer, failure ──▶ done
      │                        failure
      └─ fallback ── failed ── attempt ──▶ trying        failed ── stop ──▶ done

The runtime asks `next`, performs the attempt, and reports `commit`, `succeed` or `fail`; with a hedge two attempts run
at a time (`hedging.py` says how). What a failure permits stands in the error table (`retry`, `next_model`); where to go
stands in `places.py`. Bounds: `retries.attempts` tries per model, the route's retry budget, `timeouts.request` over
all, and nothing after the content commit. Whatever happens, `close` comes last (`try … finally`): it gives back what
the request still holds at a gate.
"""

from __future__ import annotations

import math

from tieline_api.snapshot import Timeouts

from tieline_router.errors import ERRORS, ErrorClass, NextModel, Retry
from tieline_router.routing.admission import Gate, Ticket, TicketState
from tieline_router.routing.decide import decide_fallback
from tieline_router.routing.decision import Decision
from tieline_router.routing.ending import final_error, final_retry_after, last_cause
from tieline_router.routing.live import LiveTable
from tieline_router.routing.pickers import Draw
from tieline_router.routing.places import Full, Place, Places
from tieline_router.routing.steps import (
    TRANSITIONS,
    Attempt,
    AttemptTimeouts,
    Event,
    Failure,
    Fallback,
    State,
    Step,
    Stop,
    Wait,
)

__all__ = ["Attempt", "AttemptTimeouts", "Attempts", "Failure", "Fallback", "Step", "Stop", "Wait"]


class Attempts:
    """The attempts of one request.

    Args:
        decision: what `decide` said.
        live: read for endpoints and credentials; fed by the runtime with `begin` and `end`.
        draw: floats in [0, 1).
        started: Unix seconds at which the request came; the total deadline counts from there.
        patience: seconds that the client itself waits for the whole answer.
    """

    __slots__ = (
        "_budget", "_deadline", "_draw", "_flying", "_hedging", "_limit", "_live", "_next_fallback", "_number",
        "_places", "_ticket", "_ticket_at", "_tickets", "_timeouts", "_tried", "decision", "failures", "shortlist",
        "state",
    )  # fmt: skip

    def __init__(
        self, decision: Decision, live: LiveTable, draw: Draw, started: float, patience: float = math.inf
    ) -> None:
        route = decision.route
        self.decision = decision
        self.state = State.READY
        self.failures: list[Failure] = []
        self.shortlist = decision.shortlist
        """Of the model that is being tried."""
        self._live = live
        self._draw = draw
        self._timeouts = route.wire.timeouts if route else Timeouts()
        self._limit = max(route.wire.retries.attempts, 1) if route else 1
        self._budget = live.budget(route) if route else None
        self._hedging = live.hedging(route) if route and decision.view.stream else None
        total = min(self._timeouts.request or math.inf, patience)
        self._deadline = started + total if total < math.inf else None
        self._places = Places(decision.shortlist, live, draw)
        self._number = 0
        self._tried = 0  # at the present model
        self._next_fallback = 0
        self._flying: list[tuple[Attempt, Place]] = []
        """Attempts under way: one, with a hedge two."""
        self._ticket: Ticket | None = None  # waiting, or granted and not yet an attempt's
        self._tickets: tuple[Ticket, ...] = ()  # all that were taken: an attempt may be cancelled before its lease
        self._ticket_at = 0

    # -- what happened -----------------------------------------------------------------------------------------------

    def commit(self, now: float | None = None, attempt: Attempt | None = None) -> tuple[Attempt, ...]:
        """Content has reached the client: a failure from now on is final.

        Args:
            now: Unix seconds; where it is given, the time to first content counts for hedging.
            attempt: whose content it is; None = that of the only one under way.

        Returns:
            The others under way, which have lost: cancel them, and report nothing more of them.
        """
        self._move(Event.COMMIT)
        if now is not None and self._hedging is not None:
            tokens = self.decision.view.prompt_tokens
            for flying, _ in self._flying:
                self._hedging.sample(flying.offer.pool.key, tokens, now - flying.not_before, now)
        return self._wins(attempt)

    def succeed(self, now: float, attempt: Attempt | None = None) -> tuple[Attempt, ...]:
        """The answer is complete. Returns the others under way, as `commit` does."""
        self._move(Event.ANSWER)
        if self._budget is not None:
            self._budget.succeeded(now)
        return self._wins(attempt)

    def fail(self, error: ErrorClass, retry_after: float | None = None, attempt: Attempt | None = None) -> bool:
        """An attempt failed.

        Args:
            retry_after: the provider's hint in seconds, if it gave one.
            attempt: which; None = the only one under way.

        Returns:
            True: another attempt goes on. False: ask `next`.
        """
        flying, place = self._land(attempt)
        self._move(Event.LOSS if self._flying else Event.FAILURE)
        self.failures.append(Failure(flying, error, retry_after))
        self._places.failed(error, place)
        return bool(self._flying)

    def close(self, now: float) -> None:
        """The request is over, and so are its leases."""
        for ticket in self._tickets:
            ticket.give_back(now)

    def _wins(self, attempt: Attempt | None) -> tuple[Attempt, ...]:
        winner = self._land(attempt)
        losers = tuple(flying for flying, _ in self._flying)
        self._flying = [winner]
        return losers

    def _land(self, attempt: Attempt | None) -> tuple[Attempt, Place]:
        for index, (flying, _) in enumerate(self._flying):
            if attempt is None or flying is attempt:
                return self._flying.pop(index)
        raise RuntimeError("no such attempt is under way: a bug in the caller")

    def _move(self, event: Event) -> None:
        following = TRANSITIONS.get((self.state, event))
        if following is None:
            raise RuntimeError(f"{event} in state {self.state}: a bug in the caller")
        self.state = following

    # -- what to do --------------------------------------------------------------------------------------------------

    def next(self, now: float) -> Step:
        """What to do now, at Unix time `now`. After a failure that followed the content commit always a `Stop`."""
        if self.state is State.READY:
            return self._attempt(now) if self.shortlist.candidates else self._leave_model("nobody could be asked", now)
        if self.state is State.QUEUED:
            return self._resume(now)
        if self.state is State.DONE and self.failures:
            return Stop(self.failures[-1].error, "content has reached the client, so nothing is tried again")
        if self.state is not State.FAILED:
            raise RuntimeError(f"next in state {self.state}: a bug in the caller")
        error = self.failures[-1].error
        if ERRORS[error].retry is Retry.NO:
            return self._leave_model(f"{error} is not tried again", now)
        if self._tried >= self._limit:
            return self._leave_model(f"retries.attempts permits {self._limit}", now)
        if self._budget is not None and not self._budget.permits(now):
            return self._leave_model("the route's retry budget is spent", now)
        return self._attempt(now, error)

    def hedge(self, now: float) -> Attempt | None:
        """A second attempt beside the one under way, whose `hedge_at` has come; None: not now."""
        if self._hedging is None or self.state is not State.TRYING or len(self._flying) != 1:
            return None
        if self._tried >= self._limit or not self._hedging.permits(now) or self._over(now):
            return None
        place = self._places.second(now, self._flying[0][0].endpoint)
        if place is None or not self._enter(place, now):
            return None
        self._hedging.spend(now)
        return self._begin(place, now, Event.HEDGE)

    def _over(self, now: float) -> bool:
        return self._deadline is not None and now >= self._deadline

    def _attempt(self, now: float, error: ErrorClass | None = None) -> Step:
        if self._over(now):
            return self._stop(ErrorClass.TIMEOUT_TOTAL, "timeouts.request is over")
        place = self._places.next(now, error, self.failures[-1].retry_after if error else None)
        if place is None:
            return self._leave_model("no other endpoint is left", now)
        if isinstance(place, Full):
            return self._queue(place, now)
        if self._deadline is not None and place.not_before >= self._deadline:
            return self._leave_model("the pause is longer than the time left", now)
        self._enter(place, now)
        return self._begin(place, now, Event.ATTEMPT)

    def _begin(self, place: Place, now: float, event: Event) -> Attempt:
        if self._tried and event is Event.ATTEMPT and self._budget is not None:
            self._budget.spend(now)
        self._move(event)
        self._places.taken(place)
        self._number += 1
        self._tried += 1
        candidate, tokens = place.candidate, self.decision.view.prompt_tokens
        hedge_at = None
        if self._hedging is not None and event is Event.ATTEMPT:
            if self._number == 1:
                self._hedging.requested(now)
            delay = self._hedging.delay(candidate.offer.pool.key, tokens, now)
            hedge_at = None if delay is None else place.not_before + delay
        ticket, self._ticket = self._ticket, None
        attempt = Attempt(
            self._number,
            self.shortlist.model,
            candidate.offer,
            candidate.operation,
            place.endpoint,
            place.credential,
            place.not_before,
            AttemptTimeouts.of(self._timeouts, tokens, self._deadline),
            ticket,
            hedge_at,
        )
        self._flying.append((attempt, place))
        return attempt

    # -- gates -------------------------------------------------------------------------------------------------------

    def _enter(self, place: Place, now: float) -> bool:
        """Takes a ticket where the pool has a gate; False: it has no room after all."""
        gate = self._live.admission.gate(place.candidate.offer.pool)
        return gate is None or (gate.free and self._take(gate, now) is not None)

    def _take(self, gate: Gate, now: float) -> Ticket | None:
        deadline = math.inf if self._deadline is None else self._deadline
        self._ticket = gate.enter(self.decision.caller.turn, now, deadline)
        self._tickets += () if self._ticket is None else (self._ticket,)
        return self._ticket

    def _queue(self, full: Full, now: float) -> Step:
        """Waits at the best gate whose queue takes the request."""
        for at, gate in full.gates:
            ticket = self._take(gate, now)
            if ticket is not None:
                self._move(Event.QUEUE)
                self._ticket_at = at
                return Wait(ticket, self.shortlist.candidates[at].offer.pool.key)
        seconds = min(gate.retry_after() for _, gate in full.gates)
        return self._leave_model("every queue is full", now, ErrorClass.QUEUE_FULL, seconds)

    def _resume(self, now: float) -> Step:
        """The wait at a gate is over, or it is not and its time is."""
        ticket = self._ticket
        assert ticket is not None, "a queued request has a ticket"  # noqa: S101
        if ticket.state is TicketState.WAITING and now < ticket.deadline:
            return Wait(ticket, self.shortlist.candidates[self._ticket_at].offer.pool.key)
        if ticket.state is TicketState.GRANTED and not self._over(now):
            place = self._places.admitted(self._ticket_at, now)
            if place is not None:
                return self._begin(place, now, Event.ATTEMPT)
        late = now >= ticket.deadline
        ticket.give_back(now)
        self._ticket = None
        if self._over(now):
            return self._stop(ErrorClass.TIMEOUT_TOTAL, "timeouts.request is over")
        error = ErrorClass.QUEUE_TIMEOUT if late else ErrorClass.QUEUE_FULL
        return self._leave_model("the wait for a place was in vain", now, error, ticket.gate.retry_after())

    # -- the end of a model, and of all ------------------------------------------------------------------------------

    def _leave_model(
        self, reason: str, now: float, refusal: ErrorClass | None = None, retry_after: float | None = None
    ) -> Fallback | Stop:
        """The next fallback, in order, whose `when` covers what happened last (`refusal`, else the last failure), or
        the end."""
        cause = refusal or last_cause(self.decision, self.failures)
        kind = ERRORS[cause].next_model
        fallbacks = self.decision.fallbacks
        while kind is not NextModel.NO and self._next_fallback < len(fallbacks):
            fallback = fallbacks[self._next_fallback]
            self._next_fallback += 1
            if kind.value not in fallback.when and NextModel.ANY.value not in fallback.when:
                continue
            self.shortlist = decide_fallback(self.decision, fallback, self._live, now, self._draw)
            self._places = Places(self.shortlist, self._live, self._draw)
            self._tried = 0
            self._move(Event.FALLBACK)
            return Fallback(fallback.model, cause, self.shortlist)
        return self._stop(final_error(self.decision, self.failures, refusal), reason, retry_after)

    def _stop(self, error: ErrorClass, reason: str, retry_after: float | None = None) -> Stop:
        self._move(Event.STOP)
        return Stop(error, reason, final_retry_after(self.decision, self.failures, retry_after))
