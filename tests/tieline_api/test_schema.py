"""The CRDs as a whole: what stands in `crds/`, and what must be true of every node."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tieline_api.conditions import ALWAYS_WRITTEN
from tieline_api.schema import KINDS, document, file_name, main, render, root_schema

from tests.support.schema_cases import cases
from tests.support.schema_places import Place, places

CRDS = Path(__file__).parents[2] / "crds"
PARTS = [(kind, part) for kind in KINDS for part in ("spec", "status")]


def nodes(part: tuple[str, str]) -> Iterator[Place]:
    return places(*part)


@pytest.mark.parametrize("kind", KINDS)
def test_the_files_are_what_the_types_say(kind: str) -> None:
    written = (CRDS / file_name(kind)).read_text(encoding="utf-8")
    assert written == render(kind), "run `make crds`"
    assert yaml.safe_load(written) == document(kind)


def test_the_generator_writes_one_file_for_each_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["schema", "--out", str(tmp_path / "new")])
    main()
    assert {path.name for path in (tmp_path / "new").iterdir()} == {path.name for path in CRDS.glob("*.yaml")}


def test_short_names_category_and_status() -> None:
    short = {kind: document(kind)["spec"]["names"]["shortNames"] for kind in KINDS}
    assert short == {"ModelRoute": ["tmr"], "ProviderPool": ["tpp"], "Consumer": ["tcon"]}
    for kind in KINDS:
        definition = document(kind)["spec"]
        assert definition["names"]["categories"] == ["tieline"]
        assert definition["versions"][0]["subresources"] == {"status": {}}


@pytest.mark.parametrize("kind", KINDS)
def test_the_conditions_that_are_always_written_are_seeded(kind: str) -> None:
    seeded = root_schema(kind)["properties"]["status"]["properties"]["conditions"]["default"]
    assert [condition["type"] for condition in seeded] == [str(type_) for type_ in ALWAYS_WRITTEN[kind]]
    assert {(condition["status"], condition["reason"]) for condition in seeded} == {("Unknown", "Pending")}


@pytest.mark.parametrize("part", PARTS, ids=".".join)
def test_every_node_is_described(part: tuple[str, str]) -> None:
    for place in nodes(part):
        if place.steps[-1] not in ("[]", "{}"):
            description = place.schema.get("description", "")
            assert description.endswith((".", '".')), f"{place}: {description!r} is no sentence"
            assert "\n" not in description


@pytest.mark.parametrize("part", PARTS, ids=".".join)
def test_everything_is_bounded(part: tuple[str, str]) -> None:
    for place in nodes(part):
        schema = place.schema
        match schema["type"]:
            case "string":
                assert "enum" in schema or "maxLength" in schema, place
            case "integer":
                assert {"minimum", "maximum", "format"} <= schema.keys(), place
            case "array":
                assert {"maxItems", "x-kubernetes-list-type"} <= schema.keys(), place
            case "object":
                assert "properties" in schema or "maxProperties" in schema, place
            case other:
                assert other == "boolean", place


@pytest.mark.parametrize("part", PARTS, ids=".".join)
def test_keys_of_list_maps_are_required_or_have_defaults(part: tuple[str, str]) -> None:
    for place in nodes(part):
        for key in place.schema.get("x-kubernetes-list-map-keys", []):
            items = place.schema["items"]
            assert key in items["required"] or "default" in items["properties"][key], place


@pytest.mark.parametrize("part", PARTS, ids=".".join)
def test_every_rule_says_what_is_wrong_and_what_to_write(part: tuple[str, str]) -> None:
    for place in nodes(part):
        for rule in place.schema.get("x-kubernetes-validations", []):
            wrong, separator, remedy = rule["message"].partition("; ")
            assert (separator, bool(wrong)) == ("; ", True), rule
            assert remedy.split()[0] in ("write", "remove", "put", "name", "begin"), rule
            field = rule.get("fieldPath", "").removeprefix(".")
            node = place.schema
            for step in filter(None, field.split(".")):
                node = node["properties"][step]


@pytest.mark.parametrize("part", PARTS, ids=".".join)
def test_status_has_no_defaults_but_the_seeded_conditions(part: tuple[str, str]) -> None:
    if part[1] == "status":
        found = [str(place) for place in nodes(part) if "default" in place.schema]
        assert found == [f"{part[0]}.status", f"{part[0]}.status.conditions"]


KEYWORDS = (
    "type",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
)


@pytest.mark.parametrize("part", PARTS, ids=".".join)
def test_every_rule_enum_and_bound_has_an_accepted_and_a_refused_manifest(part: tuple[str, str]) -> None:
    """Counted from the file that users install, apart from the code that makes the pairs."""
    accepted: set[tuple[str, str]] = set()
    refused: set[tuple[str, str]] = set()
    for case in cases(*part):
        (accepted if case.refused_at is None else refused).add(case.covers)
    demands = set(_demands(*part))
    assert len(demands) >= 40
    assert demands - accepted == set()
    assert demands - refused == set()


def _demands(kind: str, part: str) -> Iterator[tuple[str, str]]:
    definition = yaml.safe_load((CRDS / file_name(kind)).read_text(encoding="utf-8"))
    whole = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    stack: list[tuple[str, Any]] = [(f"{kind}.{part}", whole[part])]
    while stack:
        at, schema = stack.pop()
        yield from ((at, keyword) for keyword in KEYWORDS if keyword in schema)
        yield from ((at, f"enum {value}") for value in schema.get("enum", []))
        yield from ((at, f"rule {rule['message']}") for rule in schema.get("x-kubernetes-validations", []))
        yield from ((f"{at}.{name}", "required") for name in schema.get("required", []))
        if schema.get("x-kubernetes-list-type") in ("set", "map"):
            yield at, f"list-type {schema['x-kubernetes-list-type']}"
        stack += [(f"{at}.{name}", below) for name, below in schema.get("properties", {}).items()]
        stack += [(f"{at}{mark}", schema[word]) for mark, word in MARKS if word in schema]


MARKS = (("[]", "items"), ("{}", "additionalProperties"))
