"""Unknown fields, nulls and defaults on a small schema."""

from typing import Any

from tieline_api.validation.fields import completed, unknown_fields

LEAF: dict[str, Any] = {"type": "string"}
SCHEMA: dict[str, Any] = {
    "properties": {
        "name": LEAF,
        "size": {"type": "integer", "default": 3},
        "inner": {"properties": {"wait": {"type": "string", "default": "1s"}}, "default": {}},
        "optional": {"properties": {"wait": {"type": "string", "default": "1s"}}},
        "items": {"items": {"properties": {"key": LEAF, "kind": {"type": "string", "default": "a"}}}},
        "labels": {"additionalProperties": LEAF},
        "open": {"type": "object"},
    }
}


def test_unknown_fields_are_named_with_the_nearest_known_one() -> None:
    value = {"nmae": 1, "inner": {"zzz": 1}, "items": [{"key": "a"}, {"Key": "b"}], "labels": {"any": "x"}}
    problems = list(unknown_fields(SCHEMA, value))
    assert [problem.path for problem in problems] == ["nmae", "inner.zzz", "items[1].Key"]
    assert problems[0].remedy == "write name, or remove it"
    assert problems[1].remedy == "remove it; known here are wait"
    assert problems[2].remedy == "write key, or remove it"


def test_defaults_fill_absent_fields_and_nulls_at_every_depth() -> None:
    assert completed(SCHEMA, {"size": None, "items": [{"key": "x", "kind": None}]}) == {
        "size": 3,
        "inner": {"wait": "1s"},
        "items": [{"key": "x", "kind": "a"}],
    }
    assert completed(SCHEMA, {"optional": {}})["optional"] == {"wait": "1s"}


def test_nulls_without_default_vanish_except_in_lists() -> None:
    assert completed(SCHEMA, {"name": None, "labels": {"a": None, "b": "c"}}) == {
        "size": 3,
        "inner": {"wait": "1s"},
        "labels": {"b": "c"},
    }
    assert completed(SCHEMA, {"items": [None]})["items"] == [None]


def test_unknown_fields_are_pruned_but_not_below_what_is_open() -> None:
    assert completed(SCHEMA, {"foo": 1, "open": {"foo": 1}})["open"] == {"foo": 1}
    assert "foo" not in completed(SCHEMA, {"foo": 1})


def test_values_of_other_types_are_left_to_the_next_check() -> None:
    assert completed(SCHEMA, "text") == "text"
    assert completed(SCHEMA, {"items": "text"})["items"] == "text"
    assert list(unknown_fields(SCHEMA, {"items": "text", "inner": [1]})) == []


def test_completing_twice_changes_nothing() -> None:
    once = completed(SCHEMA, {"name": "a", "labels": {"b": "c"}})
    assert completed(SCHEMA, once) == once


def test_defaults_are_copies() -> None:
    first = completed(SCHEMA, {})
    first["inner"]["wait"] = "9s"
    assert completed(SCHEMA, {})["inner"] == {"wait": "1s"}
