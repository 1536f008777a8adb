"""Thinking blocks of Anthropic's API and `reasoning_details` of chat completions, both ways. Pure.

A provider accepts its own reasoning back only as it sent it. Signatures and encrypted data therefore pass as they are:
a thinking block is `{type: reasoning.text, text, signature}`, a redacted one `{type: reasoning.encrypted, data}`, both
of the format `anthropic-claude-v1`. Reasoning of any other provider has no block; for an Anthropic client it becomes a
thinking block whose signature is a mark that holds what the block has no place for, so that the answer of the client
brings the provider's own entry back. Used by the translations.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Final

import msgspec

FORMAT: Final = "anthropic-claude-v1"
_STRINGS: Final = frozenset({"reasoning", "reasoning_content"})
MARK: Final = "tieline:"
"""Begins a signature, or the data of a redacted block, that is ours. No signature of Anthropic's has a colon."""


class Detail(msgspec.Struct):
    """What is read of an entry of `reasoning_details`; an entry is sent on whole."""

    type: str | None = None
    text: str | None = None
    summary: str | None = None
    data: str | None = None
    signature: str | None = None
    format: str | None = None
    index: int | None = None


class Origin(msgspec.Struct, omit_defaults=True):
    """What a mark holds: where a piece of reasoning came from."""

    field: str = ""
    """Name of the plain string field."""
    detail: dict[str, msgspec.Raw] | None = None
    """The entry of `reasoning_details`, without the text that stands in the block itself."""
    text: str = ""
    """Name of that text's member."""


_detail: Final = msgspec.json.Decoder(Detail).decode
_entry: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_origin: Final = msgspec.json.Decoder(Origin).decode


def read_detail(raw: msgspec.Raw) -> Detail | None:
    """One entry; None when it is not understood."""
    try:
        return _detail(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def text_detail(index: int, text: str | msgspec.Raw, signature: str | msgspec.Raw | None) -> dict[str, object]:
    detail: dict[str, object] = {"type": "reasoning.text", "text": text, "format": FORMAT, "index": index}
    return detail if signature is None else detail | {"signature": signature}


def encrypted_detail(index: int, data: str | msgspec.Raw) -> dict[str, object]:
    return {"type": "reasoning.encrypted", "data": data, "format": FORMAT, "index": index}


def is_ours(format_name: str | None) -> bool:
    """The entry is of Anthropic's API, as far as it says."""
    return format_name in {None, FORMAT, "unknown"}


def blocks(details: list[msgspec.Raw]) -> list[dict[str, object]]:
    """The thinking blocks of an assistant turn that a chat client sends back.

    Clients that collected the pieces of a stream may send them unjoined: neighbours with one index are one block.
    What has no signature cannot be verified and is left out, as is the reasoning of other providers.
    """
    joined: list[tuple[Detail, list[str]]] = []
    for raw in details:
        detail = read_detail(raw)
        if detail is None or not is_ours(detail.format):
            continue
        last = joined[-1] if joined else None
        if last is not None and _continues(last[0], detail):
            last[1].append(detail.text or "")
            last[0].signature = detail.signature
        else:
            joined.append((detail, [detail.text or ""]))
    found: list[dict[str, object]] = []
    for detail, texts in joined:
        if detail.type == "reasoning.text" and detail.signature is not None:
            found.append({"type": "thinking", "thinking": "".join(texts), "signature": detail.signature})
        elif detail.type == "reasoning.encrypted" and detail.data is not None:
            found.append({"type": "redacted_thinking", "data": detail.data})
    return found


def _continues(last: Detail, detail: Detail) -> bool:
    same = detail.type == last.type == "reasoning.text" and detail.index is not None and detail.index == last.index
    return same and not last.signature


def field_mark(field: str) -> str:
    """The signature for reasoning that came as a plain string under the name `field`."""
    return _mark(Origin(field=field))


def detail_mark(raw: msgspec.Raw, without: str = "", signature: str | None = None) -> str:
    """The signature, or data, for an entry of `reasoning_details` of another format. The text under `without` stands
    in the block itself; `signature` is one that came later in the stream than the entry."""
    try:
        entry = _entry(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        entry = {}
    entry.pop(without, None)
    if signature is not None:
        entry["signature"] = msgspec.Raw(msgspec.json.encode(signature))
    return _mark(Origin(detail=entry, text=without))


def _mark(origin: Origin) -> str:
    return MARK + base64.urlsafe_b64encode(msgspec.json.encode(origin)).decode()


def _origin_of(signature: str) -> Origin | None:
    """What a mark holds; None for a signature that is the provider's own."""
    if not signature.startswith(MARK):
        return None
    try:
        return _origin(base64.urlsafe_b64decode(signature.removeprefix(MARK)))
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return Origin()


class Returned:
    """The reasoning of an assistant turn as a chat provider gets it back."""

    def __init__(self) -> None:
        self._strings: dict[str, list[str]] = {}
        """Texts, by the name of the plain field that they came in."""
        self.details: list[Mapping[str, object]] = []

    @property
    def strings(self) -> dict[str, str]:
        """The plain fields."""
        return {name: "".join(texts) for name, texts in self._strings.items()}

    def thinking(self, thinking: str, signature: str) -> None:
        """Takes one thinking block. One with a mark that cannot be read is left out."""
        origin = _origin_of(signature)
        if origin is None:
            self.details.append(text_detail(len(self.details), thinking, signature))
        elif origin.field in _STRINGS:
            self._strings.setdefault(origin.field, []).append(thinking)
        elif origin.detail is not None:
            self.details.append({**origin.detail, origin.text or "text": thinking})

    def redacted(self, data: str) -> None:
        """Takes one redacted thinking block."""
        origin = _origin_of(data)
        if origin is None:
            self.details.append(encrypted_detail(len(self.details), data))
        elif origin.detail is not None:
            self.details.append(origin.detail)
