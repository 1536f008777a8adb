"""Remembers results by their inputs, so that an edit costs what it changes. Pure; called by `evaluate`.

Three steps: which source objects differ (`differing`), which results may depend on them (`readers`), and which of those
really change (`update`, which compares inputs by value). A result that is taken over is the very same object, so the
next stage sees at a glance that nothing happened to it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from tieline_api.names import Key

Name = TypeVar("Name", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What one result follows from."""

    values: tuple[object, ...]
    """Compared by value: equal values, equal result."""
    reads: frozenset[Hashable] = frozenset()
    """Names of everything outside the object itself that `values` was taken from."""


@dataclass(frozen=True, slots=True)
class Table(Generic[Value]):
    """Results of one kind by key, with their inputs."""

    values: dict[Key, Value] = field(default_factory=dict)
    inputs: dict[Key, Inputs] = field(default_factory=dict)


def differing(before: Mapping[Name, object], after: Mapping[Name, object]) -> set[Name]:
    """Names that were added or removed, or stand for another value. Identical objects are not looked into."""
    changed = before.keys() - after.keys()
    for name, value in after.items():
        old = before.get(name)
        if old is not value and old != value:
            changed.add(name)
    return changed


def readers(table: Table[Value], changed: AbstractSet[Any]) -> set[Key]:
    """Keys of results that read any of the changed things."""
    if not changed:
        return set()
    return {key for key, inputs in table.inputs.items() if not inputs.reads.isdisjoint(changed)}


def update(
    before: Table[Value],
    suspects: Iterable[Key],
    inputs_of: Callable[[Key], Inputs | None],
    compute: Callable[[Key], Value],
    failed: Callable[[Key, Exception], Value],
) -> tuple[Table[Value], set[Key]]:
    """The table after a change, and the keys whose result is another one (added, removed, changed).

    `suspects` are the only keys that are looked at; `inputs_of` answers None for what has no result (any more). The
    very same table comes back when nothing changes. When `compute` raises, `failed` gives the result of that key: a
    mistake of ours about one object must not stop the judgement of all others.
    """
    values, inputs = dict(before.values), dict(before.inputs)
    changed: set[Key] = set()
    for key in suspects:
        given = inputs_of(key)
        if given is None:
            if values.pop(key, None) is not None:
                changed.add(key)
            inputs.pop(key, None)
        elif key not in inputs or inputs[key] != given:
            inputs[key] = given
            try:
                result = compute(key)
            except Exception as error:  # noqa: BLE001 - whatever it is, it concerns this key alone
                result = failed(key, error)
            if key not in values or values[key] != result:
                values[key] = result
                changed.add(key)
    if not changed and inputs == before.inputs:
        return before, changed
    return Table(values, inputs), changed
