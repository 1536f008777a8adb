"""One request on its way through the router: what is known of it so far, and how it is refused."""

from __future__ import annotations

from dataclasses import dataclass, field

from aiohttp import web

from tieline_router.apis import PathTree
from tieline_router.routing.callers import Caller
from tieline_router.routing.decision import Decision
from tieline_router.runtime.reply import Reply
from tieline_router.runtime.snapshots import Snapshot
from tieline_router.streaming.usage import Usage
from tieline_router.wire.chat import ChatRequest
from tieline_router.wire.errors import Problem


class Refused(Exception):
    """The request ends with this error."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(slots=True)
class Call:
    """Filled from top to bottom; a part is set once and read by what comes after it."""

    request: web.BaseRequest
    tree: PathTree
    generation_id: str
    started: float
    """Unix seconds."""
    reply: Reply
    snapshot: Snapshot
    """Read once: the whole request sees one configuration."""
    caller: Caller | None = None
    chat: ChatRequest | None = None
    decision: Decision | None = None
    attempts: list[str] = field(default_factory=list)
    """`pool endpoint outcome` of each attempt."""
    answered_by: str = ""
    answered_model: str = ""
    committed_at: float | None = None
    """Unix seconds of the content commit."""
    usage: Usage | None = None
    cost_usd: float | None = None
