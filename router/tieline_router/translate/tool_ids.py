"""Ids of tool calls that one API issues and another must take back. Pure; used by the translations.

Ids pass verbatim wherever they can. Anthropic's API takes only `^[a-zA-Z0-9_-]+$`; an id outside of that is wrapped
reversibly, so that a conversation's calls and results still find one another on either side, with no state kept.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

_ALLOWED: Final = re.compile(r"[a-zA-Z0-9_-]+")
_WRAPPED: Final = "tieline_"


def for_messages(tool_id: str) -> str:
    """The id as Anthropic's API allows it: itself, or wrapped; no two become one."""
    if _ALLOWED.fullmatch(tool_id) and not tool_id.startswith(_WRAPPED):
        return tool_id
    return _WRAPPED + base64.urlsafe_b64encode(tool_id.encode("utf-8", "surrogatepass")).decode().rstrip("=")


def for_chat(tool_id: str) -> str:
    """The id as the chat provider issued it: what `for_messages` wrapped is unwrapped, all else is verbatim."""
    if not tool_id.startswith(_WRAPPED):
        return tool_id
    inner = tool_id.removeprefix(_WRAPPED)
    try:
        original = base64.urlsafe_b64decode(inner + "=" * (-len(inner) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        return tool_id
    return original if for_messages(original) == tool_id else tool_id


def invented(generation_id: str, index: int) -> str:
    """An id for a call that its provider gave none: the same for the same generation and place."""
    return for_messages(f"call_{generation_id}_{index}")
