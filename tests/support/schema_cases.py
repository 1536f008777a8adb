"""Pairs of manifests for everything that the CRDs demand: one that is accepted and one that is refused.

Bounds, enums, types, required and unknown fields give their pairs themselves; CEL rules have theirs in
`tests/fixtures/manifests/rules.yaml`, beside what the automatic pairs need to be valid. A gap is a `MissingPair`.
"""

from __future__ import annotations

import itertools
import string
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.support.schema_places import Place, Spot, field, find, patched, places, replaced, value_at

FOLDER = Path(__file__).parents[1] / "fixtures" / "manifests"
LENGTHS = {"minLength": -1, "maxLength": 1, "minItems": -1, "maxItems": 1, "maxProperties": 1}


class MissingPair(Exception):
    """Something that a CRD demands has no accepted or no refused manifest."""


@dataclass(frozen=True)
class Case:
    """One manifest. `refused_at` is the field that the refusal must name; None: the manifest is accepted.

    `covers` names what it proves: a place of the schema and a keyword, an enum's value or the beginning of a rule.
    """

    covers: tuple[str, str]
    manifest: dict[str, Any]
    refused_at: str | None = None

    def __str__(self) -> str:
        verdict = f"refused at {self.refused_at}" if self.refused_at else "accepted"
        return f"{self.covers[0]} {self.covers[1]} {verdict}"


@cache
def _hints() -> dict[str, Any]:
    hints: dict[str, Any] = yaml.safe_load((FOLDER / "rules.yaml").read_text(encoding="utf-8"))
    return hints


@cache
def _manifest(name: str) -> dict[str, Any]:
    manifest: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    return manifest


def cases(kind: str, part: str = "spec") -> Iterator[Case]:
    """All cases of one part of a kind.

    Raises:
        MissingPair: a place is in no manifest, or a rule has no pair.
    """
    told: set[str] = set()
    for place in places(kind, part):
        bases = [_manifest(name) for name in _hints()["bases"][part][kind]]
        spots = [(base, spot) for base in bases if (spot := find(place, base)) is not None]
        if not spots:
            raise MissingPair(f"{place} is in none of {_hints()['bases'][part][kind]}; add it to one")
        base, spot = spots[0]
        yield from _shape_cases(place, base, spot)
        yield from _enum_cases(place, base, spot)
        yield from _bound_cases(place, base, spot)
        yield from _rule_cases(place, base, spot, told)


def _pair(place: Place, spot: Spot, keyword: str, good: dict[str, Any], bad: dict[str, Any]) -> Iterator[Case]:
    yield Case((str(place), keyword), good)
    yield Case((str(place), keyword), bad, field(place, spot))


# -- shape: types, required and unknown fields --


def _shape_cases(place: Place, base: dict[str, Any], spot: Spot) -> Iterator[Case]:
    wrong: Any = "wrong" if place.schema["type"] == "array" else ["wrong"]
    if "format" in place.schema:
        wrong = True  # For these the API server takes a list of anything.
    yield from _pair(place, spot, "type", base, replaced(base, spot, wrong))
    if place.schema["type"] == "array":
        kind = place.schema["x-kubernetes-list-type"]
        if kind != "atomic":
            again = [*value_at(base, spot), value_at(base, spot)[0]]
            last = (*spot, len(again) - 1)
            bad = replaced(base, spot, again)
            yield Case((str(place), f"list-type {kind}"), base)
            yield Case((str(place), f"list-type {kind}"), bad, field(replace(place, steps=(*place.steps, "[]")), last))
    for name in place.schema.get("required", []):
        below = replace(place, steps=(*place.steps, name))
        yield from _pair(below, (*spot, name), "required", base, replaced(base, (*spot, name), None))
    if "properties" in place.schema:
        name = "notAField"
        below = replace(place, steps=(*place.steps, name))
        yield Case((str(place), "unknown"), base)
        yield Case((str(place), "unknown"), replaced(base, (*spot, name), 1), field(below, (*spot, name)))


# -- enums --


def _enum_cases(place: Place, base: dict[str, Any], spot: Spot) -> Iterator[Case]:
    for value in place.schema.get("enum", []):
        alone, here = _alone(base, spot)
        around = _in_context(place, alone, here, value)
        yield Case((str(place), f"enum {value}"), replaced(around, here, value))
        yield Case((str(place), f"enum {value}"), replaced(base, spot, f"{value}x"), field(place, spot))


def _alone(base: dict[str, Any], spot: Spot) -> tuple[dict[str, Any], Spot]:
    """The base whose innermost list on the way to the spot has one item, so that no other value is repeated."""
    for depth in reversed(range(len(spot))):
        if isinstance(spot[depth], int):
            items = [value_at(base, spot[: depth + 1])]
            return replaced(base, spot[:depth], items), (*spot[:depth], 0, *spot[depth + 1 :])
    return base, spot


def _in_context(place: Place, base: dict[str, Any], spot: Spot, value: Any) -> dict[str, Any]:
    """The base with what this value needs around it to be valid."""
    for hint in _hints()["context"]:
        if hint["at"] in str(place) and str(hint.get("value", value)) == str(value):
            base = patched(base, spot[:-1], hint["with"])
    return base


# -- bounds --


def _bound_cases(place: Place, base: dict[str, Any], spot: Spot) -> Iterator[Case]:
    for keyword, beyond in (("minimum", -1), ("maximum", 1)):
        if keyword in place.schema:
            limit = place.schema[keyword]
            around = _in_context(place, base, spot, limit)
            good, bad = replaced(around, spot, limit), replaced(around, spot, limit + beyond)
            yield from _pair(place, spot, keyword, good, bad)
    for keyword, beyond in LENGTHS.items():
        if keyword in place.schema:
            limit = place.schema[keyword]
            good, bad = (replaced(base, spot, _sized(place, base, spot, size)) for size in (limit, limit + beyond))
            yield from _pair(place, spot, keyword, good, bad)


def _sized(place: Place, base: dict[str, Any], spot: Spot, size: int) -> Any:
    match place.schema["type"]:
        case "string":
            return _text(place, size)
        case "object":
            return {f"key-{index}": "value" for index in range(size)}
        case _:
            return list(itertools.islice(_items(place, value_at(base, spot)), size))


def _text(place: Place, size: int) -> str:
    """A string of this length that keeps the place's rules, by the first hint for one of them."""
    if place.schema.get("format") == "date-time":
        return {20: "2026-01-01T00:00:00Z", 35: "2026-01-01T00:00:00.123456789+00:00"}.get(size, "x" * size)
    for rule in place.schema.get("x-kubernetes-validations", []):
        for hint in _hints()["texts"]:
            if rule["message"].startswith(hint["rule"]):
                exact: dict[int, str] = hint.get("sizes", {})
                form: str = hint.get("form", "*")
                return exact.get(size) or form.replace("*", "a" * (size - len(form) + 1))[:size]
    return "a" * size


def _items(place: Place, present: list[Any]) -> Iterator[Any]:
    """Valid items without repetition, for ever; values of an enum come round again when there are no more."""
    items = place.schema["items"]
    distinct = _hints()["distinct"].get(str(place)) or ".".join(place.schema.get("x-kubernetes-list-map-keys", [])[:1])
    holder = items["properties"][distinct] if distinct and "." not in distinct else items
    if "enum" in holder:
        values: Iterator[str] = itertools.cycle(holder["enum"])
    else:
        values = (_series(holder, index) for index in itertools.count())
    for value in values:
        if items["type"] == "object":
            yield patched(present[0], (), {distinct: value}) if distinct else present[0]
        else:
            yield value


def _series(schema: dict[str, Any], index: int) -> str:
    for rule in schema.get("x-kubernetes-validations", []):
        for hint in _hints()["texts"]:
            if rule["message"].startswith(hint["rule"]) and "series" in hint:
                letters = string.ascii_uppercase[index // 26 % 26] + string.ascii_uppercase[index % 26]
                series: str = hint["series"]
                return series.format(index=index, letters=letters)
    return f"item-{index}"


# -- rules --


def _rule_cases(place: Place, base: dict[str, Any], spot: Spot, told: set[str]) -> Iterator[Case]:
    """All manifests of a pair at the first place that has the rule, one of each at the others (`told` keeps count)."""
    for rule in place.schema.get("x-kubernetes-validations", []):
        pairs = [pair for pair in _hints()["rules"] if rule["message"].startswith(pair["rule"])]
        pairs = [pair for pair in pairs if pair.get("at", str(place)) == str(place)]
        covers = (str(place), f"rule {rule['message']}")
        if len(pairs) != 1:
            raise MissingPair(f"{covers[0]}: {len(pairs)} pairs in rules.yaml for the rule {rule['message']!r}, not 1")
        [pair] = pairs
        start, here = base, spot
        if "base" in pair:
            start = _manifest(pair["base"])
            here = find(place, start) or spot
        if not pair.get("accepted") or not pair.get("refused"):
            raise MissingPair(f"{covers[0]}: the rule {rule['message']!r} lacks an accepted or a refused manifest")
        at = field(place, here) + rule.get("fieldPath", "")
        many = 1 if rule["message"] in told else None
        told.add(rule["message"])
        for change in pair["accepted"][:many]:
            yield Case(covers, _changed(start, here, change))
        for change in pair["refused"][:many]:
            yield Case(covers, _changed(start, here, change), at)


def _changed(base: dict[str, Any], spot: Spot, change: Any) -> dict[str, Any]:
    """A mapping is a patch below the place, anything else the place's new value."""
    return patched(base, spot, change) if isinstance(change, dict) else replaced(base, spot, change)
