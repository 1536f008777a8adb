"""The top level of a JSON body as raw values, and typed looks at single ones. Pure.

Fields that nobody reads keep their bytes. A key that was sent twice cannot mean one thing to us and another to the
provider, because only its last value is kept and sent on. `null` is as good as absent. Used by the readers and by
`request`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, TypeVar

import msgspec

from tieline_router.errors import ErrorClass

T = TypeVar("T")
D = TypeVar("D")
Fields = dict[str, msgspec.Raw]
MOST_TOKENS: Final = 2**31 - 1

TRUE: Final = msgspec.Raw(b"true")
FALSE: Final = msgspec.Raw(b"false")
NULL: Final = msgspec.Raw(b"null")

_fields: Final = msgspec.json.Decoder(Fields)
_string: Final = msgspec.json.Decoder(str)
_optional_integer: Final[msgspec.json.Decoder[int | None]] = msgspec.json.Decoder(int | None)


class BadRequest(Exception):
    """The request cannot be served as it is: the caller's fault. `param` names the field."""

    def __init__(self, error: ErrorClass, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.error = error
        self.param = param


def read_fields(body: bytes) -> Fields:
    """The top level of a JSON object, values as raw bytes.

    Raises:
        BadRequest: it is not UTF-8, not JSON, not an object, or nested too deeply.
    """
    if not body:
        raise BadRequest(ErrorClass.INVALID_JSON, "the body is empty: send a JSON object")
    try:
        if not body.isascii():
            body.decode()  # msgspec skips over strings that nobody reads; a provider would not
        return _fields.decode(body)
    except msgspec.ValidationError:
        raise BadRequest(ErrorClass.INVALID_JSON, "the body must be a JSON object") from None
    except msgspec.DecodeError as error:
        raise BadRequest(ErrorClass.INVALID_JSON, f"the body is not valid JSON: {error}") from None
    except UnicodeDecodeError as error:
        raise BadRequest(ErrorClass.INVALID_JSON, f"the body is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise BadRequest(ErrorClass.NESTING_TOO_DEEP, "the JSON of the body is nested too deeply") from None


def raw(value: object) -> msgspec.Raw:
    """A value as raw JSON."""
    return msgspec.Raw(msgspec.json.encode(value))


def given(fields: Mapping[str, msgspec.Raw], name: str) -> bool:
    """The field is there and not null."""
    return name in fields and fields[name] != NULL


def wrong(message: str, param: str) -> BadRequest:
    """The refusal of a field's type or value."""
    return BadRequest(ErrorClass.INVALID_TYPE, message, param)


def missing(name: str) -> BadRequest:
    """The refusal of a body that lacks a field."""
    return BadRequest(ErrorClass.MISSING_FIELD, f"{name} is missing", name)


def typed(fields: Mapping[str, msgspec.Raw], name: str, decoder: msgspec.json.Decoder[T], words: str) -> T | None:
    """The field's value, None when it is absent or null. `words` say what it must be.

    Raises:
        BadRequest: it is of another type.
    """
    value = fields.get(name)
    if value is None or value == NULL:
        return None
    return decoded(value, name, decoder, words)


def decoded(value: msgspec.Raw, name: str, decoder: msgspec.json.Decoder[T], words: str) -> T:
    """One value, decoded.

    Raises:
        BadRequest: it is not what `words` say.
    """
    try:
        return decoder.decode(value)
    except msgspec.ValidationError as error:
        raise wrong(f"{name} must be {words} ({_reason(error)})", name) from None
    except msgspec.DecodeError:  # such as half a surrogate pair, which is skipped over until somebody reads it
        raise BadRequest(ErrorClass.INVALID_JSON, f"{name} is not valid JSON", name) from None
    except RecursionError:
        raise BadRequest(ErrorClass.NESTING_TOO_DEEP, f"{name} is nested too deeply", name) from None


def _reason(error: msgspec.ValidationError) -> str:
    return str(error).partition(" - at ")[0].replace("`", "").replace("Expected", "expected")


def required_string(fields: Mapping[str, msgspec.Raw], name: str) -> str:
    """A string that must be there and not be empty.

    Raises:
        BadRequest: it is absent, empty, or no string.
    """
    value = fields.get(name)
    if value is None:
        raise missing(name)
    found = decoded(value, name, _string, "a string")
    if not found:
        raise wrong(f"{name} must not be empty", name)
    return found


def flag(fields: Mapping[str, msgspec.Raw], name: str) -> bool:
    """A boolean, false when absent.

    Raises:
        BadRequest: it is something else.
    """
    value = fields.get(name)
    if value is None or value == FALSE:
        return False
    if value == TRUE:
        return True
    if value == NULL:
        return False
    raise wrong(f"{name} must be true or false", name)


def count(fields: Mapping[str, msgspec.Raw], name: str, least: int = 1, most: int = MOST_TOKENS) -> int | None:
    """An integer within bounds, None when absent.

    Raises:
        BadRequest: it is no integer, or out of bounds.
    """
    value = fields.get(name)
    if value is None:
        return None
    found = decoded(value, name, _optional_integer, "an integer")
    if found is None:
        return None
    if not least <= found <= most:
        raise wrong(f"{name} must be between {least} and {most}, not {found}", name)
    return found


def required_array(fields: Mapping[str, msgspec.Raw], name: str) -> bytes:
    """The raw bytes of an array that must be there.

    Raises:
        BadRequest: it is absent, or something else.
    """
    value = fields.get(name)
    if value is None:
        raise missing(name)
    found = bytes(value)
    if not found.startswith(b"["):
        raise wrong(f"{name} must be an array", name)
    return found


def array(fields: Mapping[str, msgspec.Raw], name: str) -> bytes:
    """The raw bytes of an array; empty when it is absent or null.

    Raises:
        BadRequest: it is something else.
    """
    return required_array(fields, name) if given(fields, name) else b""


def filled_array(fields: Mapping[str, msgspec.Raw], name: str) -> bool:
    """Whether the field is an array that is not empty.

    Raises:
        BadRequest: it is there and no array.
    """
    return bool(array(fields, name)[1:-1].strip())


def shallow(value: msgspec.Raw | None) -> object:
    """A string or null as itself; any other value as a marker that it is one."""
    if value is None:
        return None
    found = bytes(value)
    return lenient(msgspec.json.decode, found, found) if found.startswith((b'"', b"null")) else found


def lenient(decode: Callable[[bytes], T], data: bytes, otherwise: D) -> T | D:
    """What is between client and provider: we look, and never refuse."""
    try:
        found = decode(data)
    except (msgspec.DecodeError, RecursionError):
        return otherwise
    return found
