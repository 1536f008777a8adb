"""Markers on the API types that say what the schema must hold beyond the Python type. Data only, no behaviour.

`tieline_api.schema` turns them into the CRDs; pydantic ignores them. Bounds on plain strings, integers and lists are
`annotated_types` (`MinLen`, `MaxLen`, `Ge`, `Le`), which pydantic enforces too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Rule:
    """One CEL rule. Only what the API server and the CEL library of `tieline lint` evaluate alike may be used.

    `message` says what is wrong, "; ", and what to write instead. `field` is the path below the marked value that a
    refusal names (`.external.baseURL`), the marked value itself when empty.
    """

    cel: str
    message: str
    field: str = ""
    reason: Literal["FieldValueInvalid", "FieldValueForbidden", "FieldValueRequired"] = "FieldValueInvalid"
    """`FieldValueDuplicate` is not among them: the server drops the message of such a refusal."""


@dataclass(frozen=True)
class Text:
    """Bounds of the wire form of a type that is a string in JSON but not in Python (Decimal, datetime, durations)."""

    min_length: int
    max_length: int


@dataclass(frozen=True)
class Format:
    """A form that the API server knows by name, for values that machines write."""

    name: Literal["date-time"]


@dataclass(frozen=True)
class ListMap:
    """A list whose items are told apart by these fields (`x-kubernetes-list-type: map`)."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class ListSet:
    """A list of scalars without repetition (`x-kubernetes-list-type: set`)."""


@dataclass(frozen=True)
class Atomic:
    """A list or object that has one owner and is replaced as a whole."""
