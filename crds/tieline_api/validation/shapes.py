"""Types, enums, bounds, required fields and repetitions: what a structural schema says without CEL. Pure.

The schema is checked by the library `jsonschema`; its findings are told in the API's own words with a remedy, and what
only Kubernetes knows (lists that are sets or maps) is added.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from tieline_api.structural import Schema
from tieline_api.validation.problems import Path, Problem, ProblemKind, show

_TYPE_NAMES: Final = {
    "string": "a string",
    "integer": "a whole number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}
_BOUNDS: Final = {
    "minLength": "is shorter than {} characters",
    "maxLength": "is longer than {} characters",
    "minItems": "has fewer than {} items",
    "maxItems": "has more than {} items",
    "maxProperties": "has more than {} entries",
    "minimum": "is less than {}",
    "maximum": "is more than {}",
}
_REMEDIES: Final = {
    "minLength": "write at least {}",
    "maxLength": "write at most {}",
    "minItems": "write at least {}",
    "maxItems": "write at most {}",
    "maxProperties": "write at most {}",
    "minimum": "write {} or more",
    "maximum": "write {} or less",
}


def shape_problems(schema: Schema, value: Any) -> Iterator[tuple[Path, Problem]]:
    """Every structural problem of a completed object, with its path in steps."""
    for error in Draft202012Validator(schema).iter_errors(value):
        yield from _told(schema, error)
    yield from _repetitions(schema, value, ())


def _told(schema: Schema, error: ValidationError) -> Iterator[tuple[Path, Problem]]:
    path = _bracketed(schema, tuple(error.absolute_path))
    keyword, limit = str(error.validator), cast(Any, error.validator_value)
    match keyword:
        case "required":
            # The library reports each missing field apart, but says its name only in its text.
            name = next(name for name in limit if error.message.startswith(repr(name)))
            missing = (*path, name)
            yield missing, Problem(show(missing), "Required", "is missing", _add(error.schema, name))
        case "type":
            yield path, Problem(show(path), "Type", *_wrong_type(str(limit), error.instance))
        case "enum" if not isinstance(error.instance, str):
            pass  # Its type is the problem, and told.
        case "enum":
            known = ", ".join(str(item) for item in limit)
            yield path, Problem(show(path), "Enum", f"{error.instance!r} is not supported", f"write one of {known}")
        case _:
            kind: ProblemKind = "Bound"
            yield path, Problem(show(path), kind, _BOUNDS[keyword].format(limit), _REMEDIES[keyword].format(limit))


def _bracketed(schema: Schema, path: Path) -> Path:
    """The path with the keys of maps marked, which the API server writes in brackets."""
    steps: list[str | int] = []
    for step in path:
        if isinstance(step, int):
            schema = schema.get("items", {})
            steps.append(step)
        elif "additionalProperties" in schema:
            schema = schema["additionalProperties"]
            steps.append(f"[{step}]")
        else:
            schema = schema.get("properties", {}).get(step, {})
            steps.append(step)
    return tuple(steps)


def _add(schema: Any, name: str) -> str:
    description = schema["properties"][name].get("description", "") if isinstance(schema, Mapping) else ""
    return f"add {name}: {description}".rstrip(": ")


def _wrong_type(wanted: str, value: Any) -> tuple[str, str]:
    message = f"must be {_TYPE_NAMES[wanted]}, not {_described(value)}"
    if wanted == "string" and isinstance(value, bool | int | float):
        example = json.dumps(value) if not isinstance(value, bool) else "NO" if not value else "yes"
        hint = " (YAML reads yes, no, on, off, y and n as true or false)" if isinstance(value, bool) else ""
        return message, f'put it in quotes, such as "{example}"{hint}'
    if wanted in ("integer", "boolean") and isinstance(value, str):
        return message, "write it without quotes"
    if wanted == "array":
        return message, "write a list, such as [a, b] or lines that begin with -"
    return message, f"write {_TYPE_NAMES[wanted]}"


def _described(value: Any) -> str:
    if value is None:
        return "null"
    for types, text in (
        (bool, "true or false"),
        (str, "a string"),
        (float, "a fraction"),
        (int, "a number"),
        (list, "a list"),
    ):
        if isinstance(value, types):
            return text
    return "a mapping"


def _repetitions(schema: Schema, value: Any, path: Path) -> Iterator[tuple[Path, Problem]]:
    if isinstance(value, list) and "items" in schema:
        yield from _repeated_items(schema, value, path)
        for index, item in enumerate(value):
            yield from _repetitions(schema["items"], item, (*path, index))
    elif isinstance(value, Mapping):
        for name, field in schema.get("properties", {}).items():
            if name in value:
                yield from _repetitions(field, value[name], (*path, name))


def _repeated_items(schema: Schema, items: list[Any], path: Path) -> Iterator[tuple[Path, Problem]]:
    keys: list[str] = schema.get("x-kubernetes-list-map-keys", [])
    if schema["x-kubernetes-list-type"] == "atomic":
        return
    seen: set[str] = set()
    for index, item in enumerate(items):
        if keys and not (isinstance(item, Mapping) and all(key in item for key in keys)):
            continue  # Its type or a missing key is a problem of its own.
        identity = {key: item[key] for key in keys} if keys else item
        text = json.dumps(identity, sort_keys=True)
        if text in seen:
            what = ", ".join(f"{key} {item[key]!r}" for key in keys) if keys else repr(item)
            here = (*path, index)
            remedy = f"remove it, or write another {' or '.join(keys)}" if keys else "remove it"
            yield here, Problem(show(here), "Duplicate", f"repeats {what}", remedy)
        seen.add(text)
