"""docs/explain.md has every code that can exclude a candidate, and the fields of the decision's JSON."""

import re

from tieline_router.routing.filters import (
    KIND_FILTERS,
    LIVE_FILTERS,
    MODEL_NOT_SERVED,
    OFFER_FILTERS,
    REQUEST_FILTERS,
)

from tests.docs import markdown

FIELDS, CODES = (markdown.ROOT / "docs" / "explain.md").read_text().split("## Codes")
SOURCE = (markdown.ROOT / "router" / "tieline_router" / "routing" / "decision.py").read_text()
JSON_KEY = re.compile(r'^ +"([a-zA-Z]+)": ', re.MULTILINE)
BEGIN, END = "def to_json", "def availability"


def test_every_code_is_explained() -> None:
    filters = {rule.code for rules in (OFFER_FILTERS, KIND_FILTERS, REQUEST_FILTERS, LIVE_FILTERS) for rule in rules}
    assert sorted(markdown.table_column(CODES)) == sorted(filters | {MODEL_NOT_SERVED})


def test_every_field_of_the_json_is_explained() -> None:
    fields = set(JSON_KEY.findall(SOURCE[SOURCE.index(BEGIN) : SOURCE.index(END)]))
    assert "blendedPerMillion" in fields
    assert {name for name in fields if not re.search(rf"\b{name}\b", FIELDS)} == set()
