"""Bodies of multipart/form-data: where their parts are, and the same body with some parts replaced. Pure.

RFC 7578 on top of RFC 2046, read strictly: whatever two parsers may understand differently is refused, so that no part
means one thing to us and another to the provider. A scan for the boundary of our own instead of a library, because
libraries hand out decoded parts, and here a file's bytes must stay what and where they are: parts are cut out and put
together again, never encoded. Used by `request` and `attempt`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from tieline_router.errors import ErrorClass
from tieline_router.wire.fields import BadRequest, raw

MAX_PARTS: Final = 128
MAX_HEAD_BYTES: Final = 4096
"""Headers of one part."""
_CRLF: Final = b"\r\n"
_TOKEN: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER: Final = re.compile(rf';[ \t]*({_TOKEN})=(?:"((?:[^"\\\r\n]|\\.)*)"|({_TOKEN}))[ \t]*')
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_AFTER: Final = re.compile(rb"[ \t]*\r\n")
_PLAIN_NAME: Final = re.compile(r"[^\\%\"\x00-\x1f\x7f]+")
"""Backslashes and per cent signs are escapes to some parsers and themselves to others."""


class Part(NamedTuple):
    """One part; `head` are its header lines, `start` and `end` say where its content is in the body."""

    name: str
    is_file: bool
    head: bytes
    start: int
    end: int


class Multipart(NamedTuple):
    """A whole body, as it came."""

    body: bytes
    boundary: str
    parts: tuple[Part, ...]

    @property
    def content_type(self) -> str:
        """For the Content-Type header."""
        return f'multipart/form-data; boundary="{self.boundary}"'

    def replaced(self, replace: Mapping[str, str | None]) -> bytes:
        """The body with one text each in place of all parts of these names; None leaves them out. The rest keeps its
        bytes; preamble and epilogue, which mean nothing, are gone."""
        line = b"--" + self.boundary.encode()
        view = memoryview(self.body)
        pieces: list[bytes | memoryview] = []
        done = set()
        for part in self.parts:
            if part.name not in replace:
                pieces += (line, _CRLF, part.head, _CRLF + _CRLF, view[part.start : part.end], _CRLF)
            elif (text := replace[part.name]) is not None and part.name not in done:
                done.add(part.name)
                head = f'Content-Disposition: form-data; name="{part.name}"'.encode()
                pieces += (line, _CRLF, head, _CRLF + _CRLF, text.encode(), _CRLF)
        return b"".join((*pieces, line, b"--\r\n"))


def read_multipart(body: bytes, content_type: str) -> tuple[Multipart, dict[str, msgspec.Raw]]:
    """Finds the parts of a body.

    Returns:
        The parts, and the texts among them as JSON strings, the last of each name. A name that stands for both a text
        and a file, or for several texts where one is meant, is the provider's to judge; the last text is what we read.

    Raises:
        BadRequest: it is not multipart/form-data, or not well-formed.
    """
    boundary = _read_boundary(content_type)
    parts = tuple(_parts(body, boundary.encode()))
    fields: dict[str, msgspec.Raw] = {}
    for part in parts:
        if not part.is_file:
            try:
                fields[part.name] = raw(body[part.start : part.end].decode())
            except UnicodeDecodeError:
                raise _malformed(f"part {part.name!r} is not UTF-8") from None
    return Multipart(body, boundary, parts), fields


def _read_boundary(content_type: str) -> str:
    kind, _, _ = content_type.partition(";")
    if kind.strip().lower() != "multipart/form-data":
        message = f"this path takes multipart/form-data, not {kind.strip()[:64]!r}"
        raise BadRequest(ErrorClass.UNSUPPORTED_MEDIA_TYPE, message)
    parameters = _read_parameters(content_type[len(kind) :])
    if parameters is None or "boundary" not in parameters or not _BOUNDARY.fullmatch(parameters["boundary"]):
        raise _malformed("the Content-Type header has no readable boundary")
    return parameters["boundary"]


def _read_parameters(text: str) -> dict[str, str] | None:
    """The parameters of a header; None when they are malformed or one stands there twice."""
    found: dict[str, str] = {}
    place = 0
    text = text.strip()
    while place < len(text):
        match = _PARAMETER.match(text, place)
        if match is None:
            return None
        name = match[1].lower()
        if name in found:
            return None
        found[name] = match[3] if match[2] is None else match[2]
        place = match.end()
    return found


def _parts(body: bytes, boundary: bytes) -> list[Part]:
    line = b"--" + boundary
    delimiter = _CRLF + line
    # The first delimiter may stand at the very beginning, where no line end comes before it.
    start = len(line) if body.startswith(line) else _found(body, delimiter, 0) + len(delimiter)
    parts: list[Part] = []
    while not body.startswith(b"--", start):
        after = _AFTER.match(body, start)
        if after is None:
            raise _malformed("a line begins with the boundary and goes on")
        if len(parts) == MAX_PARTS:
            raise _malformed(f"there are more than {MAX_PARTS} parts")
        head_end = body.find(_CRLF + _CRLF, after.end() - 2, after.end() + MAX_HEAD_BYTES)
        if head_end < 0:
            raise _malformed(f"the headers of a part do not end within {MAX_HEAD_BYTES} bytes")
        content = head_end + 4
        end = _found(body, delimiter, content - 2)
        if end < content:
            raise _malformed("a part ends before its content begins")
        parts.append(_part(body[after.end() : head_end], content, end))
        start = end + len(delimiter)
    return parts


def _found(body: bytes, delimiter: bytes, start: int) -> int:
    place = body.find(delimiter, start)
    if place < 0:
        raise _malformed("the closing boundary is missing: the body is cut")
    return place


def _part(head: bytes, start: int, end: int) -> Part:
    dispositions = []
    for line in head.split(_CRLF):
        name, colon, value = line.partition(b":")
        if not colon or not name or name.strip() != name or b"\r" in line or b"\n" in line or b"\x00" in line:
            raise _malformed("a header of a part is not one")
        if name.lower() == b"content-disposition":
            dispositions.append(value.decode(errors="replace").strip())
    if len(dispositions) != 1:
        raise _malformed("a part needs one Content-Disposition header")
    kind, _, _ = dispositions[0].partition(";")
    parameters = _read_parameters(dispositions[0][len(kind) :])
    name_of = parameters.get("name") if parameters else None
    if kind.strip().lower() != "form-data" or not parameters or "name*" in parameters or not name_of:
        raise _malformed("a part's Content-Disposition must be form-data with a name")
    if not _PLAIN_NAME.fullmatch(name_of):
        raise _malformed(f"a part's name has signs that parsers read differently: {name_of[:64]!r}")
    return Part(name_of, "filename" in parameters or "filename*" in parameters, head, start, end)


def _malformed(why: str) -> BadRequest:
    return BadRequest(ErrorClass.INVALID_TYPE, f"the multipart body cannot be read: {why}")
