"""docs/api.md has every field of every kind, and each says what it means."""

from collections.abc import Iterator
from typing import Any

import pytest
from tieline_api.schema import KINDS, document

from scripts.pages import api


def schema(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = document(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def properties(part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every named field below `part`, found by another way than the page's own."""
    for name, value in part.items():
        if name == "properties":
            yield from value.values()
        for child in value.values() if name == "properties" else [value]:
            if isinstance(child, dict):
                yield from properties(child)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", ["spec", "status"])
def test_every_field_has_its_row_and_its_meaning(kind: str, part: str) -> None:
    top = schema(kind)["properties"][part]
    rows = list(api.fields(top))
    assert len(rows) == len(list(properties(top)))
    assert [row[0] for row in rows if not row[3]] == []
    page = api.page()
    assert [row for row in rows if "| " + " | ".join(row) + " |" not in page] == []
