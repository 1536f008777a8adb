"""Manifests gone wrong in ways that nobody thought of: seeded random edits of whole ones.

For comparing two judges, not for asserting a verdict: some edits leave a manifest valid.
"""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator, Sequence
from typing import Any

from tests.support.schema_places import Spot, value_at

ODD: tuple[Any, ...] = (
    *(None, "", "x", "X Y", "*", "a*", "0.5", "1s", "24:00", "/v1", "https://a.com/v1", "Any", "2027-01-01T00:00:00Z"),
    *(0, -1, 1, 1.5, 3.0, 2**31, 2**63, True, False),
    *([], ["a"], ["a", "a"], [None], [{}], {}, {"name": "a"}, {"a": None}),
)


def mutated(manifests: Sequence[dict[str, Any]], count: int, draw: random.Random) -> Iterator[dict[str, Any]]:
    """`count` copies of the manifests, each with one or two edits of its spec."""
    values = [value_at(manifest, spot) for manifest in manifests for spot in spots(manifest["spec"], ("spec",))]
    for _ in range(count):
        manifest = copy.deepcopy(draw.choice(manifests))
        for _ in range(draw.choice((1, 1, 1, 2))):
            _edit(manifest, values, draw)
        yield manifest


def spots(value: Any, spot: Spot = ()) -> Iterator[Spot]:
    """Every place inside a value, itself included."""
    yield spot
    children: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        children = list(value.items())
    elif isinstance(value, list):
        children = list(enumerate(value))
    for key, child in children:
        yield from spots(child, (*spot, key))


def _edit(manifest: dict[str, Any], values: Sequence[Any], draw: random.Random) -> None:
    below = [spot for spot in spots(manifest["spec"], ("spec",)) if len(spot) > 1]
    inner = [(value_at(manifest, spot[:-1]), spot[-1]) for spot in below]
    if not inner:
        return
    holder, key = draw.choice(inner)
    match draw.choice(("remove", "repeat", "unknown", "odd", "odd", "other", "other")):
        case "remove":
            del holder[key]
        case "repeat" if isinstance(holder, list):
            holder.append(copy.deepcopy(value_at(holder, (key,))))
        case "unknown" if isinstance(holder, dict):
            holder["notAField"] = 1
        case "other":
            holder[key] = copy.deepcopy(draw.choice(values))
        case _:
            holder[key] = copy.deepcopy(draw.choice(ODD))
