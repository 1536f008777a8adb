"""From single turns to what is stored: medians with their spread, and what a gateway adds to the direct way. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

Figures = Mapping[str, float]

ADDED = {
    "p50": "addedP50",
    "p99": "addedP99",
    "firstTokenP50": "addedFirstTokenP50",
    "firstTokenP99": "addedFirstTokenP99",
    "delayP50": "addedDelayP50",
    "delayP99": "addedDelayP99",
}
"""Figure → name of its difference to the direct way, in the same round."""
DIGITS = 3


def with_added(through: Figures, direct: Figures | None) -> dict[str, float]:
    """A turn's figures, with the differences to the turn without a gateway."""
    found = dict(through)
    for name, added in ADDED.items():
        if direct is not None and name in through and name in direct:
            found[added] = through[name] - direct[name]
    return found


def summary(turns: Sequence[Figures]) -> dict[str, dict[str, Any]]:
    """Per figure its median over the rounds, least and greatest, and every sample in order."""
    names = sorted({name for figures in turns for name in figures})
    return {name: _spread([figures[name] for figures in turns if name in figures]) for name in names}


def _spread(samples: Sequence[float]) -> dict[str, Any]:
    kept = [round(sample, DIGITS) for sample in samples]
    return {"median": round(median(kept), DIGITS), "min": min(kept), "max": max(kept), "samples": kept}


def rotated(names: Sequence[str], by: int) -> list[str]:
    """Another one begins in every round, so that nobody always follows the same neighbour."""
    shift = by % len(names) if names else 0
    return [*names[shift:], *names[:shift]]
