"""The comparison's figures as Markdown. Pure; called by `bench.report`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from bench.gateways import targets
from bench.gateways.targets import KILOBYTE, MEGABYTE, Found
from bench.gateways.workloads import WORKLOADS, Workload

Table = Callable[[Sequence[str], Sequence[Sequence[str]]], str]
"""`report.table`: head and rows → Markdown."""

NONE = "n/a"
FAILED = "failed"


def number(value: float, unit: str = "") -> str:
    """With as many digits as mean something."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{text} {unit}".strip()


def names(found: Found) -> list[str]:
    return list(found["gateways"])


def heads(found: Found) -> list[str]:
    """Gateways with their versions."""
    known = found["gateways"].items()
    return [f"{one.get('title', name)} {one.get('version', '')}".strip() for name, one in known]


def cell(one: dict[str, Any], name: str, scale: float = 1.0, *, spread: bool = True) -> str:
    """A median with least and greatest; why there is none."""
    if one.get("failures"):
        return FAILED
    figure = one.get("figures", {}).get(name)
    if figure is None:
        return NONE
    middle = number(figure["median"] / scale)
    if not spread or figure["min"] == figure["max"]:
        return middle
    return f"{middle} ({number(figure['min'] / scale)}–{number(figure['max'] / scale)})"


def _of(found: Found, gateway: str, workload: str) -> dict[str, Any]:
    one: dict[str, Any] = found["gateways"][gateway].get("workloads", {}).get(workload, {})
    return one


def by_gateway(
    found: Found, workloads: Sequence[Workload], name: str, scale: float = 1.0, *, spread: bool = True
) -> list[list[str]]:
    return [
        [
            workload.title,
            *(cell(_of(found, gateway, workload.key), name, scale, spread=spread) for gateway in names(found)),
        ]
        for workload in workloads
        if workload.key in found["direct"]
    ]


def _closed() -> list[Workload]:
    return [workload for workload in WORKLOADS if not workload.live and not workload.rate]


def _paced() -> list[Workload]:
    return [
        workload for workload in WORKLOADS if workload.rate or workload.connections == 1 or workload.key == "chat-32"
    ]


def cpu(found: Found, table: Table) -> str:
    rows = by_gateway(found, _closed(), "cpu")
    return table(["gateway's CPU per request, µs", *heads(found)], rows)


def throughput(found: Found, table: Table) -> str:
    rows = by_gateway(found, _closed(), "rps")
    for row, workload in zip(rows, (one for one in _closed() if one.key in found["direct"]), strict=True):
        row.append(cell(found["direct"][workload.key], "rps"))
    return table(["requests per second", *heads(found), "no gateway"], rows)


def live(found: Found, table: Table) -> str:
    """CPU per event, events that came, and how late."""
    shown: list[list[str]] = []
    for workload in (one for one in WORKLOADS if one.live and one.key in found["direct"]):
        for title, name, scale in (
            ("CPU per event, µs", "cpu", 1.0),
            ("events per second", "eventsPerSecond", 1.0),
            ("added delay of an event, p50, ms", "addedDelayP50", 1000.0),
            ("added delay of an event, p99, ms", "addedDelayP99", 1000.0),
        ):
            cells = [cell(_of(found, gateway, workload.key), name, scale) for gateway in names(found)]
            shown.append([f"{workload.connections} streams: {title}", *cells])
    return table(["live streams, 50 events/s each", *heads(found)], shown)


def latency(found: Found, table: Table) -> str:
    rows = []
    for title, name in (("p50", "addedP50"), ("p99", "addedP99")):
        rows += [[f"{row[0]}: {title}", *row[1:]] for row in by_gateway(found, _paced(), name, 1000)]
    sse = [workload for workload in WORKLOADS if workload.key == "single-sse"]
    for title, name in (("p50", "addedFirstTokenP50"), ("p99", "addedFirstTokenP99")):
        rows += [[f"{row[0]}: first token, {title}", *row[1:]] for row in by_gateway(found, sse, name, 1000)]
    return table(["added to the direct way, ms", *heads(found)], rows)


def memory(found: Found, table: Table) -> str:
    def row(title: str, scale: float, unit: str, *path: str) -> list[str]:
        values = [targets.memory(found, gateway, *path) for gateway in names(found)]
        return [title, *(NONE if value is None else number(value / scale, unit) for value in values)]

    rows = [
        row("idle, after a request of each API", MEGABYTE, "MB", "idleBytes"),
        row("per open stream", KILOBYTE, "KB", "streams", "bytesPerStream"),
        row("per open stream, TLS to the provider", KILOBYTE, "KB", "tlsStreams", "bytesPerStream"),
        ["after the soak", *(_after_soak(found, gateway) for gateway in names(found))],
        row("growth per 1,000 requests, second half of the soak", KILOBYTE, "KB", "soak", "bytesPerThousandRequests"),
    ]
    return table(["resident memory", *heads(found)], rows)


def _after_soak(found: Found, gateway: str) -> str:
    soak = found["gateways"][gateway].get("memory", {}).get("soak")
    if soak is None:
        return NONE
    return f"{number(soak['samples'][-1]['bytes'] / MEGABYTE, 'MB')} ({soak['requests']:,} requests)"


def judged(found: Found, table: Table) -> str:
    """The targets with their verdicts."""
    rows = []
    for row in targets.rows(found):
        limit = NONE if row.limit is None else f"{'≥' if row.at_least else '≤'} {number(row.limit, row.unit)}"
        rows.append([row.text, NONE if row.figure is None else number(row.figure, row.unit), limit, row.verdict])
    return table(["target", "Tieline", "limit", "verdict"], rows)


def short(found: Found, table: Table) -> str:
    """The few lines for the README."""
    rows = [
        _row(found, "chat, plain: CPU per request, µs", "chat-plain", "cpu"),
        _row(found, "chat, plain: requests per second and core", "chat-plain", "rps"),
        _row(found, "messages, SSE: CPU per request, µs", "messages-sse", "cpu"),
        _row(found, "200 live streams: CPU per event, µs", "live-200", "cpu"),
        _row(found, "added latency at 2,000 requests/s, p50, ms", "paced-32", "addedP50", 1000),
        _row(found, "the same, p99, ms", "paced-32", "addedP99", 1000),
    ]
    for title, scale, path in (
        ("resident memory, idle, MB", MEGABYTE, ("idleBytes",)),
        ("resident memory per open stream, KB", KILOBYTE, ("streams", "bytesPerStream")),
    ):
        values = [targets.memory(found, gateway, *path) for gateway in names(found)]
        rows.append([title, *(NONE if value is None else number(value / scale) for value in values)])
    return table(["one core", *heads(found)], rows)


def _row(found: Found, title: str, workload: str, name: str, scale: float = 1.0) -> list[str]:
    cells = (cell(_of(found, gateway, workload), name, scale, spread=False) for gateway in names(found))
    return [title, *cells]


def notes(found: Found) -> str:
    """What is not served, fails, or was measured with less load; and how busy client and mock were."""
    lines = []
    for name, one in found["gateways"].items():
        if "unavailable" in one:
            lines.append(f"- {name}: n/a, {one['unavailable']}.")
            continue
        lines += [f"- {one['title']} does not serve {api}: {why}." for api, why in one["served"].items() if why]
        if one["share"] < 1:
            lines.append(
                f"- {one['title']} got 1/{round(1 / one['share'])} of the live streams and of the paced requests."
            )
        lines += _fewer(one)
        failed = {key: of["failures"][0] for key, of in one.get("workloads", {}).items() if of["failures"]}
        lines += [f"- {one['title']} failed at {key}: {why}." for key, why in failed.items()]
        lines += [f"- Memory of {one['title']}: {why}." for why in one.get("memory", {}).get("failures", [])]
    return "\n".join([*lines, _proof(found), ""])


def _fewer(one: dict[str, Any]) -> list[str]:
    """Of closed loads: how many requests were answered where the time ended before all of them were."""
    short = []
    for key, of in one.get("workloads", {}).items():
        done = of["figures"].get("requests", {}).get("median")
        if done is not None and done < of["requests"]:
            short.append(f"{key} {done:,.0f} of {of['requests']:,}")
    return [f"- {one['title']} answered fewer requests in the time of a round: {', '.join(short)}."] if short else []


def _proof(found: Found) -> str:
    """Client and mock are not the bottleneck: what they reach alone, and how busy their core was at most."""
    direct = found["direct"].get("chat-plain", {}).get("figures", {})
    if not direct:
        return ""
    busiest = 0.0
    for one in found["gateways"].values():
        for key, of in one.get("workloads", {}).items():
            if "chat-plain" in key and "loadCore" in of["figures"]:
                busiest = max(busiest, of["figures"]["loadCore"]["median"])
    return (
        f"- Without a gateway, client and mock on their one core reach {number(direct['rps']['median'])} plain chat "
        f"requests per second; behind the fastest gateway their core was {busiest * 100:.0f} % busy."
    )
