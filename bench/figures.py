"""Figures from samples, and the files that keep them. Used by every benchmark and by the report."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
DIGITS = 5
"""Digits after the point of stored seconds: tens of microseconds."""


def percentile(samples: Sequence[float], percent: float) -> float:
    """The smallest sample that at least `percent` of all do not exceed (nearest rank; p99 of 50 is the largest)."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def summary(samples: Sequence[float]) -> dict[str, Any]:
    """p50, p99 and max in seconds, with the samples in the order in which they were taken."""
    return {
        "p50": round(percentile(samples, 50), DIGITS),
        "p99": round(percentile(samples, 99), DIGITS),
        "max": round(max(samples), DIGITS),
        "samples": [round(sample, DIGITS) for sample in samples],
    }


def store(name: str, figures: dict[str, Any]) -> Path:
    """Write `results/<name>.json`."""
    path = RESULTS / f"{name}.json"
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(figures, indent=1) + "\n")
    return path


def load(name: str) -> dict[str, Any]:
    """What `store` wrote last."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found
