"""API types to structural OpenAPI schemas, as CustomResourceDefinitions want them. Called by `tieline_api.schema`.

The types in `tieline_api.v1alpha1` are the only source: shapes and defaults from pydantic, bounds and CEL rules from
markers, descriptions from the docstrings below the fields. What a structural schema cannot say is refused with a
`TypeError` that names the type, so that a new type either comes out right or not at all.
"""

from __future__ import annotations

import ast
import inspect
import sys
from datetime import datetime
from decimal import Decimal
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from tieline_api.v1alpha1.markers import Atomic, Format, ListMap, ListSet, Rule, Text
from tieline_api.v1alpha1.meta import Shape
from tieline_api.v1alpha1.scalars import format_decimal

Schema = dict[str, Any]

_INT32: Final = 2**31 - 1


def object_schema(shape: type[Shape], *, defaults: bool = True) -> Schema:
    """The schema of one object type: its fields in order of definition, its rules.

    `defaults=False` leaves defaults out: status is written by one writer, and the server must not add to it.
    """
    properties: dict[str, Schema] = {}
    required: list[str] = []
    descriptions = field_descriptions(shape)
    for name, field in shape.model_fields.items():
        wire_name = field.alias or name
        schema = _value_schema(field.annotation, tuple(field.metadata), defaults=defaults)
        properties[wire_name] = {"description": descriptions[name], **schema}
        if field.is_required():
            required.append(wire_name)
        elif defaults:
            _add_default(properties[wire_name], field)
    result: Schema = {"type": "object", "properties": properties}
    if required:
        result["required"] = required
    if shape.ATOMIC:
        result["x-kubernetes-map-type"] = "atomic"
    return _with_rules(result, shape.RULES)


def _add_default(schema: Schema, field: FieldInfo) -> None:
    default = _wire_default(field.get_default(call_default_factory=False))
    if default not in (None, [], PydanticUndefined):
        schema["default"] = default


def _wire_default(value: Any) -> Any:
    """A default as it stands in manifests. Written out to the leaves, because the server judges a default by the rules
    before it fills the defaults inside it in."""
    if isinstance(value, Shape):
        fields = {field.alias or name: getattr(value, name) for name, field in type(value).model_fields.items()}
        written = {name: _wire_default(field) for name, field in fields.items()}
        return {name: field for name, field in written.items() if field not in (None, [])}
    if isinstance(value, tuple):
        return [_wire_default(item) for item in value]
    if isinstance(value, Decimal):
        return format_decimal(value)
    return str(value) if isinstance(value, str) else value


def _value_schema(annotation: Any, markers: tuple[Any, ...], *, defaults: bool) -> Schema:
    """The schema of a value of this type, with the markers that were found on the way to it."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _value_schema(arguments[0], (*arguments[1:], *markers), defaults=defaults)
    if origin in (Union, UnionType):
        present = [argument for argument in arguments if argument is not NoneType]
        if len(present) != 1:
            raise TypeError(f"{annotation}: a structural schema has no unions; use optional fields and a rule")
        return _value_schema(present[0], markers, defaults=defaults)
    if origin is tuple:
        return _list_schema(arguments, markers, defaults=defaults)
    if origin is dict:
        values = _value_schema(arguments[1], (), defaults=defaults)
        return _with_rules(
            {"type": "object", "additionalProperties": values, **_bounds(markers, "Properties")}, markers
        )
    if origin is Literal:
        return _with_rules({"type": "string", "enum": list(arguments)}, markers)
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return _with_rules(object_schema(annotation, defaults=defaults), markers)
    return _scalar_schema(annotation, markers)


def _list_schema(arguments: tuple[Any, ...], markers: tuple[Any, ...], *, defaults: bool) -> Schema:
    if len(arguments) != 2 or arguments[1] is not Ellipsis:
        raise TypeError(f"tuple{list(arguments)}: only lists of one item type have a structural schema")
    schema: Schema = {"type": "array", **_bounds(markers, "Items")}
    kinds = [marker for marker in markers if isinstance(marker, ListMap | ListSet | Atomic)]
    match kinds:
        case [ListMap(keys)]:
            schema |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}
        case [ListSet()]:
            schema["x-kubernetes-list-type"] = "set"
        case [Atomic()]:
            schema["x-kubernetes-list-type"] = "atomic"
        case _:
            raise TypeError(f"list of {arguments[0]}: mark it as exactly one of ListMap, ListSet and Atomic")
    schema["items"] = _value_schema(arguments[0], (), defaults=defaults)
    return _with_rules(schema, markers)


def _scalar_schema(annotation: Any, markers: tuple[Any, ...]) -> Schema:
    markers = (*getattr(annotation, "MARKERS", ()), *markers)
    if annotation is bool:
        return _with_rules({"type": "boolean"}, markers)
    if annotation is int:
        low = [marker.ge for marker in markers if isinstance(marker, Ge)]
        high = [marker.le for marker in markers if isinstance(marker, Le)]
        if not low or not high:
            raise TypeError("integers must be bounded: mark them with Ge and Le")
        size = "int32" if isinstance(high[-1], int) and high[-1] <= _INT32 else "int64"
        return _with_rules({"type": "integer", "format": size, "minimum": low[-1], "maximum": high[-1]}, markers)
    if annotation in (Decimal, datetime) or (isinstance(annotation, type) and issubclass(annotation, str)):
        schema: Schema = {"type": "string", **_bounds(markers, "Length")}
        if "maxLength" not in schema:
            raise TypeError(f"{annotation}: strings must be bounded: mark them with MaxLen or Text")
        for marker in markers:
            if isinstance(marker, Format):
                schema["format"] = marker.name
        return _with_rules(schema, markers)
    raise TypeError(f"{annotation} has no structural schema")


def _bounds(markers: tuple[Any, ...], what: str) -> Schema:
    bounds: Schema = {}
    for marker in markers:
        match marker:
            case MinLen(low) if low > 0:
                bounds[f"min{what}"] = low
            case MaxLen(high):
                bounds[f"max{what}"] = high
            case Text(low, high):
                bounds |= {f"min{what}": low, f"max{what}": high}
            case _:
                pass
    return bounds


def _with_rules(schema: Schema, markers: tuple[Any, ...]) -> Schema:
    rules = [_validation(marker) for marker in markers if isinstance(marker, Rule)]
    if rules:
        schema["x-kubernetes-validations"] = [*schema.get("x-kubernetes-validations", []), *rules]
    return schema


def _validation(rule: Rule) -> Schema:
    validation: Schema = {"rule": rule.cel, "message": rule.message}
    if rule.field:
        validation["fieldPath"] = rule.field
    if rule.reason != "FieldValueInvalid":
        validation["reason"] = rule.reason
    return validation


# -- descriptions --


def field_descriptions(shape: type[Shape]) -> dict[str, str]:
    """The docstring below each field, in one line, by Python name.

    Raises:
        TypeError: a field has none; users read them with `kubectl explain`.
    """
    found: dict[str, str] = {}
    for ancestor in reversed(shape.__mro__):
        if issubclass(ancestor, Shape) and ancestor is not Shape:
            found |= _module_descriptions(ancestor.__module__).get(ancestor.__name__, {})
    missing = [name for name in shape.model_fields if name not in found]
    if missing:
        raise TypeError(f"{shape.__name__}: no docstring below {', '.join(missing)}")
    return found


@cache
def _module_descriptions(module: str) -> dict[str, dict[str, str]]:
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    return {node.name: _class_descriptions(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _class_descriptions(node: ast.ClassDef) -> dict[str, str]:
    found: dict[str, str] = {}
    for field, text in zip(node.body, node.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(doc))):
                found[name] = " ".join(doc.split())
            case _:
                pass
    return found
