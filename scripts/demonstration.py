"""What the demonstrations share: `tieline dev` as a process, single questions, the paid API, and the tables.

Used by scripts/demo.py and scripts/demo_cluster.py; `scripts.traffic` has the many questions. Everything goes through
public surfaces: HTTP, /metrics, the CLI.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from scripts.traffic import CLIENT_TIMEOUT, Tally, events, question
from tests.support.processes import ChildProcess
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[1]
BOUGHT_TEXT = "This answer was bought: your own servers were away."


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


@contextlib.contextmanager
def paid_api(folder: Path, port: int, host: str = "127.0.0.1") -> Iterator[None]:
    """The scripted API that stands for a provider whose tokens cost money. Main thread only."""
    module = [sys.executable, "-m", "tests.support.upstream", "--host", host, "--port", str(port)]
    module += ["--name", "smollm2", "--text", BOUGHT_TEXT]
    process = ChildProcess("paid-api", module, folder / "paid-api.log", cwd=ROOT, environment=os.environ)
    try:

        def up() -> bool | None:
            process.check()
            return "listening on" in process.tail() or None

        wait_until(up, "the scripted API to listen")
        yield
    finally:
        process.stop()


def console_for_people() -> Console:
    """Lines are never broken, and tables get room where there is no terminal to ask for its width."""
    return Console(highlight=False, soft_wrap=True, width=None if sys.stdout.isatty() else 120)


async def ask(
    console: Console, api: str, text: str, *, headers: Mapping[str, str] | None = None, model: str = "small"
) -> dict[str, Any] | None:
    """Asks one plain question and prints the answer with its provider; the answer, or None when it failed."""
    console.print(f"[dim]POST {path_of(api)}[/] {text}")
    async with (
        aiohttp.ClientSession(timeout=CLIENT_TIMEOUT, headers=headers) as session,
        session.post(f"{api}/v1/chat/completions", json=question(text, model=model)) as response,
    ):
        body: dict[str, Any] = await response.json()
    if response.status != 200:
        console.print(f"[red]{response.status}[/] {json.dumps(body)}")
        return None
    console.print(body["choices"][0]["message"]["content"].strip(), markup=False)
    usage = body.get("usage", {})
    tokens = f"{usage.get('prompt_tokens')} + {usage.get('completion_tokens')} tokens"
    console.print(f"[dim]{body['id']}  provider {body.get('provider')}  model {body['model']}  {tokens}[/]")
    return body


async def ask_streaming(console: Console, api: str, text: str, *, headers: Mapping[str, str] | None = None) -> bool:
    """Asks one question and prints the answer as it arrives; whether it arrived whole."""
    console.print(f"[dim]POST {path_of(api)} (stream)[/] {text}")
    whole = False
    async with (
        aiohttp.ClientSession(timeout=CLIENT_TIMEOUT, headers=headers) as session,
        session.post(f"{api}/v1/chat/completions", json=question(text, stream=True)) as response,
    ):
        async for event in events(response):
            if event is None:
                whole = True
                console.print("\n[dim]data: [DONE][/]", markup=True)
                continue
            for choice in event.get("choices", []):
                console.print(choice.get("delta", {}).get("content") or "", end="", markup=False)
    return whole


async def refusal(api: str, model: str, headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Asks what should be refused: status and `error` of the answer, which is empty when it was not refused."""
    async with (
        aiohttp.ClientSession(timeout=CLIENT_TIMEOUT, headers=headers) as session,
        session.post(f"{api}/v1/chat/completions", json=question("Hello.", model=model)) as response,
    ):
        body = await response.json()
        return response.status, body.get("error", {})


def path_of(api: str) -> str:
    """What is asked: the path alone on loopback, where there is one server, else the whole URL."""
    path = "/v1/chat/completions"
    return path if "//127.0.0.1:" in api else f"{api}{path}"


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


def cut_streams(count: int) -> str:
    """What became of streams that no failover can save, for the last line."""
    streams = "1 stream" if count == 1 else f"{count} streams"
    return f"; {streams} that had begun on the killed server ended with an error chunk" if count else ""


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


def cost_table(*admins: str) -> Table:
    """Tokens and cost by pool, from the metrics of routers (their admin URLs) together."""
    tokens: dict[str, Counter[str]] = {}
    spent: dict[str, Decimal] = {}
    for admin in admins:
        for labels, value in samples(admin, "tieline_router_tokens_total").items():
            of = dict(labels)
            tokens.setdefault(of["pool"], Counter())[of["kind"]] += int(value)
        for labels, value in samples(admin, "tieline_router_estimated_cost_usd_total").items():
            pool = dict(labels)["pool"]
            spent[pool] = spent.get(pool, Decimal(0)) + Decimal(str(value))
    table = Table(box=None, pad_edge=False)
    for column in ("pool", "prompt tokens", "completion tokens", "USD", "USD per million"):
        table.add_column(column, justify="left" if column == "pool" else "right")
    for pool, counted in sorted(tokens.items()):
        cost, total = spent.get(pool, Decimal(0)), counted["prompt"] + counted["completion"]
        per_million = f"{cost * 1_000_000 / total:.4f}" if total else ""
        table.add_row(pool, str(counted["prompt"]), str(counted["completion"]), f"{cost:.8f}", per_million)
    return table


def end_like_interrupted() -> None:
    """A signal that asks to end, and a closed terminal, are as good as Ctrl-C: what was started is cleaned up."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupt)


@contextlib.contextmanager
def undisturbed_end() -> Iterator[None]:
    """Ctrl-C ends the play; a second one must not end the clean-up. The last context to enter, the first to leave."""
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
