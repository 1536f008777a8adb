"""Memory of one gateway in a fresh process: idle, per open stream (also over TLS to the provider), and over many
requests. Called by `run`, one gateway at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from bench.gateways import process, turn
from bench.gateways.gateways import Gateway
from bench.gateways.stage import Running, Stage
from bench.gateways.turn import Failed, Target
from bench.gateways.workloads import Workload

STREAMS = 500
HOLD_INTERVAL_MICROSECONDS = 1_000_000
HOLD_EVENTS = 60
SOAK_REQUESTS = 200_000
SOAK_PARTS = 10
SOAK_SLOW = 1 / 100
"""Of the requests, for a gateway that is measured with less load anyway: 200,000 would take it an hour."""
SOAK_SECONDS = 60
"""Longest time for a part; more requests are not begun."""
STREAMED = 4
"""Every fourth request of the soak is a stream."""


def take(stage: Stage, gateway: Gateway, factor: float, say: Callable[[str], None]) -> dict[str, Any]:
    """Bytes by name; what failed is left out and told in `failures`. `factor` < 1 shortens the soak."""
    found: dict[str, Any] = {"failures": []}
    slow = gateway.share < 1
    with stage.running(gateway) as running:
        found["idleBytes"] = process.resident_bytes(running.child.pid)
        _noting(found, "streams", lambda: _streams(stage, running, "bench", STREAMS // 10 if slow else STREAMS))
    if gateway.tls_model:
        with stage.running(gateway) as running:
            _noting(found, "tlsStreams", lambda: _streams(stage, running, gateway.tls_model, STREAMS))
    with stage.running(gateway) as running:
        requests = round(SOAK_REQUESTS * factor * (SOAK_SLOW if slow else 1))
        _noting(found, "soak", lambda: _soak(stage, running, requests, say))
    return found


def _noting(found: dict[str, Any], name: str, measure: Callable[[], dict[str, Any]]) -> None:
    try:
        found[name] = measure()
    except Failed as error:
        found["failures"].append(f"{name}: {error}")


def _streams(stage: Stage, running: Running, model: str, count: int) -> dict[str, Any]:
    """Warm the process with ordinary traffic to that model, then hold streams open, each with one event a second."""
    target = running.target._replace(models={"chat": model})
    warm = Workload("warm", "", stream=True, requests=1000)
    turn.take(stage.clients, target, warm, stage.mock.pid)
    before = process.resident_bytes(running.child.pid)
    hold = Workload("hold", "", stream=True, connections=count, events=HOLD_EVENTS)
    words = [*turn.words(target, hold), "-hold", "-settle", "1s", "-interval", str(HOLD_INTERVAL_MICROSECONDS)]
    with stage.clients.started(words) as conversation:
        conversation.hear()
        during = process.resident_bytes(running.child.pid)
        conversation.go_on()
    return {
        "count": count,
        "bytesBefore": before,
        "bytesOpen": during,
        "bytesPerStream": round((during - before) / count),
    }


def _soak(stage: Stage, running: Running, requests: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Resident memory after each tenth of the requests."""
    samples = []
    each = max(1, requests // SOAK_PARTS)
    plain = Workload("soak", "", connections=32, requests=each - each // STREAMED, warm_up=0, most=SOAK_SECONDS)
    streamed = replace(plain, requests=each // STREAMED, stream=True)
    target: Target = running.target
    done = 0
    for _ in range(SOAK_PARTS):
        for workload in (plain, streamed):
            done += round(turn.take(stage.clients, target, workload, stage.mock.pid)["requests"])
        samples.append({"requests": done, "bytes": process.resident_bytes(running.child.pid)})
        say(f"{done:,} of {requests:,} requests")
    return {"requests": done, "samples": samples, "bytesPerThousandRequests": slope(samples)}


def slope(samples: list[dict[str, int]]) -> float:
    """Growth after warm-up, in bytes per 1,000 requests: least squares over the second half of the samples."""
    late = samples[len(samples) // 2 :]
    mean_x = sum(sample["requests"] for sample in late) / len(late)
    mean_y = sum(sample["bytes"] for sample in late) / len(late)
    spread = sum((sample["requests"] - mean_x) ** 2 for sample in late)
    common = sum((sample["requests"] - mean_x) * (sample["bytes"] - mean_y) for sample in late)
    return round(common / spread * 1000, 1) if spread else 0.0
