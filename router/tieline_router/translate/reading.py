"""Reads a client's request as strictly as its meaning demands: a field that nobody knows is refused by name. Pure.

A request is decoded into structs that forbid unknown fields, so that what a translation does not carry cannot get lost
unseen. `null` at the top level is as good as absent. Used by the translations.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from tieline_router.translate.translated import Untranslatable

T = TypeVar("T")

_PLACE: Final = re.compile(r" - at `\$?(.*?)`$")
_FIELD: Final = re.compile(r"^Object (contains unknown|missing required) field `(.*?)`")
_TAG: Final = re.compile(r"^Invalid (?:enum )?value ")
_GIVEN: Final = "Expected `null`, got"


class Given(NamedTuple):
    """A request's top level, sorted."""

    fields: dict[str, msgspec.Raw]
    dropped: tuple[str, ...]


def given(fields: Mapping[str, msgspec.Raw], *, harmless: Collection[str], droppable: Collection[str]) -> Given:
    """What has to be translated, without what is `null`, without meaning for the answer, or may be dropped."""
    present = {name: raw for name, raw in fields.items() if bytes(raw) != b"null"}
    dropped = tuple(name for name in present if name in droppable)
    kept = {name: raw for name, raw in present.items() if name not in harmless and name not in droppable}
    return Given(kept, dropped)


def read(decode: Callable[[bytes], T], fields: Mapping[str, msgspec.Raw], other: str, *, dots: bool = False) -> T:
    """The request as structs; `other` names the provider's API for messages. Paths are written as the client's API
    writes them: `messages[0].content`, or with dots, `messages.0.content`, as Anthropic's.

    Raises:
        Untranslatable: a field is unknown, or not what the client's API allows.
    """
    try:
        return decode(msgspec.json.encode(fields))
    except msgspec.ValidationError as error:
        raise _refusal(str(error), other, dots=dots) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _unreadable(fields) from None


def cannot_carry(param: str, other: str) -> Untranslatable:
    """The refusal of a field that has no place in the other API."""
    return Untranslatable(
        f"{param} cannot be carried to {other}, which the model's provider speaks: leave it out, "
        "or use a model that is served by the API of this request",
        param,
    )


def present(raw: msgspec.Raw) -> bool:
    """An optional raw value was given and is not null."""
    return bytes(raw) not in {b"", b"null"}


def json_object(raw: str | msgspec.Raw, param: str) -> dict[str, msgspec.Raw]:
    """The members of a JSON object that stands in a field as text or as a value.

    Raises:
        Untranslatable: it is not a JSON object.
    """
    text = raw.encode() if isinstance(raw, str) else bytes(raw)
    try:
        return _members(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Untranslatable(f"{param} must be a JSON object ({error})", param) from None


def encoded(fields: Mapping[str, Any]) -> dict[str, msgspec.Raw]:
    """The top level of a translated request, without what is None."""
    return {
        name: value if isinstance(value, msgspec.Raw) else msgspec.Raw(msgspec.json.encode(value))
        for name, value in fields.items()
        if value is not None
    }


_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def _unreadable(fields: Mapping[str, msgspec.Raw]) -> Untranslatable:
    """Which field holds what is no JSON text: a lone half of a surrogate pair, or too many brackets."""
    for name, raw in fields.items():
        try:
            msgspec.json.decode(raw)
        except RecursionError:
            return Untranslatable(f"{name} is nested too deeply", name)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            return Untranslatable(f"{name} holds text that is not valid Unicode, or no JSON ({error})", name)
    return Untranslatable("messages is nested too deeply", "messages")


def _refusal(reason: str, other: str, *, dots: bool) -> Untranslatable:
    place = _PLACE.search(reason)
    param = place.group(1).replace("[...]", ".*") if place else ""
    if dots:
        param = param.replace("[", ".").replace("]", "")
    text = reason[: place.start()] if place else reason
    field = _FIELD.match(text)
    if field is not None:
        param = f"{param}.{field.group(2)}"
    param = param.lstrip(".")
    if field is not None and field.group(1) == "missing required":
        return Untranslatable(f"{param} is missing", param)
    if field is not None or _TAG.match(text) or text.startswith(_GIVEN):
        return cannot_carry(param, other)
    return Untranslatable(f"{param}: {text[:1].lower()}{text[1:].replace('`', '')}", param)
