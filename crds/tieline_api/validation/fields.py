"""What the API server does to an object before it judges it: unknown fields, nulls and defaults. Pure.

`unknown_fields` refuses what `kubectl` refuses under strict field validation; `completed` gives the object that is then
judged and stored. Schemas are those of `tieline_api.schema`.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from tieline_api.structural import Schema
from tieline_api.validation.problems import Path, Problem, show


def unknown_fields(schema: Schema, value: Any, path: Path = ()) -> Iterator[Problem]:
    """A problem for each field that the schema does not have, with the nearest one that it has."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknown_fields(schema.get("items", {}), item, (*path, index))
    elif isinstance(value, Mapping) and "properties" in schema:
        for name, field in value.items():
            known = schema["properties"].get(name)
            if known is None:
                yield _unknown((*path, str(name)), str(name), list(schema["properties"]))
            else:
                yield from unknown_fields(known, field, (*path, name))


def _unknown(path: Path, name: str, known: list[str]) -> Problem:
    lowered = {field.lower(): field for field in known}
    near = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.6)
    remedy = (
        f"write {lowered[near[0]]}, or remove it" if near else f"remove it; known here are {', '.join(sorted(known))}"
    )
    return Problem(show(path), "UnknownField", f"unknown field {name!r}", remedy)


def completed(schema: Schema, value: Any) -> Any:
    """A copy without unknown fields and nulls, in which absent fields have their defaults.

    A null stands for an absent field; in a list it stays, and is of the wrong type there.
    """
    if isinstance(value, list) and "items" in schema:
        return [completed(schema["items"], item) for item in value]
    if not isinstance(value, Mapping):
        return value
    if "additionalProperties" in schema:
        values = schema["additionalProperties"]
        return {key: completed(values, item) for key, item in value.items() if item is not None}
    if "properties" not in schema:
        return dict(value)
    result: dict[str, Any] = {}
    for name, field in schema["properties"].items():
        present = value.get(name)
        if present is None and "default" in field:
            present = copy.deepcopy(field["default"])
        if present is not None:
            result[name] = completed(field, present)
    return result
