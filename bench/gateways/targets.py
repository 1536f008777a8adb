"""What Tieline must reach beside the other gateways, as data: the limits follow from the peers' figures. Pure.

The verdict is computed from stored figures each time that a table is written. What was not measured is said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

Found = Mapping[str, Any]
"""`results/gateways.json`."""
Verdict = Literal["reached", "missed", "not measured"]

OURS = "tieline"
LITELLM_FACTOR = 50
MEGABYTE = 1_000_000
KILOBYTE = 1000
GROWTH_KILOBYTES = 5.0
"""Per 1,000 requests, 1 MB in 200,000: what counts as no growth, because memory is measured in pages and arenas."""


class Row(NamedTuple):
    """One target: figures as they are compared."""

    text: str
    figure: float | None
    limit: float | None
    unit: str
    at_least: bool = False

    @property
    def verdict(self) -> Verdict:
        if self.figure is None or self.limit is None:
            return "not measured"
        good = self.figure >= self.limit if self.at_least else self.figure <= self.limit
        return "reached" if good else "missed"


def figure(found: Found, gateway: str, workload: str, name: str) -> float | None:
    """A median; None when it was not measured or a round of it failed."""
    one = found["gateways"].get(gateway, {}).get("workloads", {}).get(workload, {})
    value = one.get("figures", {}).get(name, {}).get("median")
    return None if value is None or one.get("failures") else float(value)


def memory(found: Found, gateway: str, *path: str) -> float | None:
    """A figure of memory in bytes; None when it was not measured."""
    value: Any = found["gateways"].get(gateway, {}).get("memory", {})
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return None if value is None else float(value)


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def rows(found: Found) -> list[Row]:
    """Every target in the order of the table."""

    def of(gateway: str, workload: str, name: str) -> float | None:
        return figure(found, gateway, workload, name)

    table = [
        Row(
            "CPU per plain chat request, at most sglang-router's",
            of(OURS, "chat-plain", "cpu"),
            of("sglang-router", "chat-plain", "cpu"),
            "µs",
        )
    ]
    for streams in (200, 500):
        for peer, title in (("sglang-router", "sglang-router's"), ("envoy", "Envoy's")):
            mine, theirs = of(OURS, f"live-{streams}", "cpu"), of(peer, f"live-{streams}", "cpu")
            table.append(Row(f"CPU per event of {streams} live streams, at most {title}", mine, theirs, "µs"))
            table.append(Row(f"the same, aim: 0.8 of {title}", mine, _times(theirs, 0.8), "µs"))
    table.append(
        Row(
            f"chat requests per second, at least {LITELLM_FACTOR} times LiteLLM's",
            of(OURS, "chat-plain", "rps"),
            _times(of("litellm", "chat-plain", "rps"), LITELLM_FACTOR),
            "rps",
            at_least=True,
        )
    )
    return table + _latency(of) + _memory(found)


def _latency(of: Callable[[str, str, str], float | None]) -> list[Row]:
    loads = (("paced-32", "32 connections, 2,000 requests/s"), ("chat-32", "32 connections, as fast as they can"))
    return [
        Row(f"added {percentile}, {text}", _times(of(OURS, key, name), 1 / 1000), limit, "ms")
        for key, text in loads
        for percentile, name, limit in (("p50", "addedP50", 0.5), ("p99", "addedP99", 3.0))
    ]


def _memory(found: Found) -> list[Row]:
    idle = memory(found, OURS, "idleBytes")
    stream = memory(found, OURS, "streams", "bytesPerStream")
    tls = memory(found, OURS, "tlsStreams", "bytesPerStream")
    growth = memory(found, OURS, "soak", "bytesPerThousandRequests")
    return [
        Row("resident memory, idle", _times(idle, 1 / MEGABYTE), 80, "MB"),
        Row("resident memory per open stream", _times(stream, 1 / KILOBYTE), 40, "KB"),
        Row("the same with TLS to the provider", _times(tls, 1 / KILOBYTE), 100, "KB"),
        Row("growth per 1,000 requests after warm-up", _times(growth, 1 / KILOBYTE), GROWTH_KILOBYTES, "KB"),
    ]
