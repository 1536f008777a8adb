"""A scripted model server, OpenAI-compatible and Anthropic-compatible: what the router talks to in tests, and the
external API of the demonstration.

It performs what the script says, one `Reply` for each generation in order, then `default`; it records every
request and what became of it. It never judges: tests do. In a test:

    async with Upstream() as upstream:
        upstream.script(replies.rate_limited(), replies.ok("Hi"))
        …
        first = await upstream.seen(1)

As a process: `python -m tests.support.upstream --help`. The first line that it prints is its address.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeAlias

from aiohttp import web

from tests.support import replies
from tests.support.answers import ANSWERS
from tests.support.openai_answers import CREATED, Action, Asked, Body, Cut, Hang, Head, Raw, Reply, Wait, json_head

MAX_BODY = 64 * 1024 * 1024
WAIT = 10.0
"""Seconds that the waiting methods wait before they fail the test."""

Outcome: TypeAlias = Literal["open", "answered", "cut by us", "left by client"]


@dataclass(eq=False)
class Seen:
    """One request as it came in, and how far the answer went."""

    number: int
    method: str
    path: str
    headers: Mapping[str, str]
    """Case-insensitive."""
    peer: tuple[str, int]
    """The client's address and port: the same port twice means the same connection twice."""
    body: bytes
    json: Any
    """The decoded body; None when it is no JSON."""
    outcome: Outcome = "open"
    writes: list[bytes] = field(default_factory=list)
    """The parts of the body (and raw bytes) that went out, in order."""

    @property
    def disconnected(self) -> bool:
        """The client went away before the answer was complete; `len(writes)` says after how many parts."""
        return self.outcome == "left by client"


class Upstream:
    """An HTTP server on one address. `stop` and `start` take it away and back on the same port."""

    def __init__(
        self,
        *scripted: Reply,
        default: Reply | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        prefix: str = "/v1",
        models: Sequence[str] = ("test-model",),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.default = default or replies.ok()
        self.host, self.port, self.prefix = host, port, prefix
        self.models = list(models)
        self.healthy = True
        self.requests: list[Seen] = []
        """Everything that came in, whatever its path."""
        self.completions: list[Seen] = []
        """The generations (chat, messages …) among them: what the script answers and the waiting methods count."""
        self._script = deque(scripted)
        self._tls = tls
        self._runner: web.AppRunner | None = None
        self._live: set[asyncio.Task[object]] = set()
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def address(self) -> str:
        """`host:port`."""
        return f"{self.host}:{self.port}"

    @property
    def base_url(self) -> str:
        """Scheme and address; the API stands below `prefix`."""
        return f"{'https' if self._tls else 'http'}://{self.address}"

    def script(self, *steps: Reply) -> None:
        """Appends replies; each answers one chat completion."""
        self._script.extend(steps)

    @property
    def unused(self) -> int:
        """Steps of the script that no request has taken yet."""
        return len(self._script)

    # -- life ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listens; a port of 0 is replaced by the one that the system gave."""
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port, ssl_context=self._tls).start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Closes the listener and every connection; requests that were being answered are cut."""
        if self._runner is None:
            return
        runner, self._runner = self._runner, None
        for task in self._live:
            task.cancel()
        await runner.cleanup()

    # -- waiting ---------------------------------------------------------------------------------------------------

    async def seen(self, count: int = 1, within: float = WAIT) -> Seen:
        """Waits until `count` chat completions have come in; the last of these."""
        await self.until(lambda: len(self.completions) >= count, f"{count} requests", within)
        return self.completions[count - 1]

    async def disconnected(self, count: int = 1, within: float = WAIT) -> Seen:
        """Waits until clients have left `count` unfinished answers; the last of these."""
        await self.until(lambda: len(self._left()) >= count, f"{count} disconnects", within)
        return self._left()[count - 1]

    async def idle(self, within: float = WAIT) -> None:
        """Waits until no answer is under way."""
        await self.until(lambda: all(one.outcome != "open" for one in self.requests), "no open request", within)

    async def until(self, condition: Callable[[], bool], what: str, within: float = WAIT) -> None:
        """Waits until the condition holds; it is looked at whenever a request comes in, a part goes out or one ends."""
        try:
            async with asyncio.timeout(within):
                while not condition():
                    await self._changed.wait()
        except TimeoutError:
            state = ", ".join(f"{one.path}: {one.outcome} after {len(one.writes)}" for one in self.requests[-8:])
            raise AssertionError(f"{self.address} waited {within:g} s for {what}; saw: {state or 'nothing'}") from None

    def _left(self) -> list[Seen]:
        return [one for one in self.completions if one.disconnected]

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    # -- serving ---------------------------------------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        peer = request.transport.get_extra_info("peername") if request.transport else ("", 0)
        seen = Seen(len(self.requests) + 1, request.method, request.path, request.headers.copy(), peer[:2], body, None)
        with contextlib.suppress(ValueError):
            seen.json = json.loads(body)
        self.requests.append(seen)
        reply = self._reply_to(seen)
        self._notify()
        task = asyncio.current_task()
        assert task is not None
        self._live.add(task)
        try:
            asked = Asked.from_json(seen.json, len(self.completions), self._path(seen))
            response = await self._perform(request, seen, reply(asked))
            seen.outcome = "answered" if seen.outcome == "open" else seen.outcome
            return response
        except (asyncio.CancelledError, ConnectionError):
            if seen.outcome == "open":
                seen.outcome = "cut by us" if self._runner is None else "left by client"
            raise
        finally:
            self._live.discard(task)
            self._notify()

    def _path(self, seen: Seen) -> str:
        return seen.path.removeprefix(self.prefix) if seen.path != "/health" else seen.path

    def _reply_to(self, seen: Seen) -> Reply:
        match seen.method, self._path(seen):
            case "POST", path if path in ANSWERS:
                self.completions.append(seen)
                return self._script.popleft() if self._script else self.default
            case "GET", "/models":
                return _json({"object": "list", "data": [_model(name) for name in self.models]})
            case "GET", "/health":
                return _json({"status": "ok" if self.healthy else "error"}, 200 if self.healthy else 503)
            case _:
                return replies.error(404, f"Unknown request URL: {seen.method} {seen.path}", "invalid_request_error")

    async def _perform(self, request: web.Request, seen: Seen, steps: Iterable[Action]) -> web.StreamResponse:
        response = web.StreamResponse()
        for step in steps:
            match step:
                case Head(status, headers):
                    response = web.StreamResponse(status=status, headers=headers)
                    await response.prepare(request)
                case Body(data):
                    await response.write(data)
                    self._wrote(seen, data)
                case Raw(data):
                    _transport(request).write(data)
                    self._wrote(seen, data)
                case Wait(until):
                    await (asyncio.sleep(until) if isinstance(until, float | int) else until.wait())
                case Hang():
                    await asyncio.Event().wait()
                case Cut(how):
                    seen.outcome = "cut by us"
                    _cut(_transport(request), how)
                    return response
            await asyncio.sleep(0)  # a client in the same process may read this part before the next one comes
        await response.write_eof()
        return response

    def _wrote(self, seen: Seen, data: bytes) -> None:
        seen.writes.append(data)
        self._notify()


def _transport(request: web.Request) -> asyncio.Transport:
    if request.transport is None:
        raise ConnectionResetError("the client is gone")
    return request.transport


def _cut(transport: asyncio.Transport, how: Literal["Reset", "Close"]) -> None:
    if how == "Close":
        transport.close()
        return
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _model(name: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "upstream"}


def _json(value: object, status: int = 200) -> Reply:
    body = json.dumps(value).encode()
    return lambda _: [json_head(body, status), Body(body)]


if __name__ == "__main__":
    from tests.support.upstream_process import main

    main()
