"""Traffic for the demonstrations: questions over real HTTP, half of them streams, and a tally of what clients saw.

A promise is broken when a plain request, or a stream that had not begun, is lost. It judges nothing else, and starts
and ends no process. Used by scripts/demo.py and scripts/demo_cluster.py.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeAlias

import aiohttp

MAX_TOKENS = 32
WORKERS = 6
MAX_REQUESTS = 20_000
"""Bound of traffic that runs until it is stopped."""
CLIENT_TIMEOUT = aiohttp.ClientTimeout(total=120)


def question(text: str, *, stream: bool = False, model: str = "small") -> dict[str, Any]:
    """The body of a chat completion."""
    return {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        **({"stream": True, "stream_options": {"include_usage": True}} if stream else {}),
    }


async def events(response: aiohttp.ClientResponse) -> AsyncIterator[dict[str, Any] | None]:
    """The JSON of each event of a stream; None for `[DONE]`. An answer that is no stream has no events."""
    async for line in response.content:
        text = line.decode().strip()
        if not text.startswith("data: "):
            continue
        data = text.removeprefix("data: ")
        yield None if data == "[DONE]" else json.loads(data)


@dataclass
class Tally:
    """What the clients saw. `stream_cut`: streams that had begun and ended with an error chunk, as promised."""

    plain_ok: int = 0
    plain_failed: int = 0
    stream_ok: int = 0
    stream_cut: int = 0
    stream_failed: int = 0
    providers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)

    @property
    def answered(self) -> int:
        return self.plain_ok + self.stream_ok

    @property
    def lost(self) -> int:
        return self.plain_failed + self.stream_failed


OnBegun: TypeAlias = Callable[[str, Tally], None]
"""Told, in the event loop of the traffic, that a stream of this provider has begun."""


@dataclass
class Accident:
    """Ends a provider in mid-traffic: once `after` requests are answered and a stream of `provider` has begun."""

    provider: str
    after: int
    kill: Callable[[], None]
    happened: bool = False

    def __call__(self, provider: str, tally: Tally) -> None:
        if provider == self.provider and tally.answered >= self.after and not self.happened:
            self.happened = True
            self.kill()


async def traffic(
    apis: Sequence[str],
    numbers: Iterable[int],
    tally: Tally,
    *,
    headers: Mapping[str, str] | None = None,
    begun: OnBegun = lambda _provider, _tally: None,
    done: Callable[[], None] = lambda: None,
) -> None:
    """Asks about each of `numbers`, one router (base URL) after the other, and counts into `tally`.

    Odd numbers are asked as streams. `done` is called after each request.
    """
    left: Iterator[int] = iter(numbers)
    turn = 0

    async def worker(session: aiohttp.ClientSession) -> None:
        nonlocal turn
        for number in left:
            turn += 1
            api, text = apis[turn % len(apis)], f"Say something about the number {number}."
            if number % 2:
                await _one_stream(session, api, text, tally, begun)
            else:
                await _one_plain(session, api, text, tally)
            done()

    async with aiohttp.ClientSession(timeout=CLIENT_TIMEOUT, headers=headers) as session:
        await asyncio.gather(*(worker(session) for _ in range(WORKERS)))


async def _one_plain(session: aiohttp.ClientSession, api: str, text: str, tally: Tally) -> None:
    try:
        async with session.post(f"{api}/v1/chat/completions", json=question(text)) as response:
            body = await response.json()
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        tally.plain_failed += 1
        tally.failures.append(f"plain: {type(error).__name__}: {error}")
        return
    if response.status == 200 and body["choices"][0].get("finish_reason"):
        tally.plain_ok += 1
        tally.providers[body.get("provider") or "?"] += 1
    else:
        tally.plain_failed += 1
        tally.failures.append(f"plain: status {response.status}: {json.dumps(body)[:300]}")


async def _one_stream(session: aiohttp.ClientSession, api: str, text: str, tally: Tally, on_begun: OnBegun) -> None:
    begun = finished = False
    error: object = None
    provider = "?"
    try:
        async with session.post(f"{api}/v1/chat/completions", json=question(text, stream=True)) as response:
            async for event in events(response):
                if event is None:
                    finished = True
                    continue
                error = event.get("error") or error
                provider = event.get("provider") or provider
                if any(choice.get("delta", {}).get("content") for choice in event.get("choices", [])):
                    begun = True
                    on_begun(provider, tally)
            said = f"status {response.status}, begun {begun}, ended {finished}, error {error}"
    except (aiohttp.ClientError, TimeoutError, ValueError) as broken:
        finished, error, said = False, None, f"begun {begun}, then {type(broken).__name__}: {broken}"
    if finished and not error:
        tally.stream_ok += 1
        tally.providers[provider] += 1
    elif begun and error and not finished:
        tally.stream_cut += 1
    else:
        tally.stream_failed += 1
        tally.failures.append(f"stream: {said}")


class Background:
    """Traffic in a thread of its own, from `with` on, until its end; the main thread may start and end processes.

    `tally` may be read meanwhile. When it ends, requests under way are waited for, so that none is cut by the client.
    """

    def __init__(self, apis: Sequence[str], headers: Mapping[str, str], begun: OnBegun = lambda _, __: None) -> None:
        self.tally = Tally()
        self.error: BaseException | None = None
        self._ending = threading.Event()
        self._arguments = (apis, headers, begun)
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        if kind is None:  # after an error, or Ctrl-C, nobody wants to wait; the thread is a daemon
            self._thread.join()
            if self.error is not None:
                raise self.error

    def _run(self) -> None:
        apis, headers, begun = self._arguments
        try:
            asyncio.run(traffic(apis, self._numbers(), self.tally, headers=headers, begun=begun))
        except BaseException as error:  # noqa: BLE001 - told in the main thread, by `__exit__`
            self.error = error

    def _numbers(self) -> Iterator[int]:
        for number in range(MAX_REQUESTS):
            if self._ending.is_set():
                return
            yield number
