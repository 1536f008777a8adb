"""`make bench`: measures, prints, stores under bench/results/, and writes the tables of the documents anew."""

from __future__ import annotations

import sys
from typing import Literal

from pydantic import Field
from rich.console import Console
from tieline_api.commandline import CommandLine, parse

from bench import budget, edits, report, scale
from bench.gateways import __main__ as gateways
from tests.support import netns
from tests.support.control_plane.build import binaries
from tests.support.tools import Unavailable, kubectl_path


class Settings(CommandLine):
    """Measure Tieline on this machine. Figures are stored and shown, never judged."""

    only: Literal["all", "edits", "scale"] = "all"
    """What to measure: edits through a real API server, or the pure functions with 2,000 routes; all: those, the
    comparison of gateways and the budget of a request. The last two have commands of their own: `bench gateways`,
    `bench budget`."""

    edits: int = Field(50, ge=1, le=10_000)
    """Edits to time."""

    rounds: int = Field(5, ge=1, le=1000)
    """Outages of the API server, kills of the operator, and repetitions of what runs in this process."""

    outage_seconds: float = Field(20.0, ge=0, le=3600)
    """How long the API server stays away in each outage."""


def main() -> int:
    if sys.argv[1:2] == ["gateways"]:
        return gateways.main(sys.argv[2:])
    if sys.argv[1:] == ["budget"]:
        return budget.main()
    settings = parse(Settings, program="bench")
    console = Console(highlight=False, soft_wrap=True)
    try:
        if settings.only == "all":
            budget.run()
            if status := gateways.main([]):  # before the network namespace, which reaches no package index
                return status
        if settings.only != "edits":
            scale.run(console, rounds=settings.rounds)
        if settings.only != "scale":
            kubectl_path()
            binaries()
            netns.enter()
            edits.run(console, edits=settings.edits, rounds=settings.rounds, outage_seconds=settings.outage_seconds)
    except Unavailable as missing:
        console.print(f"make bench: {missing.reason.strip()}\nWhat to do: {missing.remedy}.", markup=False)
        return 1
    report.write()
    console.print(report.tables(), markup=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
