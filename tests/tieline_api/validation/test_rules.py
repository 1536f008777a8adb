"""Where rules are evaluated, and where not. That they mean the same on a server is the cluster floor's test."""

from typing import Any

from tieline_api.validation.rules import rule_problems


def rule(cel: str, message: str = "is wrong; write it right", **more: str) -> dict[str, Any]:
    return {"x-kubernetes-validations": [{"rule": cel, "message": message, **more}]}


def paths(schema: dict[str, Any], value: Any, broken: set[tuple[str | int, ...]] | None = None) -> list[str]:
    return [problem.path for problem in rule_problems(schema, value, broken or set())]


SHORT = rule("size(self) < 3")


def test_rules_are_evaluated_at_every_depth() -> None:
    schema = {
        "properties": {
            "name": SHORT,
            "items": {"items": {"properties": {"name": SHORT}}},
            "labels": {"additionalProperties": SHORT},
        }
    }
    value = {"name": "long", "items": [{"name": "a"}, {"name": "long"}], "labels": {"a/b": "long", "c": "d"}}
    assert paths(schema, value) == ["name", "items[1].name", "labels[a/b]"]


def test_absent_fields_have_no_rules() -> None:
    assert paths({"properties": {"name": SHORT}}, {}) == []


def test_a_rule_may_name_a_field_below() -> None:
    assert paths(rule("has(self.name)", fieldPath=".name"), {}) == [".name"]
    assert paths({"properties": {"spec": rule("has(self.name)", fieldPath=".name")}}, {"spec": {}}) == ["spec.name"]


def test_message_and_remedy_are_told_apart() -> None:
    [problem] = rule_problems(SHORT, "long", set())
    assert (problem.message, problem.remedy, problem.kind) == ("is wrong", "write it right", "Rule")


def test_rules_about_what_has_the_wrong_type_are_left_out() -> None:
    schema = rule("self.low < self.high") | {"properties": {"low": {}, "high": {}, "name": SHORT}}
    assert paths(schema, {"low": "x", "high": 1, "name": "long"}, {("low",)}) == ["name"]


def test_a_rule_that_cannot_be_evaluated_is_broken() -> None:
    assert paths({"properties": {"spec": rule("self.absent == 1")}}, {"spec": {}}) == ["spec"]


def test_fields_named_like_words_of_cel_are_escaped() -> None:
    assert paths({"properties": {"ref": rule("self.__namespace__ == 'a'")}}, {"ref": {"namespace": "b"}}) == ["ref"]
    assert paths({"properties": {"ref": rule("self.__namespace__ == 'a'")}}, {"ref": {"namespace": "a"}}) == []


def test_expressions_are_those_of_re2() -> None:
    anchored = rule(r"self.matches(r'^[a-z]+\.[0-9]{1,3}$')")
    assert paths({"items": anchored}, ["a.1", "a.1\n", "a.1234", "A.1"]) == ["[1]", "[2]", "[3]"]
