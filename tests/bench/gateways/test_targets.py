from __future__ import annotations

from typing import Any

import pytest

from bench.gateways import targets
from bench.gateways.targets import Row


def workload(failures: tuple[str, ...] = (), **figures: float) -> dict[str, Any]:
    return {"failures": list(failures), "figures": {name: {"median": value} for name, value in figures.items()}}


def found(**ours: dict[str, Any]) -> dict[str, Any]:
    return {
        "direct": {},
        "gateways": {
            "tieline": {"workloads": ours, "memory": {"idleBytes": 70_000_000}},
            "sglang-router": {"workloads": {"chat-plain": workload(cpu=100.0)}},
            "envoy": {"unavailable": "no wheel"},
            "litellm": {"workloads": {"chat-plain": workload(rps=80.0)}},
        },
    }


def row(text: str, of: dict[str, Any]) -> Row:
    return next(row for row in targets.rows(of) if text in row.text)


@pytest.mark.parametrize(("cpu", "verdict"), [(99.0, "reached"), (100.0, "reached"), (100.1, "missed")])
def test_a_limit_is_the_peers_own_figure(cpu: float, verdict: str) -> None:
    of = found(**{"chat-plain": workload(cpu=cpu)})
    assert row("plain chat request", of).verdict == verdict


@pytest.mark.parametrize(("rps", "verdict"), [(4000.0, "reached"), (3999.0, "missed")])
def test_throughput_must_be_a_multiple(rps: float, verdict: str) -> None:
    of = found(**{"chat-plain": workload(rps=rps)})
    assert row("50 times LiteLLM", of).verdict == verdict


def test_a_peer_that_is_not_there_judges_nobody() -> None:
    of = found(**{"live-200": workload(cpu=1.0)})
    assert row("200 live streams, at most Envoy's", of).verdict == "not measured"


def test_figures_of_failed_rounds_do_not_count() -> None:
    of = found(**{"chat-plain": workload(("one failed",), cpu=1.0)})
    assert row("plain chat request", of).verdict == "not measured"


def test_times_are_compared_in_milliseconds_and_memory_in_megabytes() -> None:
    of = found(**{"paced-32": workload(addedP50=400.0, addedP99=3100.0)})
    assert [row("added p50, 32", of).figure, row("added p50, 32", of).verdict] == [0.4, "reached"]
    assert row("added p99, 32", of).verdict == "missed"
    assert row("resident memory, idle", of).figure == 70.0
    assert row("per open stream", of).verdict == "not measured"
