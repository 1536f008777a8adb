"""`make bench ARGS=gateways`: compares gateways, stores the figures, and writes the tables of the documents anew."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import Field
from rich.console import Console
from tieline_api.commandline import CommandLine, parse

from bench import report
from bench.gateways import run
from bench.gateways.gateways import GATEWAYS
from bench.gateways.targets import OURS
from bench.gateways.workloads import WORKLOADS
from tests.support.tools import Unavailable

QUICK_FACTOR = 0.2


class GatewaySettings(CommandLine):
    """Compare Tieline with other gateways on this machine. Figures are stored and shown, never judged by a test."""

    rounds: int = Field(7, ge=1, le=1000)
    """Rounds over all workloads and gateways; figures are medians over them."""

    quick: bool = False
    """A look in about two minutes: one round, a fifth of the requests, memory of Tieline alone. Not stored."""

    only: list[str] = Field(default_factory=list)
    """Gateways to measure, by name; empty: all of them. A part is shown, but not stored."""

    workloads: list[str] = Field(default_factory=list)
    """Workloads to measure, by key; empty: all of them. A part is shown, but not stored."""

    memory: bool = True
    """Whether memory is measured after the rounds."""

    checkout: Path = report.ROOT
    """Tieline's checkout to measure: another one for a comparison before and after a change. That is not stored."""

    def memory_of(self) -> list[str]:
        """Gateways whose memory is measured."""
        names = self.only or list(GATEWAYS)
        return [name for name in names if self.memory and (not self.quick or name == OURS)]

    def whole(self) -> bool:
        """Whether the figures are those that the documents show."""
        return not (self.quick or self.only or self.workloads or not self.memory or self.checkout != report.ROOT)


def main(arguments: Sequence[str] | None = None) -> int:
    settings = parse(GatewaySettings, arguments, program="bench gateways")
    console = Console(highlight=False, soft_wrap=True)
    unknown = {*settings.only} - {*GATEWAYS} | {*settings.workloads} - {workload.key for workload in WORKLOADS}
    if unknown:
        known = f"gateways: {', '.join(GATEWAYS)}; workloads: {', '.join(workload.key for workload in WORKLOADS)}"
        console.print(f"bench gateways: there is no {', '.join(sorted(unknown))}. There are {known}", markup=False)
        return 2
    before = os.sched_getaffinity(0)
    try:
        found = run.run(
            console,
            names=settings.only or list(GATEWAYS),
            round_count=1 if settings.quick else settings.rounds,
            factor=QUICK_FACTOR if settings.quick else 1.0,
            memory_of=settings.memory_of(),
            keys=settings.workloads,
            checkout=settings.checkout.resolve(),
        )
    except Unavailable as missing:
        console.print(f"bench gateways: {missing.reason.strip()}\nWhat to do: {missing.remedy}.", markup=False)
        return 1
    finally:
        os.sched_setaffinity(0, before)
    if settings.whole():
        run.store(found)
        report.write()
    console.print(report.gateway_tables(found), markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
