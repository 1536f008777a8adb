"""What the attempt machine says and knows, as values: its steps, its states and the table between them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
from tieline_api.snapshot import Credential, Timeouts

from tieline_router.apis import Operation
from tieline_router.errors import ErrorClass
from tieline_router.routing.admission import Ticket
from tieline_router.routing.decision import Shortlist
from tieline_router.routing.endpoint import EndpointState
from tieline_router.routing.offers import Offer


class State(StrEnum):
    READY = "ready"
    QUEUED = "queued"
    TRYING = "trying"
    FAILED = "failed"
    COMMITTED = "committed"
    DONE = "done"


class Event(StrEnum):
    ATTEMPT = "attempt"
    QUEUE = "queue"
    HEDGE = "hedge"
    COMMIT = "commit"
    ANSWER = "answer"
    FAILURE = "failure"
    LOSS = "loss"
    """An attempt ended, and another one goes on."""
    FALLBACK = "fallback"
    STOP = "stop"


S, V = State, Event
TRANSITIONS: Final[dict[tuple[State, Event], State]] = {
    (S.READY, V.ATTEMPT): S.TRYING,
    (S.READY, V.QUEUE): S.QUEUED,
    (S.READY, V.FALLBACK): S.READY,
    (S.READY, V.STOP): S.DONE,
    (S.QUEUED, V.ATTEMPT): S.TRYING,
    (S.QUEUED, V.QUEUE): S.QUEUED,
    (S.QUEUED, V.FALLBACK): S.READY,
    (S.QUEUED, V.STOP): S.DONE,
    (S.TRYING, V.HEDGE): S.TRYING,
    (S.TRYING, V.LOSS): S.TRYING,
    (S.TRYING, V.COMMIT): S.COMMITTED,
    (S.TRYING, V.ANSWER): S.DONE,
    (S.TRYING, V.FAILURE): S.FAILED,
    (S.COMMITTED, V.COMMIT): S.COMMITTED,
    (S.COMMITTED, V.ANSWER): S.DONE,
    (S.COMMITTED, V.FAILURE): S.DONE,
    (S.FAILED, V.ATTEMPT): S.TRYING,
    (S.FAILED, V.QUEUE): S.QUEUED,
    (S.FAILED, V.FALLBACK): S.READY,
    (S.FAILED, V.STOP): S.DONE,
}


class AttemptTimeouts(msgspec.Struct, frozen=True, gc=False):
    """Seconds, None = off. `deadline` is the end of the whole request in Unix seconds."""

    connect: float | None
    first_token: float | None
    """Streams: until the first content."""
    response: float | None
    """Plain requests: until the whole answer."""
    idle: float | None
    """Streams: between two events."""
    deadline: float | None

    @classmethod
    def of(cls, wire: Timeouts, prompt_tokens: int, deadline: float | None) -> AttemptTimeouts:
        """Those of a route, for a prompt of this size."""
        first = wire.first_token.base + wire.first_token.per_thousand_tokens * prompt_tokens / 1000
        return cls(
            wire.connect or None,
            first if wire.first_token.base else None,
            wire.response or None,
            wire.idle or None,
            deadline,
        )


class Attempt(msgspec.Struct, frozen=True, gc=False):
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
    ticket: Ticket | None = None
    """Its place at the pool, where the pool limits concurrency; goes with the lease."""
    hedge_at: float | None = None
    """Unix seconds from which on `Attempts.hedge` may be asked, if no content has come."""


class Wait(NamedTuple):
    """The best pool is full. Wait until `ticket.wake` is called or `ticket.deadline` has passed, then ask `next`."""

    ticket: Ticket
    pool: str


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
    """Seconds after which a new request may fare better: the shortest, if everybody asked named a time."""


class Failure(NamedTuple):
    """One attempt that failed, for logs and spans."""

    attempt: Attempt
    error: ErrorClass
    retry_after: float | None


Step = Attempt | Wait | Fallback | Stop
