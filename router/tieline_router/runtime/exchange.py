"""From a read request to its answer: decide, queue, attempt, hedge, and tell the attempt machine what happened.

All choices are made by `routing` (whom to try, whether to try again); an attempt is a `flight`. Used by `server`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from tieline_router.routing.admission import Ticket, TicketState
from tieline_router.routing.attempts import Attempt, Attempts, Fallback, Stop, Wait
from tieline_router.routing.decide import decide
from tieline_router.runtime.call import Call, Refused
from tieline_router.runtime.clock import Clock
from tieline_router.runtime.flight import Flight, Office
from tieline_router.runtime.outcome import Outcome
from tieline_router.runtime.patience import patience
from tieline_router.runtime.refusals import refusal
from tieline_router.wire.errors import keep_alive

logger = logging.getLogger(__name__)


class Exchange:
    """Serves inference."""

    def __init__(self, office: Office, draw: Callable[[], float]) -> None:
        self._office = office
        self._live = office.live
        self._clock = office.clock
        self._draw = draw

    def decide(self, call: Call) -> None:
        """Sets `call.decision`."""
        assert call.asked is not None  # noqa: S101 - the order of the handler
        assert call.caller is not None  # noqa: S101
        now = self._clock.now()
        call.decision = decide(call.asked.view, call.caller, call.snapshot.table, self._live, now, self._draw)

    async def attempt(self, call: Call) -> None:
        """Tries until an answer is complete or nothing is left to try.

        Raises:
            Refused: no answer; nothing of one has reached the client, or it has and the error goes in-band.
            ClientGone: the client does not read any more.
        """
        decision = call.decision
        assert decision is not None  # noqa: S101 - the order of the handler
        stream = decision.view.stream
        bears = patience(call.request.headers, stream=stream)
        if stream and decision.route is not None:
            after = decision.route.wire.timeouts.keep_alive_after
            call.reply.keep_alive_after(min(after, bears.keep_alive), keep_alive(call.dialect))
        attempts = Attempts(decision, self._live, self._draw, call.started, patience=bears.total)
        try:
            await self._until_answered(call, attempts)
        finally:
            attempts.close(self._clock.now())

    async def _until_answered(self, call: Call, attempts: Attempts) -> None:
        failed: list[Outcome] = []
        while True:
            now = self._clock.now()
            step = attempts.next(now)
            match step:
                case Attempt():
                    race = Race(self._office, call, attempts, failed)
                    if await (race.alone(step, now) if step.hedge_at is None else race.run(step, now)):
                        return
                case Wait():
                    await admitted(step.ticket, self._clock)
                case Fallback():
                    logger.debug("%s falls back to %s after %s", call.generation_id, step.model, step.cause)
                case Stop():
                    raise Refused(refusal(attempts, step, failed))


async def admitted(ticket: Ticket, clock: Clock) -> None:
    """Waits until the gate has turned to the ticket, or its deadline is over."""
    turned = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not turned.done():
            turned.set_result(None)

    ticket.wake = wake
    if ticket.state is TicketState.WAITING:
        await asyncio.wait([turned], timeout=max(0.0, ticket.deadline - clock.now()))


class Race:
    """One attempt, or two beside each other when the first takes long to begin (a hedge). `failed` is added to in the
    order of `attempts.failures`."""

    def __init__(self, office: Office, call: Call, attempts: Attempts, failed: list[Outcome]) -> None:
        self._office = office
        self._clock = office.clock
        self._call = call
        self._attempts = attempts
        self._failed = failed
        self._flights: dict[asyncio.Task[Outcome], Flight] = {}
        self._won = False

    async def alone(self, attempt: Attempt, now: float) -> bool:
        """One attempt in the request's own task, which nearly all are. True: the client has its answer."""
        flight = Flight(self._office, self._call, attempt, self._wins)
        outcome = await flight.run(now)
        if outcome.error is None:
            self._attempts.succeed(flight.ended, attempt)
            return True
        self._attempts.fail(outcome.error, outcome.retry_after, attempt)
        self._failed.append(outcome)
        return False

    async def run(self, attempt: Attempt, now: float) -> bool:
        """The attempt, and beside it another one if it has no content at its `hedge_at`. True: as of `alone`."""
        assert attempt.hedge_at is not None  # noqa: S101 - else it would run alone
        try:
            self._start(attempt, now)
            done, _ = await asyncio.wait(self._flights, timeout=max(0.0, attempt.hedge_at - now))
            now = self._clock.now()
            second = None if done or self._won else self._attempts.hedge(now)
            if second is not None:
                self._start(second, now)
            return await self._answered()
        finally:
            for task in self._flights:
                task.cancel()
            await asyncio.gather(*self._flights, return_exceptions=True)

    async def _answered(self) -> bool:
        while self._flights:
            done, _ = await asyncio.wait(self._flights, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                flight = self._flights.pop(task)
                if flight.lost:
                    continue
                outcome = task.result()
                if outcome.error is None:
                    self._beaten(self._attempts.succeed(flight.ended, flight.attempt))
                    return True
                self._failed.append(outcome)
                if not self._attempts.fail(outcome.error, outcome.retry_after, flight.attempt):
                    return False
        return False

    def _start(self, attempt: Attempt, now: float) -> None:
        flight = Flight(self._office, self._call, attempt, self._wins)
        self._flights[asyncio.create_task(flight.run(now), name="attempt")] = flight

    def _wins(self, flight: Flight, now: float | None) -> bool:
        """The flight's answer begins: the others are given up."""
        self._won = True
        self._beaten(self._attempts.commit(now, flight.attempt))
        return True

    def _beaten(self, losers: tuple[Attempt, ...]) -> None:
        for task, flight in self._flights.items():
            if any(flight.attempt is loser for loser in losers):
                flight.lost = True
                task.cancel()
