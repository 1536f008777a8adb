"""What one attempt's answer must be able to do, whatever the client's and the provider's API. Types only.

A *form* stands for one pair of (client's operation, provider's operation): the same twice, or a translation. The
runtime feeds it what the provider sends and writes to the client what it returns; it knows no protocol itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol

import msgspec

from tieline_router.apis import Dialect
from tieline_router.streaming.observe import Failure
from tieline_router.streaming.usage import Usage


class Cost(NamedTuple):
    """What a generation cost at the prices in force, USD as plain floats for the wire (money is Decimal elsewhere)."""

    total: float
    prompt: float
    completion: float


class Stamp(NamedTuple):
    """What of an answer is ours, for one attempt."""

    dialect: Dialect
    generation_id: str
    model: str
    """Canonical name of the model that answers."""
    provider: str
    """Display name of the pool."""
    created: int
    """Unix seconds; only where a translation has to make the field up."""
    usage: bool = True
    """Chat and completions streams: the client gets a chunk with the usage."""
    cost: Callable[[Usage], Cost | None] = lambda _usage: None
    """Prices the usage; None where the pool has no price."""
    choices: int = 1
    """How many choices were asked for (`n`)."""
    echo: msgspec.Raw | None = None
    """The client's whole request as JSON, where an answer must repeat parts of it (Responses)."""


class Whole(NamedTuple):
    """A complete plain answer for the client."""

    body: bytes
    usage: Usage | None = None
    finish_reason: str | None = None
    """Of the first choice, in the provider's own words."""
    content_type: str = "application/json"


class AnswerStream(Protocol):
    """One attempt's stream on its way to the client. After a `failure` it returns nothing."""

    failure: Failure | None
    ended: bool
    """Nothing that follows belongs to the answer: stop reading."""

    @property
    def committed(self) -> bool:
        """The first content has been handed out (or would be by now): a failure is the client's to see."""

    @property
    def opened(self) -> bool:
        """Something was handed out: the content commit, or the hold-back was full. Failover ends here."""

    @property
    def finished(self) -> bool:
        """Every choice has its finish reason; a loss of the connection now takes nothing from the answer."""

    @property
    def usage(self) -> Usage | None: ...

    @property
    def finish_reason(self) -> str | None:
        """Of the first choice, in the provider's own words."""

    @property
    def next_sequence(self) -> int:
        """Responses: the sequence number of the next event, for an error in-band; 0 elsewhere."""

    def feed(self, chunk: bytes) -> bytes:
        """Takes bytes of the provider's body as they come, cut anywhere; returns whole events for the client, often
        nothing before the content commit. Sets `failure` or `ended`."""

    def end(self) -> bytes:
        """The provider's stream is over. Returns the rest, with our own terminator, when the answer is complete; sets
        `failure` otherwise."""


class Form(Protocol):
    """How answers of one provider operation become answers of one client operation."""

    def stream(self, stamp: Stamp, max_event_bytes: int) -> AnswerStream: ...

    def whole(self, stamp: Stamp, body: bytes) -> Whole | Failure:
        """Checks and rewrites a plain answer of status 200."""
