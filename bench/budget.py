"""What one request costs on top of the relay, part by part, in this process: the budget of docs/performance.md.

The parts are the router's own functions, called as it calls them, on the configuration of the comparison of gateways.
What is not built yet has no figure. Stored as `results/budget.json`. Called by `python -m bench budget`.
"""

from __future__ import annotations

import hashlib
import random
import sys
import tempfile
import time
import timeit
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from rich.console import Console
from tieline_router.apis import CHAT
from tieline_router.routing.attempts import Attempt, Attempts
from tieline_router.routing.callers import Caller, authenticate
from tieline_router.routing.decide import decide
from tieline_router.routing.live import LiveTable
from tieline_router.routing.offers import Offer
from tieline_router.routing.table import RoutingTable, compile_table
from tieline_router.runtime.interceptors import presented_key
from tieline_router.runtime.settlement import cost_of
from tieline_router.runtime.state_file import load, read_seal
from tieline_router.streaming.usage import Usage
from tieline_router.telemetry import logs
from tieline_router.telemetry.metrics import Metrics, StateSample
from tieline_router.wire.attempt import attempt_body
from tieline_router.wire.request import ApiRequest, read_request

from bench import figures, machine, report
from bench.gateways import own

CALLS = 5000
REPETITIONS = 7
NOW = 1_760_000_000.0
BODY = msgspec.json.encode(
    {
        "model": "bench",
        "messages": [{"role": "system", "content": "You are terse."}, {"role": "user", "content": "word " * 180}],
        "temperature": 0.5,
        "stream": True,
    }
)
"""About 1 KB."""


class Part(NamedTuple):
    """One line of the budget. `step` None: not built yet."""

    key: str
    text: str
    budget: float
    """Microseconds."""
    step: Callable[[], object] | None


class Parts:
    """The router's pure parts, put together as the process does it."""

    def __init__(self, table: RoutingTable, live: LiveTable) -> None:
        self._table = table
        self._live = live
        self._draw = random.Random(1).random
        self._metrics = Metrics(StateSample)
        self._usage = Usage(prompt=200, completion=100)
        self._asked = self.read()
        self._caller = self.key()
        self._decision = decide(self._asked.view, self._caller, table, live, NOW, self._draw)
        self._offer = self.admit()

    def read(self) -> ApiRequest:
        return read_request(CHAT, BODY, "openai")

    def key(self) -> Caller:
        key = presented_key(f"Bearer {own.KEY}", None) or ""
        caller = authenticate(self._table, hashlib.sha256(key.encode()).hexdigest(), NOW, required=True)
        if not isinstance(caller, Caller):
            raise TypeError(f"the benchmark's key is refused: {caller}")
        return caller

    def body_and_key(self) -> None:
        asked = self.read()
        self.key()
        attempt_body(asked, CHAT, "bench", ask_usage=True, identity_salt=None)

    def decide(self) -> None:
        self._decision = decide(self._asked.view, self._caller, self._table, self._live, NOW, self._draw)

    def admit(self) -> Offer:
        attempt = Attempts(self._decision, self._live, self._draw, NOW).next(NOW)
        if not isinstance(attempt, Attempt):
            raise TypeError(f"nobody to ask: {attempt}")
        lease = self._live.begin(attempt.endpoint, attempt.offer, attempt.credential, NOW, attempt.ticket)
        self._live.end(lease, None, NOW)
        return attempt.offer

    def meter(self) -> None:
        cost = cost_of(self._offer, NOW, self._usage)
        self._metrics.usage(self._offer.pool.key, self._usage, cost.total if cost else 0.0)

    def record(self) -> None:
        pool = self._offer.pool.key
        self._metrics.attempt(pool, None)
        self._metrics.first_token("bench/bench", 0.2)
        self._metrics.request("bench/bench", None, stream=True, seconds=1.0)
        logs.log_request(
            logs.RequestLine(
                generation="gen-0123456789abcdef0123456789",
                outcome="ok",
                status=200,
                path="/v1/chat/completions",
                stream=True,
                consumer="bench/consumer-0000",
                key="main",
                route="bench/bench",
                model="bench",
                answered_by=pool,
                attempts=(f"{pool} 127.0.0.1:8000 ok",),
                prompt_tokens=200,
                completion_tokens=100,
                cost_usd=0.0003,
                first_token_ms=200.0,
                ms=1000.0,
            )
        )

    def listed(self) -> list[Part]:
        return [
            Part("body", "body and key: read 1 KB, find the key, write the provider's body", 3, self.body_and_key),
            Part("decide", "decide", 3, self.decide),
            Part("admission", "admission and breakers: the first attempt is chosen, begins and ends", 1, self.admit),
            Part("records", "metrics, and the log line written to a file", 2, self.record),
            Part("metering", "metering: price and counts (no reservation, no journal yet)", 3, self.meter),
            Part("spans", "spans", 2, None),
        ]  # fmt: skip


def parts(folder: Path) -> Parts:
    """On the configuration of the comparison of gateways, read from its files as the router does."""
    certificate = folder / "mock.pem"
    certificate.write_text("")
    files = own.write(folder, 8000, 8001, certificate)
    saved = load(files.state, read_seal(files.key))
    if saved.config is None or saved.endpoints is None or saved.secrets is None:
        raise ValueError(f"the configuration cannot be read: {saved.problems}")
    table = compile_table(saved.config.config)
    live = LiveTable()
    live.apply_config(table)
    live.apply_endpoints(saved.endpoints.pools, NOW)
    live.apply_secrets({name: value.version for name, value in saved.secrets.values.items()})
    return Parts(table, live)


def measure(part: Part) -> float | None:
    """Microseconds of CPU: the best of several repetitions, because everything else only adds."""
    if part.step is None:
        return None
    part.step()
    return round(
        min(timeit.repeat(part.step, timer=time.process_time, number=CALLS, repeat=REPETITIONS)) / CALLS * 1e6, 2
    )


def run() -> Mapping[str, Any]:
    """All figures of this file, stored as `results/budget.json`."""
    where = machine.facts()
    with tempfile.TemporaryDirectory(prefix="tieline-budget-") as name:
        folder = Path(name)
        with (folder / "log").open("w") as log:
            logs.configure("info", "json", log)
            listed = parts(folder).listed()
            found = {
                "machine": where,
                "bodyBytes": len(BODY),
                "parts": {
                    part.key: {"text": part.text, "budgetMicros": part.budget, "micros": measure(part)}
                    for part in listed
                },
            }
    figures.store("budget", found)
    return found


def main() -> int:
    run()
    report.write()
    Console(highlight=False, soft_wrap=True).print(report.budget(), markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
