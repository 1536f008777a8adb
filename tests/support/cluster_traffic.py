"""Requests that flow while a scenario breaks things: plain ones and streams through every router, outcomes counted.

Runs in a thread of its own, so that the test's main thread may start and end processes. Beside the requests it looks at
the revisions that each router holds, so that a test can see whether they ever went back. It judges nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import aiohttp

from tests.support.pods import PodProcess
from tests.support.waiting import wait_until

PAUSE = 0.03
"""Seconds between two requests of one worker: enough traffic to notice, and room for what is under test."""
LOOK = 0.05
"""Seconds between two looks at a router's revisions."""
MAX_FAILURES = 50
PATIENCE = 90.0
TIMEOUT = aiohttp.ClientTimeout(total=60)


class Held(NamedTuple):
    """A revision of one kind of frame that a router held."""

    installation: str
    epoch: int
    counter: int


class Traffic:
    """`with Traffic(…) as traffic:` requests flow until the end of the block, and those under way are waited for.

    Args:
        routers: each gets a worker for plain requests and one for streams.
        key: the caller's.
        model: the name that is asked for.
    """

    def __init__(self, routers: Sequence[PodProcess], key: str, model: str) -> None:
        self.answered: Counter[tuple[str, str]] = Counter()
        """Complete answers by (router, "plain" or "stream")."""
        self.texts: Counter[str] = Counter()
        """How often which content was answered; a scripted server says its name."""
        self.failures: list[str] = []
        self.revisions: dict[tuple[str, str], list[Held]] = {}
        """By (router, kind of frame) what was held, each once, in order."""
        self._routers = {router.name: (router.url("http"), router.url("admin")) for router in routers}
        self._key = key
        self._model = model
        self._ending = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="traffic", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.wait(1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def wait(self, count: int) -> None:
        """Wait until every worker has had so many more answers, or a request has failed."""
        goal = {worker: self.answered[worker] + count for worker in itertools.product(self._routers, _ASKING)}

        def look() -> bool:
            if not self._thread.is_alive():
                raise RuntimeError(f"the traffic has ended: {self._error!r}")
            return bool(self.failures) or all(self.answered[worker] >= least for worker, least in goal.items())

        wait_until(look, f"{count} more answers to each of {len(goal)} workers", PATIENCE)

    def flow(self, seconds: float) -> None:
        """Let requests flow for that long, or until one has failed: how long something stays away is the scenario."""
        end = time.monotonic() + seconds
        wait_until(lambda: self.failures or time.monotonic() >= end, "time to pass", seconds + PATIENCE)

    def rewound(self) -> list[str]:
        """Each time that a router took a revision older than the one it held, for people."""
        return [
            f"{router} went from {kind} {before} to {after}"
            for (router, kind), held in self.revisions.items()
            for before, after in itertools.pairwise(held)
            if before.installation == after.installation and after[1:] < before[1:]
        ]

    def epochs(self, router: PodProcess) -> list[int]:
        """Epochs of the configurations that a router held, in order."""
        return list(dict.fromkeys(held.epoch for held in self.revisions.get((router.name, "config"), ())))

    # -- in the thread -------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            asyncio.run(self._flow())
        except BaseException as error:  # noqa: BLE001 - told in the main thread, by `__exit__` and `wait`
            self._error = error

    async def _flow(self) -> None:
        headers = {"Authorization": f"Bearer {self._key}"}
        async with (
            aiohttp.ClientSession(timeout=TIMEOUT, headers=headers) as session,
            asyncio.TaskGroup() as group,
        ):
            for name, (url, admin) in self._routers.items():
                for kind in _ASKING:
                    group.create_task(self._ask_on(session, name, url, kind))
                group.create_task(self._look_on(session, name, admin))

    async def _ask_on(self, session: aiohttp.ClientSession, name: str, url: str, kind: str) -> None:
        body = {"model": self._model, "messages": [{"role": "user", "content": "Say hello."}]}
        ask = _ASKING[kind]
        while not self._ending.is_set():
            try:
                problem, text = await ask(session, f"{url}/v1/chat/completions", body)
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                problem, text = f"{type(error).__name__}: {error}", ""
            if problem:
                if len(self.failures) < MAX_FAILURES:
                    self.failures.append(f"{kind} through {name}: {problem}")
            else:
                self.answered[name, kind] += 1
                self.texts[text] += 1
            await asyncio.sleep(PAUSE)

    async def _look_on(self, session: aiohttp.ClientSession, name: str, admin: str) -> None:
        while not self._ending.is_set():
            async with session.get(f"{admin}/admin/snapshot") as answer:
                holds: dict[str, str] = (await answer.json())["holds"]
            for kind, revision in holds.items():
                installation, epoch, counter = revision.split(".")
                held = Held(installation, int(epoch), int(counter))
                log = self.revisions.setdefault((name, kind), [])
                if not log or log[-1] != held:
                    log.append(held)
            await asyncio.sleep(LOOK)


async def _plain(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> tuple[str, str]:
    """What was wrong with a plain answer (nothing: complete), and its content."""
    async with session.post(url, json=body) as response:
        if response.status != 200:
            return f"status {response.status}: {(await response.text())[:500]}", ""
        answer = await response.json()
    choice = answer["choices"][0]
    return ("" if choice.get("finish_reason") else "no finish reason"), str(choice["message"]["content"])


async def _stream(session: aiohttp.ClientSession, url: str, body: dict[str, Any]) -> tuple[str, str]:
    """What was wrong with a stream (nothing: finish reason, terminator and no error), and its content."""
    text, finished, done, errors = "", False, False, []
    async with session.post(url, json={**body, "stream": True}) as response:
        if response.status != 200:
            return f"status {response.status}: {(await response.text())[:500]}", ""
        async for line in response.content:
            data = line.strip().removeprefix(b"data: ")
            if not line.startswith(b"data: ") or (done := done or data == b"[DONE]"):
                continue
            event = json.loads(data)
            errors += [event["error"]] if event.get("error") else []
            for choice in event.get("choices", ()):
                text += choice.get("delta", {}).get("content") or ""
                finished = finished or bool(choice.get("finish_reason"))
    bad = f"finished {finished}, terminated {done}, errors {errors}, after {text!r}"
    return ("" if finished and done and not errors else bad), text


_Ask = Callable[[aiohttp.ClientSession, str, dict[str, Any]], Awaitable[tuple[str, str]]]
_ASKING: dict[str, _Ask] = {"plain": _plain, "stream": _stream}
