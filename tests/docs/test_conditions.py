"""docs/conditions.md explains every condition type and every reason, and no other."""

from tieline_api.conditions import ConditionType, Reason
from tieline_operator import support

from tests.docs import markdown

TYPES, REST = (markdown.ROOT / "docs" / "conditions.md").read_text().split("## Reasons")
REASONS, UNSUPPORTED = REST.split("## Fields without behaviour")


def test_every_condition_type_is_explained() -> None:
    assert markdown.table_column(TYPES) == list(ConditionType)


def test_every_reason_is_explained() -> None:
    assert sorted(markdown.table_column(REASONS)) == sorted(Reason)


def test_a_reason_says_with_which_type_it_stands() -> None:
    known = {str(kind) for kind in ConditionType} | {"all"}
    assert {name for cell in markdown.table_column(REASONS, 1) for name in cell.split(", ")} <= known


def test_every_field_without_behaviour_is_named() -> None:
    table = list(zip(*(markdown.table_column(UNSUPPORTED, column) for column in range(4)), strict=True))
    assert table == [(row.kind, row.path, row.support, row.instead) for row in support.TABLE]
