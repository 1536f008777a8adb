"""Reads YAML as kubectl does, and remembers where every value stood. Called by lint, dev and explain.

kubectl converts YAML to JSON with YAML 1.1 booleans and Go's integers, which differs from PyYAML and from YAML 1.2:
`NO` is false, `y` is true, `010` is 8, `1_000` is 1000, `16:30` is a string. The scanner and the composer are PyYAML's;
only the meaning of plain scalars is given here. A test runs the same texts through a real kubectl.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
MAX_DOCUMENTS: Final = 10_000
MAX_DEPTH: Final = 64
MAX_NODES: Final = 1_000_000
"""Aliases repeat what they name: this bounds what a small file can become."""

_STRING_TAG: Final = "tag:yaml.org,2002:str"
_BINARY_TAG: Final = "tag:yaml.org,2002:binary"

Path = tuple[str | int, ...]
"""Keys and indexes from the root of a document to a value."""

_NAMED: Final[Mapping[str, bool | float | None]] = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INTEGERS: Final = (
    (re.compile(r"[-+]?0[xX][0-9a-fA-F]+"), 16),
    (re.compile(r"[-+]?0[bB][01]+"), 2),
    (re.compile(r"[-+]?0[oO]?[0-7]+"), 8),
    (re.compile(r"[-+]?(?:0|[1-9][0-9]*)"), 10),
)
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LARGEST_EXACT: Final = 1e21
"""Go writes whole floats below this without an exponent, so they arrive as integers."""


class ManifestError(Exception):
    """A text that is not YAML, or not what a manifest can be. `line` counts from 1."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stood (`line` from 1) and, for a plain scalar, the text that was written there."""

    line: int
    plain: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """One document: the object as JSON values, and the place of every value in it by path."""

    object: dict[str, Any]
    line: int
    places: Mapping[Path, Place] = field(repr=False)

    def line_of(self, path: Path) -> int:
        """Line of the value at `path`, or of the nearest value around it that was written."""
        return self.place_of(path).line

    def place_of(self, path: Path) -> Place:
        """Place of the value at `path`, or of the nearest value around it."""
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path, Place(self.line))


def scalar(text: str) -> bool | int | float | str | None:
    """What kubectl reads a plain (unquoted) scalar as."""
    if text in _NAMED:
        return _NAMED[text]
    if text[0] not in "+-.0123456789":
        return text
    digits = text if text[0] == "." else text.replace("_", "")
    for pattern, base in _INTEGERS:
        if pattern.fullmatch(digits):
            number = int(re.sub("0[xXbBoO]", "", digits, count=1), base)
            if -(2**63) <= number < 2**63:
                return number
    if not _FLOAT.fullmatch(digits):
        return text
    value = float(digits)
    return int(value) if value.is_integer() and abs(value) < _LARGEST_EXACT else value


def read_manifests(text: str) -> Iterator[Manifest]:
    """Every object of a YAML text; documents without content are passed over, `kind: List` is taken apart.

    Raises:
        ManifestError: not YAML, duplicate keys, not a mapping, or beyond the bounds above.
    """
    if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE_BYTES:
        raise ManifestError(f"the file is larger than {MAX_FILE_BYTES // 1024 // 1024} MiB: split it", 1)
    if text.lstrip().startswith("{"):
        text = text.replace("\t", " ")  # JSON may be indented by tabs, which YAML forbids and JSON strings cannot hold
    try:
        for number, node in enumerate(yaml.compose_all(text, Loader=yaml.SafeLoader)):
            if number >= MAX_DOCUMENTS:
                raise ManifestError(
                    f"more than {MAX_DOCUMENTS} documents in one file: split it", node.start_mark.line + 1
                )
            yield from _documents(node)
    except yaml.YAMLError as error:
        raise _not_yaml(error) from None
    except RecursionError:
        raise ManifestError(f"nested deeper than {MAX_DEPTH} levels", 1) from None


def _documents(node: yaml.Node) -> Iterator[Manifest]:
    line = node.start_mark.line + 1
    reader = _Reader()
    value = reader.read(node, (), 0)
    if value is None:
        return
    if not isinstance(value, dict):
        raise ManifestError("a manifest is a mapping that starts with apiVersion and kind", line)
    if value.get("kind") == "List" and isinstance(value.get("items"), list):
        for index, item in enumerate(value["items"]):
            prefix = ("items", index)
            if not isinstance(item, dict):
                raise ManifestError(f"items[{index}] of the List is not an object", line)
            places = {path[2:]: place for path, place in reader.places.items() if path[:2] == prefix}
            yield Manifest(item, places[()].line, places)
        return
    yield Manifest(value, line, reader.places)


def _not_yaml(error: yaml.YAMLError) -> ManifestError:
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        parts = [part for part in (error.context, error.problem) if part]
        return ManifestError(f"not YAML: {', '.join(parts)}", mark.line + 1 if mark else 1)
    return ManifestError(f"not YAML: {error}", 1)


class _Reader:
    """Turns composed nodes into JSON values and collects their places; one instance a document."""

    def __init__(self) -> None:
        self.places: dict[Path, Place] = {}

    def read(self, node: yaml.Node, path: Path, depth: int, line: int | None = None) -> Any:
        """The value of a node. `line`: where its key stands, which is where people look for it."""
        line = node.start_mark.line + 1 if line is None else line
        if depth > MAX_DEPTH:
            raise ManifestError(f"nested deeper than {MAX_DEPTH} levels (does an alias name itself?)", line)
        if len(self.places) >= MAX_NODES:
            raise ManifestError("too large once its aliases are expanded", line)
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path, line)
        self.places[path] = Place(line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path, depth)
        return [self.read(item, (*path, index), depth + 1) for index, item in enumerate(node.value)]

    def _scalar(self, node: yaml.ScalarNode, path: Path, line: int) -> Any:
        text: str = node.value
        is_plain = node.style is None and not (_has_tag(node) and node.tag == _STRING_TAG)
        self.places[path] = Place(line, text if is_plain else None)
        if node.tag == _BINARY_TAG:
            raise ManifestError("!!binary is not a JSON value: write the base64 text as a string", line)
        return scalar(text) if is_plain else text

    def _mapping(self, node: yaml.MappingNode, path: Path, depth: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise ManifestError("a mapping key must be a plain word", line)
            if key_node.style is None and key_node.value == "<<":
                merged.append(value_node)
                continue
            key = _key(key_node)
            if key in result:
                raise ManifestError(f"the key {key!r} stands twice in one mapping: remove one of them", line)
            result[key] = self.read(value_node, (*path, key), depth + 1, line)
        for source in merged:
            for key, value in self._merge(source, path, depth).items():
                result.setdefault(key, value)
        return result

    def _merge(self, source: yaml.Node, path: Path, depth: int) -> dict[str, Any]:
        """The keys that `<<` brings in: a mapping, or a list of mappings of which the earlier win."""
        nodes = source.value if isinstance(source, yaml.SequenceNode) else [source]
        result: dict[str, Any] = {}
        kept = dict(self.places)
        for node in nodes:
            if not isinstance(node, yaml.MappingNode):
                raise ManifestError("<< takes a mapping or a list of mappings", source.start_mark.line + 1)
            for key, value in self._mapping(node, path, depth + 1).items():
                result.setdefault(key, value)
        self.places.update(kept)
        return result


def _has_tag(node: yaml.ScalarNode) -> bool:
    # The composer fills in tags by PyYAML's own table; only a mark that points at `!` tells one that was written.
    mark = node.start_mark
    return mark.buffer is not None and bool(mark.buffer[mark.pointer : mark.pointer + 1] == "!")


def _key(node: yaml.ScalarNode) -> str:
    """JSON keys are strings: kubectl writes booleans and numbers that stand as keys in their JSON form."""
    if node.style is not None:
        return str(node.value)
    value = scalar(node.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value)
