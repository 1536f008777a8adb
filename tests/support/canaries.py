"""Secret values that can be found again: every form in which one may have slipped out, and a search for them. Pure.

A canary is a value that stands nowhere else. `forms` knows how text usually carries it on: as it is, escaped in JSON or
a URL, in base64 at any alignment, in hexadecimal. `find` says which canary stands where. Used by the cluster floor.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

MIN_CHARACTERS = 16
"""A shorter text may stand somewhere by chance."""


def forms(value: bytes) -> frozenset[bytes]:
    """Byte strings, one of which stands wherever the value stands."""
    if len(value) < MIN_CHARACTERS:
        raise ValueError(f"a canary has {MIN_CHARACTERS} bytes or more, not {len(value)}")
    text = value.decode("latin-1")
    escaped = json.dumps(text)[1:-1]
    plain = {text, escaped, escaped.replace("/", "\\/"), quote(text, safe=""), quote(text), quote_plus(text)}
    found = {form.encode("latin-1") for form in plain}
    found |= {form.replace(b"%2B", b"%2b").replace(b"%2F", b"%2f").replace(b"%3D", b"%3d") for form in found}
    found |= set(_base64(value))
    found |= {value.hex().encode(), value.hex().upper().encode()}
    return frozenset(found)


def _base64(value: bytes) -> Iterator[bytes]:
    """The middle of the value in base64, which does not depend on its neighbours, for each of three alignments."""
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole = encode(b"\0" * before + value)
            # The first group mixes with what stands before, the last with what stands after.
            yield whole[4 if before else 0 : len(whole) // 4 * 4 - 4]


def pem_lines(pem: bytes) -> list[bytes]:
    """The lines of a PEM text that carry it: any of them gives it away in part."""
    return [line for line in pem.split() if b"-----" not in line and len(line) >= MIN_CHARACTERS]


def find(canaries: Mapping[str, frozenset[bytes]], places: Mapping[str, bytes]) -> list[str]:
    """`<canary> in <place>` for each that stands somewhere; with a little of what stands around it, but not itself."""
    return [
        f"{name} in {place} after {content[max(0, at - 60) : at]!r}"
        for place, content in places.items()
        for name, sought in canaries.items()
        for at in [min((content.find(form) for form in sought if form in content), default=-1)]
        if at >= 0
    ]
