"""What is told about wrong types, missing fields and repetitions: the hints that manifests most often need."""

from typing import Any

import pytest
from tieline_api.validation.shapes import shape_problems

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "zone"],
    "properties": {
        "name": {"type": "string", "maxLength": 3, "description": "What it is called."},
        "zone": {"type": "string"},
        "size": {"type": "integer", "minimum": 1, "maximum": 9},
        "on": {"type": "boolean"},
        "kind": {"type": "string", "enum": ["A", "B"]},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}, "maxItems": 3},
        "map": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name", "variant"],
            "items": {"type": "object", "properties": {"name": {"type": "string"}, "variant": {"type": "string"}}},
        },
        "free": {"type": "array", "x-kubernetes-list-type": "atomic", "items": {"type": "string"}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def told(**fields: Any) -> list[str]:
    return [str(problem) for _, problem in shape_problems(SCHEMA, {"name": "a", "zone": "b"} | fields)]


def test_nothing_is_told_of_a_right_object() -> None:
    assert told(size=9, on=True, kind="A", set=["a", "b"], free=["a", "a"], labels={"a": "b"}) == []


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        ("name", 0.28, 'name: must be a string, not a fraction; put it in quotes, such as "0.28"'),
        ("name", 8, 'name: must be a string, not a number; put it in quotes, such as "8"'),
        ("size", "3", "size: must be a whole number, not a string; write it without quotes"),
        ("size", True, "size: must be a whole number, not true or false; write a whole number"),
        ("size", 1.5, "size: must be a whole number, not a fraction; write a whole number"),
        ("on", "true", "on: must be true or false, not a string; write it without quotes"),
        ("set", "a", "set: must be a list, not a string; write a list, such as [a, b] or lines that begin with -"),
        ("labels", [], "labels: must be a mapping, not a list; write a mapping"),
        ("kind", "C", "kind: 'C' is not supported; write one of A, B"),
        ("name", "long", "name: is longer than 3 characters; write at most 3"),
        ("size", 10, "size: is more than 9; write 9 or less"),
        ("set", list("abcd"), "set: has more than 3 items; write at most 3"),
        ("set", ["a", "b", "a"], "set[2]: repeats 'a'; remove it"),
        ("labels", {"x": 1}, 'labels[x]: must be a string, not a number; put it in quotes, such as "1"'),
    ],
)
def test_each_problem_in_words(field: str, value: Any, text: str) -> None:
    assert told(**{field: value}) == [text]


def test_a_word_that_yaml_reads_as_a_boolean_gets_the_hint() -> None:
    [text] = told(name=False)
    assert text.startswith(
        'name: must be a string, not true or false; put it in quotes, such as "NO" (YAML reads yes, no'
    )


def test_every_missing_field_is_told_once_with_what_it_is() -> None:
    problems = [str(problem) for _, problem in shape_problems(SCHEMA, {})]
    assert problems == ["name: is missing; add name: What it is called.", "zone: is missing; add zone"]


def test_items_of_a_map_are_told_apart_by_all_keys() -> None:
    items = [{"name": "a", "variant": "x"}, {"name": "a", "variant": "y"}, {"name": "a", "variant": "x"}]
    assert told(map=items) == ["map[2]: repeats name 'a', variant 'x'; remove it, or write another name or variant"]
    assert told(map=[{"name": "a"}, {"name": "a"}]) == [], "a missing key is a problem of its own"


def test_whole_numbers_may_be_written_with_a_point() -> None:
    assert told(size=3.0) == []
