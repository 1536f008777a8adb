"""The stored figures as Markdown, and the documents that show them: `python -m bench.report` writes both anew.

A document takes a table between the marks `<!-- bench: NAME -->` and `<!-- end of bench -->`. A test proves that the
documents say what is stored. Reads `bench/results/`; measures nothing.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bench import figures
from bench.gateways import tables as gateways

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "performance.md")
PLACE = re.compile(r"(?P<begin><!-- bench: (?P<name>\w+) -->\n).*?(?P<end><!-- end of bench -->)", re.DOTALL)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _seconds(found: dict[str, Any], *names: str) -> list[str]:
    return [f"{found[name]:.2f} s" for name in names]


def _milliseconds(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"


def edits() -> str:
    """From `kubectl apply` to both routers."""
    found = figures.load("edits")["edits"]
    rows = [
        ["`kubectl apply` → the API server's answer", *_seconds(found["applyToAnswer"], "p50", "p99")],
        ["`kubectl apply` → served by both routers", *_seconds(found["applyToLive"], "p50", "p99")],
        ["`kubectl apply` → acknowledged in the route's status", *_seconds(found["applyToAcked"], "p50", "p99")],
        ["the API server's answer → served by both routers", *_seconds(found["answerToLive"], "p50", "p99")],
        ["the API server's answer → acknowledged in the status", *_seconds(found["answerToAcked"], "p50", "p99")],
    ]
    return table([f"{found['count']} edits, {figures.load('edits')['routers']} routers", "p50", "p99"], rows)


def recovery() -> str:
    """Until edits work again."""
    found = figures.load("edits")
    outages, kills = found["outages"], found["kills"]
    away = f"API server away for {outages['outageSeconds']:.0f} s: from its readiness to the first edit acknowledged"
    rows = [
        [away, *_seconds(outages["readyToAcked"], "p50", "max")],
        ["operator killed with -9: from its start to the first edit acknowledged",
         *_seconds(kills["startToAcked"], "p50", "max")],
    ]  # fmt: skip
    return table([f"{outages['rounds']} rounds each", "p50", "max"], rows)


STEPS = {
    "gather": "operator: objects of the API server → the input of decisions",
    "evaluate": "operator: every object judged",
    "compile": "operator: content of the frames",
    "encode": "operator: hash and JSON of the configuration",
    "decode": "router: JSON read and checked",
    "table": "router: look-ups, with what did not change reused",
}


def scale() -> str:
    """What much configuration costs."""
    found = figures.load("scale")
    rows = [[text, *(_milliseconds(found[part][step]) for part in ("full", "edit"))] for step, text in STEPS.items()]
    rows.append(["together", *(_milliseconds(sum(found[part].values())) for part in ("full", "edit"))])
    head = f"{found['routes']:,} routes, {found['keys']:,} keys, {found['pools']} pools"
    return table([f"{head} ({found['configBytes'] / 1e6:.1f} MB)", "at a start", "one edit"], rows)


def summary() -> str:
    """The few lines for the README."""
    found, large = figures.load("edits"), figures.load("scale")
    edit, outages, kills = found["edits"], found["outages"], found["kills"]
    head = f"{large['routes']:,} routes and {large['keys']:,} keys, one edit: judged, compiled, encoded and taken over"
    rows = [
        ["an edit, from `kubectl apply` to both routers", *_seconds(edit["applyToAcked"], "p50", "p99")],
        [f"API server back after {outages['outageSeconds']:.0f} s, to the first edit on both routers",
         *_seconds(outages["readyToAcked"], "p50", "max")],
        ["operator started after kill -9, to the first edit on both routers",
         *_seconds(kills["startToAcked"], "p50", "max")],
        [head, f"{sum(large['edit'].values()):.2f} s", ""],
    ]  # fmt: skip
    return table(["", "p50", "p99 or max"], rows)


def machine() -> str:
    """Where the figures come from."""
    lines = []
    for name, what in (("gateways", "Gateways"), ("edits", "Edits and recovery"), ("scale", "Scale")):
        of = figures.load(name)["machine"]
        packages = ", ".join(f"{package} {version}" for package, version in of["packages"].items())
        lines.append(
            f"{what}: {of['date'][:10]}, commit `{of['commit']}`, {of['cores']} cores of {of['processor']}, "
            f"{of['memoryGiB']} GiB, Linux {of['kernel']}, Python {of['python']}, Kubernetes {of['kubernetes']}; "
            f"{packages}. Load of the machine before: {of['load']}.\n"
        )
    return "\n".join(lines)


def gateway_tables(found: dict[str, Any]) -> str:
    """The comparison of gateways in full, from these figures: its targets come last."""
    parts = (gateways.cpu, gateways.live, gateways.throughput, gateways.latency, gateways.memory, gateways.judged)
    return "\n".join([*(part(found, table) for part in parts), gateways.notes(found)])


def _gateways(part: Callable[[dict[str, Any], gateways.Table], str]) -> Callable[[], str]:
    return lambda: part(figures.load("gateways"), table)


def budget() -> str:
    """What a request costs on top of the relay, in this process."""
    found = figures.load("budget")["parts"].values()
    rows = [
        [
            part["text"],
            "not built" if part["micros"] is None else f"{part['micros']:.1f}",
            f"{part['budgetMicros']:.0f}",
        ]
        for part in found
    ]
    measured = sum(part["micros"] or 0 for part in found)
    rows.append(["together", f"{measured:.1f}", f"{sum(part['budgetMicros'] for part in found):.0f}"])
    return table(["µs of CPU per request, on top of the relay", "measured", "budget"], rows)


PARTS: dict[str, Callable[[], str]] = {
    "gateways": _gateways(gateways.short),
    "gateways_cpu": _gateways(gateways.cpu),
    "gateways_live": _gateways(gateways.live),
    "gateways_throughput": _gateways(gateways.throughput),
    "gateways_latency": _gateways(gateways.latency),
    "gateways_memory": _gateways(gateways.memory),
    "gateways_targets": _gateways(gateways.judged),
    "gateways_notes": lambda: gateways.notes(figures.load("gateways")),
    "summary": summary,
    "budget": budget,
    "edits": edits,
    "recovery": recovery,
    "scale": scale,
    "machine": machine,
}


SHORT = ("summary", "gateways")
"""Parts that only repeat others, for the README."""


def filled(text: str) -> str:
    """A document with every table as the stored figures have it."""
    return PLACE.sub(lambda place: f"{place['begin']}\n{PARTS[place['name']]()}\n{place['end']}", text)


def tables() -> str:
    """All of it, for a terminal."""
    return "\n".join(part() for name, part in PARTS.items() if name not in SHORT)


def write() -> None:
    """Bring the documents to what is stored."""
    for path in DOCUMENTS:
        text = path.read_text()
        if (fresh := filled(text)) != text:
            path.write_text(fresh)


def main() -> int:
    write()
    print(tables())
    return 0


if __name__ == "__main__":
    sys.exit(main())
