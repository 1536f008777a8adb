"""docs/api.md: every field of the custom resources, from the CRD documents that the API server enforces."""

import json
from collections.abc import Iterator
from typing import Any

from tieline_api.schema import KINDS, document

from scripts.pages.markdown import GENERATED, cell, code, table

Schema = dict[str, Any]

INTRODUCTION = """# API reference

Group `tieline.dev`, version `v1alpha1`. Durations are Gateway API durations (`90s`, `1h30m`, `250ms`; `0s` switches a
timeout off), money and other decimals are strings in quotes, and every list is bounded. `kubectl explain` prints the
same. What a version accepts without acting on it, it names in the condition `FieldsIgnored`; see
[conditions](conditions.md).
"""


def kind_of(schema: Schema) -> str:
    if schema.get("x-kubernetes-int-or-string"):
        return "integer or string"
    if schema.get("type") == "array":
        keys = schema.get("x-kubernetes-list-map-keys")
        return f"list of {kind_of(schema['items'])}" + (f", one for each {', '.join(keys)}" if keys else "")
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map to {kind_of(schema['additionalProperties'])}"
    text = str(schema.get("format") or schema.get("type", "any"))
    return " or ".join(code(value) for value in schema["enum"]) if "enum" in schema else text


def bounds(schema: Schema) -> Iterator[str]:
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minLength", "maxLength", " characters"),
        ("minItems", "maxItems", " entries"),
        ("minProperties", "maxProperties", " entries"),
    ):
        if low in schema and high in schema:
            yield f"{schema[low]} to {schema[high]}{unit}"
        elif low in schema or high in schema:
            yield f"at {'least' if low in schema else 'most'} {schema.get(low, schema.get(high))}{unit}"


def details(schema: Schema, *, required: bool) -> str:
    facts = ["required"] if required else []
    if "default" in schema:
        facts.append(f"default {code(json.dumps(schema['default']))}")
    return "; ".join([*facts, *bounds(schema)])


def rules(schema: Schema) -> Iterator[str]:
    for rule in schema.get("x-kubernetes-validations", ()):
        message = cell(str(rule.get("message", ""))).rstrip(".")
        where = str(rule.get("fieldPath", "")).removeprefix(".")
        if message:
            yield f"{code(where)} {message}".strip()


def fields(schema: Schema, path: str = "") -> Iterator[list[str]]:
    """Rows for the fields below `schema`, parents first."""
    inner = schema.get("items", schema) if schema.get("type") == "array" else schema
    suffix = "[]" if inner is not schema else ""
    for name, child in inner.get("properties", {}).items():
        where = f"{path}{suffix}.{name}" if path else name
        text = cell(child.get("description", ""))
        told = [*rules(child), *(rules(child["items"]) if child.get("type") == "array" else ())]
        meaning = " ".join([text, *(f"Rule: {rule}." for rule in told)]).strip()
        required = name in inner.get("required", ())
        yield [code(where), kind_of(child), details(child, required=required), meaning]
        yield from fields(child, where)


def page() -> str:
    parts = [INTRODUCTION, GENERATED + "\n"]
    for kind in KINDS:
        spec = document(kind)["spec"]
        names, version = spec["names"], spec["versions"][0]
        schema = version["schema"]["openAPIV3Schema"]
        short = ", ".join(code(name) for name in names.get("shortNames", ()))
        parts.append(f"## {names['kind']}\n\n{cell(schema.get('description', ''))}\n\nShort names: {short}.\n")
        for part in ("spec", "status"):
            child = schema["properties"].get(part, {})
            parts.append(f"### {names['kind']}: {part}\n")
            parts.append("".join(f"- {rule}.\n" for rule in rules(child)))
            parts.append(table(["field", "type", "bounds", "meaning"], fields(child)))
    return "\n".join(parts)
