"""Reasoning that only a translation of ours can read, kept from a provider that never wrote it. Pure; for `attempt`.

Reasoning of a chat provider reaches an Anthropic or a Responses client with our own mark around the provider's entry,
where the provider's API has a signature or encrypted content (`translate.thinking`, `translate.openai_reasoning`). When
such a conversation goes on at a pool that speaks the client's API natively, its provider would refuse the mark, so
these blocks stay here. Whatever bears no mark of ours passes as it came.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tieline_router.apis import COUNT_TOKENS, MESSAGES, RESPONSES, Operation
from tieline_router.translate import openai_reasoning, thinking
from tieline_router.wire.fields import Fields, lenient, raw

_THINKING: Final = f'"{thinking.MARK}'.encode()
_REASONING: Final = f'"{openai_reasoning.MARK}'.encode()
_maps: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_list: Final = msgspec.json.Decoder(list[msgspec.Raw])


class _Block(msgspec.Struct):
    type: str = ""
    signature: str | None = None
    data: str | None = None
    encrypted_content: str | None = None


_block: Final = msgspec.json.Decoder(_Block)
_OTHER: Final = _Block()


def without_own_reasoning(fields: Fields, operation: Operation) -> None:
    """Removes what bears our mark from the conversation; a message that was nothing else goes with it."""
    if operation is RESPONSES:
        given = bytes(fields.get("input", b""))
        if _REASONING in given:
            nothing: list[msgspec.Raw] = []
            items = lenient(_list.decode, given, nothing)
            if items:
                fields["input"] = raw([item for item in items if not _ours(item)])
    elif operation is MESSAGES or operation is COUNT_TOKENS:
        given = bytes(fields.get("messages", b""))
        if _THINKING in given:
            _strip_messages(fields, given)


def _strip_messages(fields: Fields, given: bytes) -> None:
    none: list[dict[str, msgspec.Raw]] = []
    kept = []
    for message in lenient(_maps.decode, given, none):
        content = bytes(message.get("content", b""))
        nothing: list[msgspec.Raw] = []
        blocks = lenient(_list.decode, content, nothing) if _THINKING in content else nothing
        if blocks:
            rest = [block for block in blocks if not _ours(block)]
            if not rest:
                continue
            message["content"] = raw(rest)
        kept.append(message)
    if kept:
        fields["messages"] = raw(kept)


def _ours(block: msgspec.Raw) -> bool:
    found = lenient(_block.decode, bytes(block), _OTHER)
    match found.type:
        case "thinking":
            return (found.signature or "").startswith(thinking.MARK)
        case "redacted_thinking":
            return (found.data or "").startswith(thinking.MARK)
        case "reasoning":
            return (found.encrypted_content or "").startswith(openai_reasoning.MARK)
        case _:
            return False
