"""One JSON object of a request whose every key must be taken, or the request is refused. Pure.

A translation may leave nothing out in silence: what no line of it took, and is not null, is named in the refusal. Used
by the translators of requests between OpenAI's two APIs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Self, TypeVar

import msgspec

from tieline_router.translate.translated import Untranslatable

T = TypeVar("T")
Fields = dict[str, msgspec.Raw]

NULL: Final = msgspec.Raw(b"null")
_object: Final = msgspec.json.Decoder(Fields)
_array: Final = msgspec.json.Decoder(list[msgspec.Raw])
_string: Final = msgspec.json.Decoder(str)
_flag: Final = msgspec.json.Decoder(bool)
_any: Final = msgspec.json.Decoder()
_encode: Final = msgspec.json.Encoder().encode


def raw(value: object) -> msgspec.Raw:
    """A value, which may hold raw parts, as raw JSON."""
    return msgspec.Raw(_encode(value))


def is_string(value: msgspec.Raw) -> bool:
    return starts_with(value, '"')


def starts_with(value: msgspec.Raw, sign: str) -> bool:
    """Looks at the first byte of JSON, which tells its type, without a copy."""
    return bytes(memoryview(value)[:1]) == sign.encode()


def decode(value: msgspec.Raw, decoder: msgspec.json.Decoder[T], path: str, words: str) -> T:
    """One value of the request.

    Raises:
        Untranslatable: it is not what `words` say.
    """
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Untranslatable(f"{path} must be {words}", path) from None


def read_array(value: msgspec.Raw, path: str) -> list[msgspec.Raw]:
    return decode(value, _array, path, "an array")


class StrictObject:
    """Takes keys one by one; `finish` refuses what is left. A null is as good as absent.

    Every method raises `Untranslatable` with the key's path when the value is not what the method says.
    """

    def __init__(self, value: msgspec.Raw | Mapping[str, msgspec.Raw], path: str) -> None:
        self.path = path
        if isinstance(value, msgspec.Raw):
            members: Fields = decode(value, _object, path, "an object")
            value = members
        self._left = {name: found for name, found in value.items() if found != NULL}

    def __contains__(self, name: str) -> bool:
        return name in self._left

    def at(self, name: str) -> str:
        """The path of a key."""
        return f"{self.path}.{name}" if self.path else name

    def take(self, name: str) -> msgspec.Raw | None:
        """The value as it came."""
        return self._left.pop(name, None)

    def text(self, name: str) -> msgspec.Raw | None:
        """A string, its bytes as they came."""
        value = self.take(name)
        if value is not None and not is_string(value):
            raise Untranslatable(f"{self.at(name)} must be a string", self.at(name))
        return value

    def required_text(self, name: str) -> msgspec.Raw:
        value = self.text(name)
        if value is None:
            raise self.missing(name)
        return value

    def string(self, name: str) -> str | None:
        value = self.take(name)
        return None if value is None else decode(value, _string, self.at(name), "a string")

    def flag(self, name: str) -> bool | None:
        value = self.take(name)
        return None if value is None else decode(value, _flag, self.at(name), "true or false")

    def array(self, name: str) -> list[msgspec.Raw] | None:
        value = self.take(name)
        return None if value is None else read_array(value, self.at(name))

    def nested(self, name: str) -> Self | None:
        value = self.take(name)
        return None if value is None else type(self)(value, self.at(name))

    def required_nested(self, name: str) -> Self:
        found = self.nested(name)
        if found is None:
            raise self.missing(name)
        return found

    def carry(self, names: tuple[str, ...], to: dict[str, object]) -> None:
        """Moves keys that both APIs call the same, byte for byte."""
        for name in names:
            value = self.take(name)
            if value is not None:
                to[name] = value

    def ignore(self, *names: str) -> None:
        """Leaves out keys that say nothing to a provider."""
        for name in names:
            self._left.pop(name, None)

    def only(self, name: str, *values: object) -> None:
        """Leaves out a key that has one of these values, which change nothing; refuses any other value."""
        value = self.take(name)
        if value is None:
            return
        found = decode(value, _any, self.at(name), "valid JSON")
        if not any(found == permitted and type(found) is type(permitted) for permitted in values):
            raise self.refusal(name)

    def finish(self) -> None:
        """Nothing may be left."""
        for name in self._left:
            raise self.refusal(name)

    def missing(self, name: str) -> Untranslatable:
        return Untranslatable(f"{self.at(name)} is missing", self.at(name))

    def refusal(self, name: str) -> Untranslatable:
        """What has meaning and cannot be carried."""
        path = self.at(name)
        return Untranslatable(
            f"{path} cannot be carried to the API that this model's providers speak: leave it out, or use a model"
            " that is served by the API of your request",
            path,
        )
