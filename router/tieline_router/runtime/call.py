"""One request on its way through the router: what is known of it so far, and how it is refused."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
from aiohttp import web

from tieline_router.apis import Dialect
from tieline_router.errors import ErrorClass
from tieline_router.routing.callers import Caller
from tieline_router.routing.decision import Decision
from tieline_router.runtime.reply import Reply
from tieline_router.runtime.snapshots import Snapshot
from tieline_router.streaming.form import Cost
from tieline_router.streaming.usage import Usage
from tieline_router.wire.problems import Problem
from tieline_router.wire.request import ApiRequest


class Refused(Exception):
    """The request ends with this error."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Try(msgspec.Struct, frozen=True, gc=False):
    """One attempt that has ended."""

    pool: str
    """Key of the pool."""
    endpoint: str
    provider: str
    """Display name of the pool."""
    model: str
    """Canonical name."""
    error: ErrorClass | None
    status: int | None
    """What the provider answered; None when it did not."""
    seconds: float

    @property
    def line(self) -> str:
        """For the log."""
        return f"{self.pool} {self.endpoint} {self.error or 'ok'}"


@dataclass(slots=True)
class Call:
    """Filled from top to bottom; a part is set once and read by what comes after it."""

    request: web.BaseRequest
    path: str
    """Decoded, without the query."""
    dialect: Dialect
    generation_id: str
    started: float
    """Unix seconds."""
    reply: Reply
    snapshot: Snapshot = field(init=False)
    """Read once: the whole request sees one configuration."""
    caller: Caller | None = None
    asked: ApiRequest | None = None
    decision: Decision | None = None
    tries: list[Try] = field(default_factory=list)
    """In order."""
    answered_by: str = ""
    """Key of the pool that was asked last."""
    answered_model: str = ""
    provider: str = ""
    """Its display name."""
    committed_at: float | None = None
    """Unix seconds of the content commit."""
    sequence: int = 0
    """Number of the stream's next event, where the API counts them."""
    usage: Usage | None = None
    cost: Cost | None = None
    finish_reason: str | None = None
    """In the provider's own words."""
    dropped: tuple[str, ...] = ()
    """Sampling parameters that a translation left out."""
