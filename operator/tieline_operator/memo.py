"""Remembers results by their inputs, so that an edit costs what it changes. Pure; called by `evaluate`.

Inputs are compared like any Python values: identical objects at once, others by value. Nothing is ever wrong because it
was remembered; a result is taken over only when all inputs are equal, and results depend on nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from tieline_api.names import Key

Value = TypeVar("Value")


@dataclass(slots=True)
class Table(Generic[Value]):
    """Results of one kind by key. `inputs[key]` are those that `values[key]` was computed from."""

    inputs: dict[Key, tuple[object, ...]] = field(default_factory=dict)
    values: dict[Key, Value] = field(default_factory=dict)


def update(
    before: Table[Value],
    inputs: Mapping[Key, tuple[object, ...]],
    compute: Callable[[Key], Value],
) -> Table[Value]:
    """Results for exactly the keys of `inputs`, computed where the inputs differ from before. The very same table when
    nothing differs, so that what depends on the whole of it sees that at a glance."""
    values: dict[Key, Value] = {}
    changed = len(before.values) != len(inputs)
    for key, given in inputs.items():
        if key in before.values and before.inputs[key] == given:
            values[key] = before.values[key]
        else:
            values[key] = compute(key)
            changed = True
    return Table(dict(inputs), values) if changed else before
