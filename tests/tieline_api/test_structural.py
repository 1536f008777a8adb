"""Types to schemas: what comes out, and what is refused because no structural schema can say it."""

from decimal import Decimal
from typing import Annotated, Any

import pytest
from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import Field
from tieline_api.structural import field_descriptions, object_schema
from tieline_api.v1alpha1.markers import Atomic, ListMap, ListSet, Rule
from tieline_api.v1alpha1.meta import Shape
from tieline_api.v1alpha1.scalars import DecimalString, Duration

Name = Annotated[str, MinLen(1), MaxLen(9), Rule("self != 'x'", "is x; write y")]


class Inner(Shape):
    """An inner object."""

    RULES = (Rule("has(self.name)", "lacks name; write it", field=".name", reason="FieldValueRequired"),)

    name: Name = "main"
    """Its name."""
    wait: Duration = Duration("3s")
    """How long it
    waits."""
    tags: Annotated[tuple[Name, ...], ListSet(), MaxLen(4)] = ()
    """Its tags."""


class Outer(Shape):
    """An outer object."""

    count: Annotated[int, Ge(0), Le(9)]
    """How many."""
    big: Annotated[int, Ge(0), Le(2**40)] | None = None
    """How many more."""
    base_url: Annotated[Name, Field(alias="baseURL")] = "u"
    """Where."""
    inner: Inner = Inner()
    """The inner one."""
    inners: Annotated[tuple[Inner, ...], ListMap(("name",)), MinLen(1), MaxLen(2)] = (Inner(name="a"),)
    """Several."""
    price: DecimalString = Field(default="1.50", validate_default=True)
    """What it costs."""
    labels: Annotated[dict[str, Name], MaxLen(3)] | None = None
    """Its labels."""


SCHEMA = object_schema(Outer)
FIELDS: dict[str, Any] = SCHEMA["properties"]


def test_only_fields_without_default_are_required() -> None:
    assert SCHEMA["required"] == ["count"]


def test_integers_have_bounds_and_the_format_that_holds_them() -> None:
    assert FIELDS["count"] == {
        "description": "How many.",
        "type": "integer",
        "format": "int32",
        "minimum": 0,
        "maximum": 9,
    }
    assert FIELDS["big"]["format"] == "int64"
    assert "default" not in FIELDS["big"]


def test_aliases_are_the_names_on_the_wire() -> None:
    assert FIELDS["baseURL"]["default"] == "u"


def test_defaults_are_written_to_the_leaves_without_what_is_absent() -> None:
    assert FIELDS["inner"]["default"] == {"name": "main", "wait": "3s"}
    assert FIELDS["inners"]["default"] == [{"name": "a", "wait": "3s"}]
    assert FIELDS["inner"]["properties"]["wait"]["default"] == "3s"
    assert FIELDS["price"]["default"] == "1.50"


def test_defaults_can_be_left_out() -> None:
    bare = object_schema(Outer, defaults=False)
    assert "default" not in bare["properties"]["inner"]
    assert "default" not in bare["properties"]["inner"]["properties"]["wait"]


def test_rules_stand_at_the_object_and_at_the_scalar() -> None:
    assert FIELDS["inner"]["x-kubernetes-validations"] == [
        {
            "rule": "has(self.name)",
            "message": "lacks name; write it",
            "fieldPath": ".name",
            "reason": "FieldValueRequired",
        }
    ]
    items = FIELDS["inners"]["items"]["properties"]["tags"]["items"]
    assert items["x-kubernetes-validations"] == [{"rule": "self != 'x'", "message": "is x; write y"}]


def test_lists_and_maps() -> None:
    assert FIELDS["inners"]["x-kubernetes-list-map-keys"] == ["name"]
    assert (FIELDS["inners"]["minItems"], FIELDS["inners"]["maxItems"]) == (1, 2)
    assert FIELDS["labels"]["additionalProperties"]["maxLength"] == 9
    assert FIELDS["labels"]["maxProperties"] == 3


def test_descriptions_are_the_docstrings_in_one_line() -> None:
    assert field_descriptions(Inner)["wait"] == "How long it waits."


class Undescribed(Shape):
    name: Name


class Union(Shape):
    field: Name | Annotated[int, Ge(0), Le(1)]
    """Two types."""


class Unbounded(Shape):
    field: str
    """Any string."""


class UnboundedNumber(Shape):
    field: Annotated[int, Ge(0)]
    """Any number."""


class UnmarkedList(Shape):
    field: Annotated[tuple[Name, ...], MaxLen(1)]
    """A list of no type."""


class Pair(Shape):
    field: Annotated[tuple[Name, Name], Atomic()]
    """Two items."""


class Float(Shape):
    field: float
    """No exact value."""


class Money(Shape):
    field: Decimal
    """Unbounded money."""


@pytest.mark.parametrize(
    "shape",
    [Undescribed, Union, Unbounded, UnboundedNumber, UnmarkedList, Pair, Float, Money],
    ids=lambda s: s.__name__,
)
def test_what_a_structural_schema_cannot_say_is_refused(shape: type[Shape]) -> None:
    with pytest.raises(TypeError):
        object_schema(shape)
