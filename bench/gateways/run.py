"""The whole comparison: every gateway started once, rounds of all workloads in turns, then memory; stored as
`results/gateways.json`. Called by `python -m bench gateways`."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import figures, machine
from bench.gateways import build, memory, process, rounds, turn
from bench.gateways.stage import NotServing, Running, Stage
from bench.gateways.turn import Failed
from bench.gateways.workloads import WORKLOADS, Workload

DIRECT = "direct"
"""Name of the way without a gateway."""
MEMORY_SECONDS = 75.0
"""What memory takes about for one gateway, for the estimate."""


class Progress:
    """One line per workload and round, with the time that is left by the pace so far."""

    def __init__(self, console: Console, turns: int, closing_seconds: float) -> None:
        self._console = console
        self._turns = turns
        self._closing = closing_seconds
        self._done = 0
        self._started = time.monotonic()

    def turn(self) -> None:
        self._done += 1

    def say(self, text: str) -> None:
        passed = time.monotonic() - self._started
        left = ""
        if self._done:
            minutes = (passed / self._done * (self._turns - self._done) + self._closing) / 60
            left = f"; about {minutes:.0f} min left" if minutes >= 1 else "; less than a minute left"
        self._console.print(f"[{passed:4.0f} s] {text}{left}", markup=False)


class Comparison:
    """Collects turns of all gateways."""

    def __init__(self, stage: Stage, workloads: Sequence[Workload], factor: float, console: Console) -> None:
        self._stage = stage
        self._workloads = workloads
        self._factor = factor
        self._console = console
        self._turns: dict[tuple[str, str], list[rounds.Figures]] = {}
        self._failures: dict[tuple[str, str], list[str]] = {}

    def all_rounds(self, running: dict[str, Running], count: int, progress: Progress) -> None:
        for number in range(count):
            for workload in self._workloads:
                self._workload(running, workload, number, progress)
                progress.say(f"round {number + 1} of {count}, {workload.title}: {self._last(running, workload)}")

    def _workload(self, running: dict[str, Running], workload: Workload, number: int, progress: Progress) -> None:
        direct = self._turn(DIRECT, None, workload)
        progress.turn()
        for name in rounds.rotated(list(running), number):
            one = running[name]
            if one.served[workload.api] is None:
                process.resume(one.child.pid)
                self._turn(name, one, workload, direct)
                process.pause(one.child.pid)
            progress.turn()

    def _turn(
        self, name: str, running: Running | None, workload: Workload, direct: rounds.Figures | None = None
    ) -> rounds.Figures | None:
        share = running.gateway.share if running else 1.0
        target = running.target if running else self._stage.mock._replace(pid=0)
        scaled = self.scaled(workload, share)
        try:
            found = turn.take(self._stage.clients, target, scaled, self._stage.mock.pid)
        except Failed as error:
            self._failures.setdefault((name, workload.key), []).append(str(error))
            return None
        self._turns.setdefault((name, workload.key), []).append(rounds.with_added(found, direct))
        return found

    def scaled(self, workload: Workload, share: float) -> Workload:
        """For this gateway and this run."""
        scaled = workload.scaled(share)
        return scaled.shortened(self._factor) if self._factor < 1 else scaled

    def _last(self, running: dict[str, Running], workload: Workload) -> str:
        words = []
        for name in (DIRECT, *running):
            turns = self._turns.get((name, workload.key))
            if turns and workload.live:
                words.append(f"{name} {turns[-1]['cpu']:.1f} µs an event")
            elif turns:
                words.append(f"{name} {turns[-1]['rps']:,.0f} rps {turns[-1]['cpu']:.0f} µs")
            else:
                words.append(f"{name} n/a")
        return ", ".join(words)

    def results(self, name: str, share: float) -> dict[str, Any]:
        """Of one gateway, by workload."""
        found = {}
        for workload in self._workloads:
            key = (name, workload.key)
            scaled = self.scaled(workload, share)
            if key in self._turns or key in self._failures:
                found[workload.key] = {
                    "title": workload.title,
                    "connections": scaled.connections,
                    "requests": scaled.connections if scaled.live else scaled.requests,
                    "figures": rounds.summary(self._turns.get(key, [])),
                    "failures": self._failures.get(key, []),
                }
        return found


def run(
    console: Console,
    *,
    names: Sequence[str],
    round_count: int,
    factor: float,
    memory_of: Sequence[str],
    keys: Sequence[str],
    checkout: Path,
) -> dict[str, Any]:
    """All figures of the comparison; not stored here.

    Raises:
        Unavailable: no Go, or fewer than two cores.
    """
    where = machine.facts()
    program = build.load_program(console)
    workloads = [workload for workload in WORKLOADS if not keys or workload.key in keys]
    with tempfile.TemporaryDirectory(prefix="tieline-bench-") as folder, contextlib.ExitStack() as ending:
        stage = Stage(Path(folder), program, console, checkout)
        ending.enter_context(stage.open())
        comparison = Comparison(stage, workloads, factor, console)
        found: dict[str, Any] = {"machine": where, "rounds": round_count, "requestsFactor": factor}
        with contextlib.ExitStack() as started:
            running, gateways = _start(stage, names, console, started)
            closing = MEMORY_SECONDS * factor * len([name for name in running if name in memory_of])
            progress = Progress(console, round_count * len(workloads) * (len(running) + 1), closing)
            comparison.all_rounds(running, round_count, progress)
            for name, one in running.items():
                gateways[name] |= {"workloads": comparison.results(name, one.gateway.share)}
        found |= {DIRECT: comparison.results(DIRECT, 1.0), "gateways": gateways}
        for name, one in running.items():
            if name in memory_of:
                console.print(f"memory of {name}")
                gateways[name]["memory"] = _memory(stage, one, factor, console)
    return found


def _start(
    stage: Stage, names: Sequence[str], console: Console, ending: contextlib.ExitStack
) -> tuple[dict[str, Running], dict[str, dict[str, Any]]]:
    """Every gateway that serves something, each stopped until its turn; and what is known of all of them."""
    running: dict[str, Running] = {}
    known: dict[str, dict[str, Any]] = {}
    for name in names:
        try:
            gateway = stage.prepare(name)
            one = ending.enter_context(stage.running(gateway))
        except NotServing as error:
            console.print(f"{name}: n/a, {error}", markup=False)
            known[name] = {"unavailable": str(error)}
            continue
        process.pause(one.child.pid)
        running[name] = one
        known[name] = {
            "title": gateway.title,
            "version": gateway.version,
            "share": gateway.share,
            "served": one.served,
        }
        missing = [f"{api} ({reason})" for api, reason in one.served.items() if reason]
        console.print(f"{name} {gateway.version} serves; n/a: {', '.join(missing) or 'nothing'}", markup=False)
    return running, known


def _memory(stage: Stage, one: Running, factor: float, console: Console) -> dict[str, Any]:
    try:
        return memory.take(stage, one.gateway, factor, lambda text: console.print(f"  {text}", markup=False))
    except NotServing as error:
        return {"failures": [str(error)]}


def store(found: dict[str, Any]) -> Path:
    return figures.store("gateways", found)
