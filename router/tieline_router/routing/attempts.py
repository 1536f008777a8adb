"""What to try next: outcomes go in, attempts come out. A state machine by tables, without I/O and without a clock.

    ready ── attempt ──▶ trying ── answer ──▶ done
      ▲                   │  └──── commit ──▶ committed ── answer, failure ──▶ done
      │                failure
      └─ fallback ── failed ── attempt ──▶ trying        failed ── stop ──▶ done

The runtime asks `next`, performs the attempt, and reports `commit`, `succeed` or `fail`. What a failure permits stands
in the error table (`retry`, `next_model`); where to go stands in `places.py`. Bounds: `retries.attempts` tries per
model, the route's retry budget, `timeouts.request` over all, and nothing after the content commit.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Final, NamedTuple

from tieline_api.snapshot import Credential, Timeouts

from tieline_router.apis import Operation
from tieline_router.errors import ERRORS, ErrorClass, NextModel, Retry
from tieline_router.routing.decide import decide_fallback
from tieline_router.routing.decision import Decision, Shortlist
from tieline_router.routing.endpoint import EndpointState
from tieline_router.routing.live import LiveTable
from tieline_router.routing.offers import Offer
from tieline_router.routing.pickers import Draw
from tieline_router.routing.places import Place, Places

DEFAULT_TIMEOUTS: Final = Timeouts()


class State(StrEnum):
    READY = "ready"
    TRYING = "trying"
    FAILED = "failed"
    COMMITTED = "committed"
    DONE = "done"


class Event(StrEnum):
    ATTEMPT = "attempt"
    COMMIT = "commit"
    ANSWER = "answer"
    FAILURE = "failure"
    FALLBACK = "fallback"
    STOP = "stop"


S, V = State, Event
TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (S.READY, V.ATTEMPT): S.TRYING,
    (S.READY, V.FALLBACK): S.READY,
    (S.READY, V.STOP): S.DONE,
    (S.TRYING, V.COMMIT): S.COMMITTED,
    (S.TRYING, V.ANSWER): S.DONE,
    (S.TRYING, V.FAILURE): S.FAILED,
    (S.COMMITTED, V.COMMIT): S.COMMITTED,
    (S.COMMITTED, V.ANSWER): S.DONE,
    (S.COMMITTED, V.FAILURE): S.DONE,
    (S.FAILED, V.ATTEMPT): S.TRYING,
    (S.FAILED, V.FALLBACK): S.READY,
    (S.FAILED, V.STOP): S.DONE,
}


class AttemptTimeouts(NamedTuple):
    """Seconds, None = off. `deadline` is the end of the whole request in Unix seconds."""

    connect: float | None
    first_token: float | None
    """Streams: until the first content."""
    response: float | None
    """Plain requests: until the whole answer."""
    idle: float | None
    """Streams: between two events."""
    deadline: float | None


class Attempt(NamedTuple):
    """One try at one endpoint. Not before `not_before` (Unix seconds); the runtime waits."""

    number: int
    """1-based, over all models of the request."""
    model: str
    """The model whose shortlist this comes from: the requested one, or a fallback's."""
    offer: Offer
    operation: Operation
    """What the provider is asked by; another than the client's means translation."""
    endpoint: EndpointState
    credential: Credential | None
    not_before: float
    timeouts: AttemptTimeouts


class Fallback(NamedTuple):
    """The next model takes over; ask `next` again. `cause` is the failure that led here."""

    model: str
    cause: ErrorClass
    shortlist: Shortlist


class Stop(NamedTuple):
    """Nothing more is tried. `error` goes to the client; `reason` says why the search ended."""

    error: ErrorClass
    reason: str
    retry_after: float | None = None
    """Seconds after which a new request may fare better, if every provider asked named a time: the shortest."""


class Failure(NamedTuple):
    """One attempt that failed, for logs and spans."""

    attempt: Attempt
    error: ErrorClass
    retry_after: float | None


Step = Attempt | Fallback | Stop


class Attempts:
    """The attempts of one request.

    Args:
        decision: what `decide` said.
        live: read for endpoints and credentials; fed by the runtime with `begin` and `end`.
        draw: floats in [0, 1).
        started: Unix seconds at which the request came; the total deadline counts from there.
        patience: seconds that the client itself waits for the whole answer.
    """

    def __init__(
        self, decision: Decision, live: LiveTable, draw: Draw, started: float, patience: float = math.inf
    ) -> None:
        self.decision = decision
        self.state = State.READY
        self.failures: list[Failure] = []
        self.shortlist = decision.shortlist
        """Of the model that is being tried."""
        self._live = live
        self._draw = draw
        self._timeouts = decision.route.wire.timeouts if decision.route else DEFAULT_TIMEOUTS
        self._limit = max(decision.route.wire.retries.attempts, 1) if decision.route else 1
        self._budget = live.budget(decision.route) if decision.route else None
        total = min(self._timeouts.request or math.inf, patience)
        self._deadline = started + total if total < math.inf else None
        self._places = Places(decision.shortlist, live, draw)
        self._number = 0
        self._tried = 0
        """Attempts at the present model."""
        self._next_fallback = 0
        self._current: Attempt | None = None

    # -- what happened -----------------------------------------------------------------------------------------------

    def commit(self) -> None:
        """Content has reached the client: a failure from now on is final."""
        self._move(Event.COMMIT)

    def succeed(self, now: float) -> None:
        """The answer is complete."""
        self._move(Event.ANSWER)
        if self._budget is not None:
            self._budget.succeeded(now)

    def fail(self, error: ErrorClass, retry_after: float | None = None) -> None:
        """The attempt failed. `retry_after`: the provider's hint in seconds, if it gave one."""
        attempt = self._current
        assert attempt is not None, "no attempt is under way"  # noqa: S101
        self._move(Event.FAILURE)
        self.failures.append(Failure(attempt, error, retry_after))
        self._places.failed(error)

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

    def _attempt(self, now: float, error: ErrorClass | None = None) -> Step:
        if self._deadline is not None and now >= self._deadline:
            return self._stop(ErrorClass.TIMEOUT_TOTAL, "timeouts.request is over")
        place = self._places.next(now, error, self.failures[-1].retry_after if error else None)
        if place is None:
            return self._leave_model("no other endpoint is left", now)
        if self._deadline is not None and place.not_before >= self._deadline:
            return self._leave_model("the pause is longer than the time left", now)
        if error is not None and self._budget is not None:
            self._budget.spend(now)
        return self._begin(place)

    def _begin(self, place: Place) -> Attempt:
        self._move(Event.ATTEMPT)
        self._places.taken(place)
        self._number += 1
        self._tried += 1
        self._current = Attempt(
            self._number,
            self.shortlist.model,
            place.candidate.offer,
            place.candidate.operation,
            place.endpoint,
            place.credential,
            place.not_before,
            self._attempt_timeouts(),
        )
        return self._current

    def _attempt_timeouts(self) -> AttemptTimeouts:
        wire = self._timeouts
        first = wire.first_token.base + wire.first_token.per_thousand_tokens * self.decision.view.prompt_tokens / 1000
        return AttemptTimeouts(
            connect=wire.connect or None,
            first_token=first if wire.first_token.base else None,
            response=wire.response or None,
            idle=wire.idle or None,
            deadline=self._deadline,
        )

    # -- the end of a model, and of all ------------------------------------------------------------------------------

    def _leave_model(self, reason: str, now: float) -> Fallback | Stop:
        """The next fallback, in order, whose `when` covers the last failure, or the end."""
        cause = self.failures[-1].error if self.failures else self.decision.refusal or ErrorClass.NO_HEALTHY_BACKEND
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
        return self._stop(self._final_error(), reason)

    def _final_error(self) -> ErrorClass:
        """What the client is told: the last failure; a rate limit only if nothing else went wrong."""
        if not self.failures:
            return self.decision.refusal or ErrorClass.NO_HEALTHY_BACKEND
        others = [failure.error for failure in self.failures if failure.error is not ErrorClass.STATUS_429]
        return others[-1] if others else ErrorClass.STATUS_429

    def _stop(self, error: ErrorClass, reason: str) -> Stop:
        self._move(Event.STOP)
        if not self.failures:
            return Stop(error, reason, self.decision.shortlist.retry_after)
        hints = [failure.retry_after for failure in self.failures if failure.retry_after is not None]
        return Stop(error, reason, min(hints) if len(hints) == len(self.failures) else None)
