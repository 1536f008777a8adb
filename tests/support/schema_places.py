"""Every place of the generated CRDs where a manifest can be right or wrong, and how to get there in a manifest.

A place is a node of a schema (`spec.models[].name`); a spot is where a manifest has it (`spec.models[0].name`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tieline_api.schema import root_schema
from tieline_api.structural import Schema

Spot = tuple[str | int, ...]
"""Steps into a manifest: names of fields, indices of items, keys of maps."""


@dataclass(frozen=True)
class Place:
    """`steps` are names of fields, `[]` for the items of a list and `{}` for the values of a map."""

    kind: str
    steps: tuple[str, ...]
    schema: Schema

    def __str__(self) -> str:
        text = ".".join(self.steps).replace(".[]", "[]").replace(".{}", "{}")
        return f"{self.kind}.{text}"


def places(kind: str, part: str = "spec") -> Iterator[Place]:
    """The place of the part itself and all below it, from the top."""
    yield from _below(Place(kind, (part,), root_schema(kind)["properties"][part]))


def _below(place: Place) -> Iterator[Place]:
    yield place
    for name, schema in place.schema.get("properties", {}).items():
        yield from _below(Place(place.kind, (*place.steps, name), schema))
    for step, keyword in (("[]", "items"), ("{}", "additionalProperties")):
        if keyword in place.schema:
            yield from _below(Place(place.kind, (*place.steps, step), place.schema[keyword]))


def find(place: Place, manifest: Any) -> Spot | None:
    """The first spot of the manifest that has a value for the place."""
    return _find(place.steps, manifest, ())


def _find(steps: tuple[str, ...], value: Any, spot: Spot) -> Spot | None:
    if not steps:
        return spot
    step, rest = steps[0], steps[1:]
    keys: list[str | int]
    if step == "[]":
        keys = list(range(len(value))) if isinstance(value, list) else []
    elif not isinstance(value, dict):
        keys = []
    else:
        keys = list(value) if step == "{}" else [step] if step in value else []
    for key in keys:
        found = _find(rest, value[key], (*spot, key))
        if found is not None:
            return found
    return None


def field(place: Place, spot: Spot) -> str:
    """The spot as the API server names it."""
    text = ""
    for step, key in zip(place.steps, spot, strict=True):
        text += f"[{key}]" if step in ("[]", "{}") else f".{key}"
    return text.removeprefix(".")


def value_at(manifest: Any, spot: Spot) -> Any:
    for step in spot:
        manifest = manifest[step]
    return manifest


def replaced(manifest: dict[str, Any], spot: Spot, value: Any) -> dict[str, Any]:
    """A copy with another value at the spot; None removes it."""
    result = copy.deepcopy(manifest)
    holder = value_at(result, spot[:-1])
    if value is not None:
        holder[spot[-1]] = copy.deepcopy(value)
    elif isinstance(holder, list):
        del holder[int(spot[-1])]
    else:
        holder.pop(spot[-1], None)
    return result


def patched(manifest: dict[str, Any], start: Spot, patch: dict[str, Any]) -> dict[str, Any]:
    """A copy with other values at spots below `start`, written as `name.0.name`; None removes."""
    for path, value in patch.items():
        steps = (int(step) if step.isdigit() else step for step in path.split("."))
        manifest = replaced(manifest, (*start, *steps), value)
    return manifest
