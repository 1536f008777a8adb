"""Token counts of an answer, between Anthropic's `usage` and that of chat completions. Pure.

Anthropic counts tokens read from and written to a cache apart from `input_tokens`; chat completions count them as parts
of `prompt_tokens`. Used by the translations.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tieline_router.streaming.form import Stamp
from tieline_router.streaming.usage import MAX_TOKENS, Usage

_Count = int | float | None


class _OutputDetails(msgspec.Struct):
    thinking_tokens: _Count = None


class _MessagesUsage(msgspec.Struct):
    input_tokens: _Count = None
    cache_creation_input_tokens: _Count = None
    cache_read_input_tokens: _Count = None
    output_tokens: _Count = None
    output_tokens_details: _OutputDetails | None = None
    service_tier: str | None = None


class _PromptDetails(msgspec.Struct):
    cached_tokens: _Count = None
    cache_write_tokens: _Count = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: _Count = None


class _ChatUsage(msgspec.Struct):
    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


_messages: Final = msgspec.json.Decoder(_MessagesUsage).decode
_chat: Final = msgspec.json.Decoder(_ChatUsage).decode
_TIERS: Final = {"standard": "default", "priority": "priority"}


class TokenCounts(msgspec.Struct):
    """All counts apart from one another, but `thinking`, which is a part of `output`."""

    plain: int = 0
    """Prompt tokens neither read from nor written to a cache."""
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0
    thinking: int = 0
    known: bool = False
    """The provider reported something."""
    service_tier: str | None = None
    """In the words of chat completions."""

    @property
    def prompt(self) -> int:
        return self.plain + self.cache_read + self.cache_write

    def take_messages(self, raw: msgspec.Raw) -> None:
        """Takes an Anthropic `usage`: a later one overrides what it names, for counts are cumulative."""
        try:
            wire = _messages(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        self.known = True
        self.plain = _count(wire.input_tokens, self.plain)
        self.cache_read = _count(wire.cache_read_input_tokens, self.cache_read)
        self.cache_write = _count(wire.cache_creation_input_tokens, self.cache_write)
        self.output = _count(wire.output_tokens, self.output)
        details = wire.output_tokens_details
        self.thinking = min(_count(details.thinking_tokens if details else None, self.thinking), self.output)
        self.service_tier = _TIERS.get(wire.service_tier or "", self.service_tier)

    def take_chat(self, raw: msgspec.Raw) -> None:
        """Takes the `usage` of a chat completion."""
        try:
            wire = _chat(raw)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if wire.prompt_tokens is None and wire.completion_tokens is None:
            return
        self.known = True
        prompt = _count(wire.prompt_tokens, 0)
        parts = wire.prompt_tokens_details
        self.cache_read = min(_count(parts.cached_tokens if parts else None, 0), prompt)
        self.cache_write = min(_count(parts.cache_write_tokens if parts else None, 0), prompt - self.cache_read)
        self.plain = prompt - self.cache_read - self.cache_write
        self.output = _count(wire.completion_tokens, 0)
        details = wire.completion_tokens_details
        self.thinking = min(_count(details.reasoning_tokens if details else None, 0), self.output)

    def usage(self) -> Usage | None:
        """For metering; None when the provider reported nothing."""
        if not self.known:
            return None
        return Usage(prompt=self.prompt, completion=self.output, cached=self.cache_read, reasoning=self.thinking)

    def for_chat(self, stamp: Stamp) -> dict[str, Any]:
        """The `usage` of a chat completion; under OpenRouter's contract with the cost."""
        wire: dict[str, Any] = {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.output,
            "total_tokens": self.prompt + self.output,
            "prompt_tokens_details": {"cached_tokens": self.cache_read, "cache_write_tokens": self.cache_write},
            "completion_tokens_details": {"reasoning_tokens": self.thinking},
        }
        if stamp.dialect.tree == "openrouter":
            usage = self.usage()
            cost = stamp.cost(usage) if usage is not None else None
            wire |= {"cost": None if cost is None else cost.total, "is_byok": False}
            if cost is not None:
                wire["cost_details"] = {
                    "upstream_inference_cost": None,
                    "upstream_inference_prompt_cost": cost.prompt,
                    "upstream_inference_completions_cost": cost.completion,
                }
        return wire

    def for_messages(self) -> dict[str, Any]:
        """An Anthropic `usage`."""
        return {
            "input_tokens": self.plain,
            "cache_creation_input_tokens": self.cache_write,
            "cache_read_input_tokens": self.cache_read,
            "output_tokens": self.output,
            "output_tokens_details": {"thinking_tokens": self.thinking},
        }


def _count(value: _Count, otherwise: int) -> int:
    """A count that can be true: not negative, not beyond what any generation can have, a whole number."""
    if value is None or not 0 <= value <= MAX_TOKENS:
        return otherwise
    return int(value)
