"""A router in this process on loopback, fed with frames by hand, and a client that shows answers as transcripts.

async with Gateway() as gateway:
await gateway.configure([frames.own_pool("a")], [frames.route("a")], addresses={"a": [upstream.address]})
answer = await gateway.chat(stream=True)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import aiohttp
from tieline_api.snapshot import Consumer, Pool, Route
from tieline_router.app import Router
from tieline_router.runtime.clock import Clock
from tieline_router.settings import RouterSettings

from tests.support import frames

MESSAGES = [{"role": "user", "content": "Say hello."}]


@dataclass
class Answer:
    """What a client saw."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    complete: bool = True
    """The transfer ended as HTTP wants it."""
    events: list[Any] = field(default_factory=list)
    """Decoded data of a stream's events; `"[DONE]"` stands for itself."""

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def error(self) -> Any:
        """The error object, of a plain answer or of the stream's last event."""
        return self.events[-1]["error"] if self.events else self.json["error"]

    @property
    def text(self) -> str:
        """The content, put together."""
        if not self.events:
            return str(self.json["choices"][0]["message"]["content"])
        choices = [event["choices"][0] for event in self.events if event != "[DONE]" and event["choices"]]
        return "".join(choice["delta"].get("content") or "" for choice in choices)

    @property
    def done(self) -> bool:
        """The stream ended with our terminator."""
        return bool(self.events) and self.events[-1] == "[DONE]"


def events_of(body: bytes) -> list[Any]:
    """The data of a stream that this router wrote, comments left out."""
    data = [block.removeprefix(b"data: ") for block in body.split(b"\n\n") if block.startswith(b"data: ")]
    return ["[DONE]" if item == b"[DONE]" else json.loads(item) for item in data]


class Gateway:
    """Router and client; settings may be replaced by keyword. `clock` is for everything but socket timeouts."""

    def __init__(self, clock: Clock | None = None, **settings: Any) -> None:
        self.settings = RouterSettings(
            **{
                "host": "127.0.0.1",
                "port": 0,
                "admin_host": "127.0.0.1",
                "admin_port": 0,
                "auth": "Optional",
                "drain_delay_seconds": 0.0,
                "trust_env": False,
                **settings,
            }
        )
        self.router = Router(self.settings, clock=clock)
        self._counter = 0
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        await self.router.start()
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
        await self.router.stop()

    @property
    def session(self) -> aiohttp.ClientSession:
        assert self._session is not None, "use the gateway as a context"
        return self._session

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.router.address[1]}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self.router.admin_address[1]}"

    async def configure(
        self,
        pools: Iterable[Pool],
        routes: Iterable[Route],
        consumers: Iterable[Consumer] = (),
        *,
        addresses: Mapping[str, Sequence[str]] | None = None,
        secrets: Mapping[str, str] | None = None,
    ) -> None:
        """Applies one configuration, addresses and secret values first; every call is a newer revision."""
        self._counter += 1
        await self.router.apply(frames.secrets(self._counter, **(secrets or {})))
        await self.router.apply(frames.endpoints(addresses or {}, self._counter))
        config = frames.config(pools, routes, consumers, revision=frames.revision(self._counter))
        await self.router.apply(config)

    async def chat(
        self,
        *,
        stream: bool = False,
        path: str = "/v1/chat/completions",
        headers: Mapping[str, str] | None = None,
        **body: Any,
    ) -> Answer:
        """One chat completion, read to its end."""
        payload = {"model": frames.MODEL, "messages": MESSAGES, "stream": stream, **body}
        return await self.post(path, json.dumps(payload).encode(), headers=headers)

    async def post(
        self, path: str, body: bytes, *, method: str = "POST", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Any request with any body."""
        sent = {"Content-Type": "application/json", **(headers or {})}
        async with self.session.request(method, self.url + path, data=body, headers=sent) as response:
            data, complete = b"", True
            try:
                async for part in response.content.iter_any():
                    data += part
            except aiohttp.ClientError:
                complete = False
        streamed = response.headers["Content-Type"].startswith("text/event-stream")
        return Answer(response.status, response.headers, data, complete, events_of(data) if streamed else [])

    async def admin(self, path: str) -> Any:
        """A GET on the admin port: JSON, or text for /metrics."""
        async with self.session.get(self.admin_url + path) as response:
            return await (response.json() if response.content_type == "application/json" else response.text())
