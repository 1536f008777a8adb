"""One turn of load: the clients run on their core while the CPU time of the gateway is read from outside.

Nothing but a whole answer counts: one error of any client fails the turn. Used by `run` and `memory`.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.gateways import process
from bench.gateways.workloads import EVENTS_PER_SECOND, LIVE_BEFORE, LIVE_SECONDS, PATHS, Api, Workload

SETTLE_SECONDS = LIVE_BEFORE - 1.0
"""After the last of the live streams was opened; opening takes a second."""
PATIENCE_SECONDS = 90
MICRO = 1e6


class Failed(Exception):
    """A turn whose figures are worth nothing: a request failed, or the load did not come to its end."""


class Target(NamedTuple):
    """Where the clients go. `pid` 0: straight to the mock."""

    port: int
    pid: int = 0
    key: str = ""
    models: Mapping[Api, str] = {}

    def model(self, api: Api) -> str:
        return self.models.get(api, "bench")


class Clients:
    """The load program on its core, as one process per turn."""

    def __init__(self, program: Path, core: int, log: Path) -> None:
        self._program = program
        self._core = core
        self._log = log

    @contextlib.contextmanager
    def started(self, words: Sequence[str]) -> Iterator[Conversation]:
        with self._log.open("ab") as log, process.pinned(self._core):
            running = subprocess.Popen(
                [self._program, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
            )
        try:
            yield Conversation(running, self._log)
        finally:
            running.kill()
            running.wait()
            for pipe in (running.stdin, running.stdout):
                if pipe is not None:
                    with contextlib.suppress(OSError):
                        pipe.close()


class Conversation:
    """Lines to and from the load program."""

    def __init__(self, running: subprocess.Popen[str], log: Path) -> None:
        if running.stdin is None or running.stdout is None:
            raise TypeError("a conversation needs pipes")
        self._input, self._output = running.stdin, running.stdout
        self._log = log
        self.pid = running.pid

    def hear(self) -> dict[str, Any]:
        """The next line; it comes, because the program has time limits of its own.

        Raises:
            Failed: the program ended.
        """
        line = self._output.readline()
        if not line:
            tail = self._log.read_text(errors="replace").strip().splitlines()[-1:]
            raise Failed(f"the clients ended: {' '.join(tail)}")
        found: dict[str, Any] = json.loads(line)
        if found.get("errors"):
            raise Failed(f"{found['errors']} failed: {found['examples'][0][:300]}")
        return found

    def go_on(self) -> None:
        self._input.write("\n")
        self._input.flush()


def words(target: Target, workload: Workload) -> list[str]:
    """The command line of the clients for a workload."""
    found = ["run", "-target", f"127.0.0.1:{target.port}", "-api", workload.api, "-model", target.model(workload.api)]
    found += ["-path", PATHS[workload.api], "-connections", str(workload.connections)]
    found += ["-timeout", f"{PATIENCE_SECONDS}s", "-body", str(workload.body), "-events", str(workload.events)]
    if target.key:
        found += ["-key", target.key]
    if workload.stream:
        found.append("-stream")
    if workload.live:
        return [
            *found,
            "-live",
            f"{LIVE_SECONDS}s",
            "-settle",
            f"{SETTLE_SECONDS}s",
            "-interval",
            str(round(MICRO / EVENTS_PER_SECOND)),
        ]
    found += ["-requests", str(workload.requests), "-warm-up", str(workload.warm_up), "-most", f"{workload.most}s"]
    return [*found, "-rate", str(workload.rate)] if workload.rate else found


def take(clients: Clients, target: Target, workload: Workload, mock: int) -> dict[str, float]:
    """One turn: figures by name, times in microseconds.

    Raises:
        Failed: a request failed or did not end.
    """
    with clients.started(words(target, workload)) as conversation:
        conversation.hear()
        before, mock_before = _spent(target.pid), _spent(mock)
        conversation.go_on()
        ended = conversation.hear()
        spent, mock_spent = _spent(target.pid) - before, _spent(mock) - mock_before
        if ended.get("endedWithin") or ended.get("endedBefore"):
            raise Failed("streams ended before the window was over")
        return figures(conversation.hear(), spent, mock_spent, workload)


def _spent(pid: int) -> float:
    return process.cpu_seconds(pid) if pid else 0.0


def figures(result: dict[str, Any], spent: float, mock_spent: float, workload: Workload) -> dict[str, float]:
    """What is kept of one turn."""
    seconds = float(result["seconds"])
    units = result["events"] if workload.live else result["requests"]
    found = {
        "cpu": spent / units * MICRO,
        "gatewayCore": spent / seconds,
        "loadCore": (result["clientSeconds"] + mock_spent) / seconds,
    }
    if workload.live:
        return found | {
            "eventsPerSecond": units / seconds,
            "delayP50": result["delay"]["p50"],
            "delayP99": result["delay"]["p99"],
        }
    found |= {
        "requests": float(units),
        "rps": result["rps"],
        "p50": result["latency"]["p50"],
        "p99": result["latency"]["p99"],
    }
    if workload.stream:
        found |= {"firstTokenP50": result["firstToken"]["p50"], "firstTokenP99": result["firstToken"]["p99"]}
    return found
