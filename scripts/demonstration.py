"""What the demonstrations share: `tieline dev` as a process, questions over real HTTP, traffic, and the tables.

Used by scripts/demo.py and scripts/demo_cluster.py. Everything goes through public surfaces: HTTP, /metrics, the CLI.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tests.support.processes import ChildProcess
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[1]
MAX_TOKENS = 32
WORKERS = 6
CLIENT_TIMEOUT = aiohttp.ClientTimeout(total=120)


@dataclass(frozen=True)
class DevServer:
    """A running `tieline dev`: base URLs of API and admin API, and what it said when it was ready."""

    api: str
    admin: str
    banner: str

    def explain(self, model: str) -> dict[str, Any]:
        """The decision of the running router about a request for `model`."""
        with urllib.request.urlopen(f"{self.admin}/admin/explain?model={model}", timeout=5) as answer:  # noqa: S310
            decision: dict[str, Any] = json.load(answer)
        return decision


@contextlib.contextmanager
def dev_server(folder: Path, env_file: Path, logs: Path) -> Iterator[DevServer]:
    """Starts `tieline dev FOLDER` on free ports, waits until it serves, and ends it."""
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "110"}
    command = [sys.executable, "-m", "tieline_cli", "dev", str(folder), "--env-file", str(env_file)]
    command += ["--port", "0", "--admin-port", "0", "--log-level", "warning"]
    process = ChildProcess("tieline-dev", command, logs / "tieline-dev.log", cwd=ROOT, environment=environment)
    try:

        def serving() -> dict[str, str] | None:
            process.check()
            words = [line.split() for line in process.tail(200).splitlines()]
            found = {line[0]: line[-1] for line in words if line and line[-1].startswith("http://")}
            return found if {"API", "Admin"} <= found.keys() else None

        addresses = wait_until(serving, "tieline dev to serve")
        banner = process.tail(200)
        yield DevServer(addresses["API"], addresses["Admin"], banner)
    finally:
        process.stop()


def question(text: str, *, stream: bool = False) -> dict[str, Any]:
    return {
        "model": "small",
        "messages": [{"role": "user", "content": text}],
        "max_tokens": MAX_TOKENS,
        "temperature": 0,
        **({"stream": True, "stream_options": {"include_usage": True}} if stream else {}),
    }


async def ask(console: Console, api: str, text: str) -> bool:
    """Asks one plain question and prints the answer with its provider; False when it failed."""
    async with (
        aiohttp.ClientSession(timeout=CLIENT_TIMEOUT) as session,
        session.post(f"{api}/v1/chat/completions", json=question(text)) as response,
    ):
        body = await response.json()
    console.print(f"[dim]POST /v1/chat/completions[/] {text}")
    if response.status != 200:
        console.print(f"[red]{response.status}[/] {json.dumps(body)}")
        return False
    console.print(body["choices"][0]["message"]["content"].strip(), markup=False)
    usage = body.get("usage", {})
    tokens = f"{usage.get('prompt_tokens')} + {usage.get('completion_tokens')} tokens"
    console.print(f"[dim]{body['id']}  provider {body.get('provider')}  model {body['model']}  {tokens}[/]")
    return True


async def ask_streaming(console: Console, api: str, text: str) -> None:
    """Asks one question and prints the answer as it arrives."""
    console.print(f"[dim]POST /v1/chat/completions (stream)[/] {text}")
    async with (
        aiohttp.ClientSession(timeout=CLIENT_TIMEOUT) as session,
        session.post(f"{api}/v1/chat/completions", json=question(text, stream=True)) as response,
    ):
        async for event in events(response):
            if event is None:
                console.print("\n[dim]data: [DONE][/]", markup=True)
                continue
            for choice in event.get("choices", []):
                console.print(choice.get("delta", {}).get("content") or "", end="", markup=False)


async def events(response: aiohttp.ClientResponse) -> Any:
    """The JSON of each event of a stream; None for `[DONE]`."""
    async for line in response.content:
        text = line.decode().strip()
        if not text.startswith("data: "):
            continue
        data = text.removeprefix("data: ")
        yield None if data == "[DONE]" else json.loads(data)


@dataclass
class Tally:
    """What the clients saw. `stream_cut`: streams that had begun and ended with an error chunk, as promised."""

    killed: bool = False
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


@dataclass(frozen=True)
class Accident:
    """Ends a provider in mid-traffic: once `after` requests are answered and a stream of `provider` has begun."""

    provider: str
    after: int
    kill: Callable[[], None]


async def traffic(
    console: Console, api: str, requests: int, accident: Accident, *, headers: Mapping[str, str] | None = None
) -> Tally:
    """Sends `requests` questions, half of them streams, and lets the accident happen meanwhile."""
    tally, left = Tally(), iter(range(requests))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("requests", total=requests)

        def begun(provider: str) -> None:
            if provider == accident.provider and tally.answered >= accident.after and not tally.killed:
                tally.killed = True
                accident.kill()

        async def worker(session: aiohttp.ClientSession) -> None:
            for number in left:
                text = f"Say something about the number {number}."
                if number % 2:
                    await _one_stream(session, api, text, tally, begun)
                else:
                    await _one_plain(session, api, text, tally)
                progress.advance(task)

        async with aiohttp.ClientSession(timeout=CLIENT_TIMEOUT, headers=headers) as session:
            await asyncio.gather(*(worker(session) for _ in range(WORKERS)))
    return tally


async def _one_plain(session: aiohttp.ClientSession, api: str, text: str, tally: Tally) -> None:
    async with session.post(f"{api}/v1/chat/completions", json=question(text)) as response:
        body = await response.json()
    if response.status == 200 and body["choices"][0].get("finish_reason"):
        tally.plain_ok += 1
        tally.providers[body.get("provider") or "?"] += 1
    else:
        tally.plain_failed += 1
        tally.failures.append(json.dumps(body)[:300])


async def _one_stream(
    session: aiohttp.ClientSession, api: str, text: str, tally: Tally, on_begun: Callable[[str], None]
) -> None:
    begun = finished = False
    error = provider = None
    async with session.post(f"{api}/v1/chat/completions", json=question(text, stream=True)) as response:
        async for event in events(response):
            if event is None:
                finished = True
                continue
            error = event.get("error") or error
            provider = event.get("provider") or provider
            if any(choice.get("delta", {}).get("content") for choice in event.get("choices", [])):
                begun = True
                on_begun(provider or "?")
    if finished and not error:
        tally.stream_ok += 1
        tally.providers[provider or "?"] += 1
    elif begun and error and not finished:
        tally.stream_cut += 1
    else:
        tally.stream_failed += 1
        tally.failures.append(f"stream: status {response.status}, begun {begun}, error {error}")


def tally_table(tally: Tally) -> Table:
    """The tally for people."""
    table = Table(box=None, pad_edge=False)
    for column in ("", "answered", "lost", "ended with an error chunk"):
        table.add_column(column, justify="left" if not column else "right")
    table.add_row("plain", str(tally.plain_ok), str(tally.plain_failed), "")
    table.add_row("streams", str(tally.stream_ok), str(tally.stream_failed), str(tally.stream_cut))
    for provider, count in sorted(tally.providers.items()):
        table.add_row(f"  by {provider}", str(count), "", "")
    for failure in tally.failures[:3]:
        table.add_row(f"[red]{failure}[/]")
    return table


def samples(admin: str, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """The samples of one metric family of a router, by their labels."""
    with urllib.request.urlopen(f"{admin}/metrics", timeout=5) as answer:  # noqa: S310 - our own router on loopback
        text = answer.read().decode()
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name
    }


def cost_table(admin: str) -> Table:
    """Tokens and cost by pool, from the router's metrics."""
    rows: dict[str, Counter[str]] = {}
    for labels, value in samples(admin, "tieline_router_tokens_total").items():
        of = dict(labels)
        rows.setdefault(of["pool"], Counter())[of["kind"]] += int(value)
    cost: Counter[str] = Counter()
    for labels, value in samples(admin, "tieline_router_estimated_cost_usd_total").items():
        cost[dict(labels)["pool"]] += value  # type: ignore[assignment]
    table = Table(box=None, pad_edge=False)
    for column in ("pool", "prompt tokens", "completion tokens", "USD", "USD per million"):
        table.add_column(column, justify="left" if column == "pool" else "right")
    for pool, tokens in sorted(rows.items()):
        spent = Decimal(str(cost[pool]))
        total = tokens["prompt"] + tokens["completion"]
        per_million = f"{spent * 1_000_000 / total:.4f}" if total else ""
        table.add_row(pool, str(tokens["prompt"]), str(tokens["completion"]), f"{spent:.8f}", per_million)
    return table
