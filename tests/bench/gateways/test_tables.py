from __future__ import annotations

from typing import Any

from bench import report
from bench.gateways import tables


def figure(median: float, least: float, most: float) -> dict[str, float]:
    return {"median": median, "min": least, "max": most}


def result(**more: Any) -> dict[str, Any]:
    workload = {"title": "chat, plain", "connections": 10, "requests": 8000, "failures": []}
    direct = workload | {"figures": {"rps": figure(50_000, 49_000, 51_000)}}
    ours = workload | {"figures": {"cpu": figure(80.04, 79, 81), "loadCore": figure(0.5, 0.5, 0.5)}} | more
    served = {"chat": None, "responses": "answers 404", "messages": None}
    gateways = {
        "tieline": {
            "title": "Tieline",
            "version": "1",
            "share": 1.0,
            "served": served,
            "workloads": {"chat-plain": ours},
        },
        "envoy": {"unavailable": "no wheel for this machine"},
    }
    return {"direct": {"chat-plain": direct}, "gateways": gateways}


def test_a_cell_is_the_median_and_its_spread_or_says_why_there_is_none() -> None:
    text = tables.cpu(result(), report.table)
    assert "| chat, plain | 80.0 (79.0–81.0) | n/a |" in text
    assert "| chat, plain | failed | n/a |" in tables.cpu(result(failures=["3 failed"]), report.table)


def test_a_workload_that_nobody_ran_has_no_row() -> None:
    assert "responses" not in tables.cpu(result(), report.table)


def test_notes_tell_what_is_missing() -> None:
    text = tables.notes(result(figures={"requests": figure(230, 220, 240), "loadCore": figure(0.25, 0.2, 0.3)}))
    assert "Tieline does not serve responses: answers 404." in text
    assert "envoy: n/a, no wheel for this machine." in text
    assert "Tieline answered fewer requests in the time of a round: chat-plain 230 of 8,000." in text
    assert "50,000" in text
    assert "25 % busy" in text


def test_every_part_can_be_written_of_little() -> None:
    assert "| n/a |" in report.gateway_tables(result())
