"""The `usage` of a translated answer, in the client's words. Pure; used by the translations.

Anthropic counts tokens read from and written to a cache apart from `input_tokens`; chat completions count them as parts
of `prompt_tokens`, as `Usage` does. Where a provider told nothing, the counts that the client's API demands are 0.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tieline_router.streaming.form import Stamp
from tieline_router.streaming.usage import Usage
from tieline_router.wire.answer import CHAT_COST, RESPONSES_COST, priced


class _Tier(msgspec.Struct):
    service_tier: str | None = None


_tier: Final = msgspec.json.Decoder(_Tier).decode
_TIERS: Final = {"standard": "default", "priority": "priority"}
_OPENAI_TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})


def chat_usage(stamp: Stamp, told: Usage | None) -> msgspec.Raw:
    """The `usage` of a chat completion, with its cost."""
    usage = told or Usage()
    wire = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    return priced(stamp, msgspec.json.encode(wire), told, CHAT_COST)


def messages_usage(stamp: Stamp, told: Usage | None) -> msgspec.Raw:
    """The `usage` of a message of Anthropic's API, with its cost."""
    usage = told or Usage()
    wire = {
        "input_tokens": usage.prompt - usage.cached - usage.cache_write,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cached,
        "output_tokens": usage.completion,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
    }
    return priced(stamp, msgspec.json.encode(wire), told, RESPONSES_COST)


def known_tier(tier: str | None) -> str | None:
    """A service tier that both of OpenAI's APIs name; None for a provider's own word, which strict clients refuse."""
    return tier if tier in _OPENAI_TIERS else None


def served_tier(usage: msgspec.Raw) -> str | None:
    """The service tier that Anthropic's `usage` names, in the words of chat completions."""
    try:
        return _TIERS.get(_tier(usage).service_tier or "")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
