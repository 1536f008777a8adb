"""Reasoning between OpenAI's two APIs: items of responses, and `reasoning_details` of chat completions. Pure.

A provider accepts its own reasoning back only as it sent it. Encrypted content of a Responses provider passes as it is,
both ways, in entries of the format `openai-responses-v1`. What a chat provider sends and an item has no place for (a
signature, an entry of another format) goes into the item's `encrypted_content` as a mark that brings the provider's own
entries back. Used by the translators between the two APIs.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from typing import Any, Final

import msgspec

from tieline_router.translate.kept import Kept, Text

FORMAT: Final = "openai-responses-v1"
MARK: Final = "tieline.reasoning:"
"""Begins an `encrypted_content` that is ours. No base64 has a colon."""

Detail = dict[str, Any]
"""An entry of `reasoning_details`, with all of its keys."""

_details: Final = msgspec.json.Decoder(list[Detail])


class Part(msgspec.Struct):
    """A part of an item's `summary` or `content`."""

    text: str = ""


class ReasoningItem(msgspec.Struct):
    """What is read of a reasoning item."""

    id: str | None = None
    summary: list[Part] | None = None
    content: list[Part] | None = None
    encrypted_content: str | None = None


def read_details(raw: msgspec.Raw) -> list[Detail]:
    """The entries of a chat answer that say something; none when they are not understood."""
    if not bytes(raw):  # most deltas have none, and a failed decode takes a microsecond
        return []
    try:
        found = _details.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
    return [detail for detail in found if words_of(detail) or not _is_plain(detail)]


def kind_of(detail: Detail) -> str:
    """The entry's type."""
    found = detail.get("type")
    return found if isinstance(found, str) else ""


def words_of(detail: Detail) -> str:
    """What a reader sees of an entry."""
    found = detail.get(_words_key(detail))
    return found if isinstance(found, str) else ""


class Joiner:
    """Puts the pieces of streamed entries together again."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._entries: list[tuple[Detail, Text]] = []

    def add(self, detail: Detail) -> None:
        """Adds a piece to the entry that it continues, or begins a new one.

        Raises:
            TooLarge: more is kept than may be.
        """
        key, said = _words_key(detail), words_of(detail)
        if not self._entries or not _continues(self._entries[-1][0], detail):
            self._entries.append(({}, Text(self._kept)))
            self._kept.entry()
        entry, words = self._entries[-1]
        words.add(said)
        told = {name: "" if name == key and said else value for name, value in detail.items()}
        fresh = {name: value for name, value in told.items() if name not in entry or value not in (None, entry[name])}
        if fresh:
            self._kept.add(len(msgspec.json.encode(fresh)))
            entry |= fresh

    def joined(self) -> list[Detail]:
        """The entries so far."""
        return [entry | ({_words_key(entry): str(words)} if len(words) else {}) for entry, words in self._entries]


def _words_key(detail: Detail) -> str:
    return "summary" if kind_of(detail) == "reasoning.summary" else "text"


def _continues(last: Detail, detail: Detail) -> bool:
    kind = kind_of(detail)
    same = kind == kind_of(last) and detail.get("index") == last.get("index")
    return same and kind in {"reasoning.text", "reasoning.summary"} and not last.get("signature")


def foreign_key(detail: Detail) -> str | None:
    """The id of the Responses item that an entry belongs to."""
    found = detail.get("id")
    return found if detail.get("format") == FORMAT and isinstance(found, str) and found else None


def encrypted_content(details: Sequence[Detail], item_id: str) -> str | None:
    """What an item must hold besides its texts, so that `details` can be given back: nothing, the provider's own
    encrypted content, or a mark."""
    if all(_is_plain(detail) for detail in details):
        return None
    sealed = [detail for detail in details if kind_of(detail) == "reasoning.encrypted"]
    own = all(foreign_key(detail) == item_id and "signature" not in detail for detail in details)
    if own and len(sealed) == 1:
        data = sealed[0].get("data")
        if isinstance(data, str):
            return data
    return MARK + base64.urlsafe_b64encode(msgspec.json.encode(details)).decode()


def _marked(encrypted: str | None) -> list[Detail] | None:
    """The entries in a mark; None for encrypted content of a provider."""
    if encrypted is None or not encrypted.startswith(MARK):
        return None
    try:
        return _details.decode(base64.urlsafe_b64decode(encrypted.removeprefix(MARK)))
    except (binascii.Error, msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        return None


def _is_plain(detail: Detail) -> bool:
    return kind_of(detail) in {"reasoning.text", "reasoning.summary"} and not detail.get("signature")


def details_of(item: ReasoningItem, first_index: int) -> list[Detail]:
    """An item as entries of the format `openai-responses-v1`."""
    shared: Detail = {"format": FORMAT} if item.id is None else {"format": FORMAT, "id": item.id}
    found: list[Detail] = [{"type": "reasoning.summary", "summary": part.text} for part in item.summary or ()]
    found += [{"type": "reasoning.text", "text": part.text} for part in item.content or ()]
    if item.encrypted_content:
        found.append({"type": "reasoning.encrypted", "data": item.encrypted_content})
    return [detail | shared | {"index": first_index + place} for place, detail in enumerate(found)]


def text_of(item: ReasoningItem) -> str:
    """The reasoning as one string: the text itself, or else its summary."""
    return "\n\n".join(part.text for part in item.content or item.summary or ())


class Returned:
    """The reasoning items of one assistant turn, as a chat provider gets them back."""

    def __init__(self) -> None:
        self.details: list[Detail] = []
        """Entries that hold a state of the provider's."""
        self._texts: list[str] = []

    def take(self, item: ReasoningItem) -> None:
        own = _marked(item.encrypted_content)
        if own is not None:
            self.details += own
            self._texts += filter(None, map(words_of, own))
        else:
            if item.encrypted_content:
                self.details += details_of(item, len(self.details))
            self._texts += filter(None, [text_of(item)])

    def message_fields(self) -> Detail:
        """The fields of the assistant's message. Servers read the text under one of two names; both have it."""
        text = "\n\n".join(self._texts)
        fields: Detail = {"reasoning": text, "reasoning_content": text} if text else {}
        return fields | {"reasoning_details": self.details} if self.details else fields


def items_of(details: Iterable[Detail], made_id: str) -> list[Detail]:
    """The reasoning of an assistant's chat message as items for a Responses provider.

    Its own encrypted content goes back as it came, and reasoning text is carried. A summary alone was made for the
    reader and is not taken back by the API; what other providers encrypted or signed cannot be read by this one.
    """
    items: list[Detail] = []
    for detail in details:
        key = foreign_key(detail)
        item = items[-1] if items and items[-1]["id"] == (key or made_id) else None
        if item is None:
            item = {"type": "reasoning", "id": key or made_id, "summary": []}
            items.append(item)
        _add(item, detail)
    return [item for item in items if "encrypted_content" in item or "content" in item]


def _add(item: Detail, detail: Detail) -> None:
    kind, words = kind_of(detail), words_of(detail)
    if kind == "reasoning.summary":
        item["summary"].append({"type": "summary_text", "text": words})
    elif kind == "reasoning.text" and words:
        item.setdefault("content", []).append({"type": "reasoning_text", "text": words})
    elif kind == "reasoning.encrypted" and detail.get("format") == FORMAT and isinstance(detail.get("data"), str):
        item["encrypted_content"] = detail["data"]
