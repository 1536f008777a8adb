"""What is asked of every gateway: the workloads of the comparison, as data. Pure; read by `turn` and the tables."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Api = Literal["chat", "responses", "messages"]
APIS: tuple[Api, ...] = ("chat", "responses", "messages")
PATHS: dict[Api, str] = {"chat": "/v1/chat/completions", "responses": "/v1/responses", "messages": "/v1/messages"}
EVENTS_PER_SECOND = 50
"""Of each live stream."""
LIVE_SECONDS = 2.5
"""Measured window while all streams are open."""
MOST_SECONDS = 2.5
"""No closed load begins a request after this time, so slow gateways answer fewer of them; how many is stored."""
LIVE_BEFORE = 1.5
"""Opening (one second) and settling, before the window."""
LIVE_AFTER = 1.0
"""Streams go on for so long after the window, that none ends within."""


@dataclass(frozen=True)
class Workload:
    """One way of load.

    Closed: every connection asks again when it was answered. `rate`: requests are due at even times. `live`: one
    stream per connection, all open at once, for `LIVE_SECONDS`.
    """

    key: str
    title: str
    api: Api = "chat"
    stream: bool = False
    connections: int = 10
    requests: int = 8000
    warm_up: int = 300
    rate: float = 0.0
    live: bool = False
    most: float = MOST_SECONDS
    """Longest time in which a closed load begins requests."""
    body: int = 0
    """Bytes that the prompt is padded to."""
    events: int = 16
    """Pieces of text in a stream."""

    def scaled(self, share: float) -> Workload:
        """With a share of the live streams or of the requests per second, for slow gateways. Closed loads stay as they
        are: time limits them."""
        if self.live:
            return replace(self, connections=max(1, round(self.connections * share)))
        if self.rate:
            return replace(self, rate=self.rate * share, requests=max(1, round(self.requests * share)))
        return self

    def shortened(self, factor: float) -> Workload:
        """With fewer requests at the same pace, for a quick look."""
        if self.live:
            return self
        return replace(self, requests=max(self.connections, round(self.requests * factor)), most=self.most * 2 * factor)


def _six() -> list[Workload]:
    names = {"chat": "chat", "responses": "responses", "messages": "messages"}
    return [
        Workload(f"{api}-{'sse' if stream else 'plain'}", f"{names[api]}, {'SSE' if stream else 'plain'}", api, stream)
        for api in APIS
        for stream in (False, True)
    ]


def _live(streams: int) -> Workload:
    seconds = LIVE_BEFORE + LIVE_SECONDS + LIVE_AFTER
    return Workload(
        f"live-{streams}",
        f"{streams} live streams, {EVENTS_PER_SECOND} events/s each",
        stream=True,
        connections=streams,
        live=True,
        events=round(seconds * EVENTS_PER_SECOND),
    )


WORKLOADS: tuple[Workload, ...] = (
    *_six(),
    Workload("chat-32", "chat, plain, 32 connections", connections=32),
    Workload("chat-256", "chat, plain, 256 connections", connections=256),
    Workload("paced-32", "chat, plain, 32 connections, 2,000 requests/s", connections=32, requests=4000, rate=2000),
    Workload("single-plain", "chat, plain, 1 connection", connections=1, requests=2000),
    Workload("single-sse", "chat, SSE, 1 connection", connections=1, requests=2000, stream=True),
    Workload("prompt-100k", "chat, plain, prompts of 100 KB", requests=2000, body=100_000),
    _live(200),
    _live(500),
)
