"""Token counts as providers report them, one reader for each of the three shapes. Pure.

Reads only the counts that Tieline uses; all else passes by unseen. Whatever the shape, `Usage` means the same, so that
prices and metrics need not know it. Used by the observers, and by the plain forms.
"""

from __future__ import annotations

from typing import Final

import msgspec


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one generation. `cached` and `cache_write` are parts of `prompt`, `reasoning` is one of `completion`.

    Anthropic counts otherwise: its `input_tokens` leaves out what was read from and written to the cache. Here they are
    added, so that `prompt` is what the model has read.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    """Prompt tokens that the provider had in its cache."""
    reasoning: int = 0
    """Completion tokens that the model spent on thinking."""
    cache_write: int = 0
    """Prompt tokens that the provider put into its cache and charges for as such."""


class _ChatPrompt(msgspec.Struct):
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class _ChatCompletion(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Chat(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _ChatPrompt | None = None
    completion_tokens_details: _ChatCompletion | None = None


class _Responses(msgspec.Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _ChatPrompt | None = None
    output_tokens_details: _ChatCompletion | None = None


class _Thinking(msgspec.Struct):
    thinking_tokens: int | None = None


class MessagesCounts(msgspec.Struct):
    """Anthropic's counts as they stand on the wire. A stream tells them in pieces: `later` joins them."""

    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: _Thinking | None = None

    def later(self, counts: MessagesCounts) -> MessagesCounts:
        """These counts, replaced by those that `counts` has: they are totals, not increments."""
        read, written = counts.cache_read_input_tokens, counts.cache_creation_input_tokens
        return MessagesCounts(
            self.input_tokens if counts.input_tokens is None else counts.input_tokens,
            self.cache_creation_input_tokens if written is None else written,
            self.cache_read_input_tokens if read is None else read,
            self.output_tokens if counts.output_tokens is None else counts.output_tokens,
            counts.output_tokens_details or self.output_tokens_details,
        )

    def usage(self) -> Usage | None:
        if self.input_tokens is None and self.output_tokens is None:
            return None
        read, written = max(0, self.cache_read_input_tokens or 0), max(0, self.cache_creation_input_tokens or 0)
        thinking = self.output_tokens_details.thinking_tokens if self.output_tokens_details else None
        return _possible(
            max(0, self.input_tokens or 0) + read + written, self.output_tokens or 0, read, thinking or 0, written
        )


_chat: Final = msgspec.json.Decoder(_Chat)
_responses: Final = msgspec.json.Decoder(_Responses)
_messages: Final = msgspec.json.Decoder(MessagesCounts)

MAX_TOKENS: Final = 2**48
"""More than any generation can have: a count beyond it is no count, and could not be added to a metric."""


def parse_usage(raw: bytes | msgspec.Raw) -> Usage | None:
    """The counts of a `usage` object of chat, completions or embeddings; None when it is absent, null or not
    understood.

    Counts that contradict themselves (negative, or a part larger than its whole) are cut to what is possible: they end
    up in bills and metrics.
    """
    try:
        wire = _chat.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return _told(wire.prompt_tokens, wire.completion_tokens, wire.prompt_tokens_details, wire.completion_tokens_details)


def parse_responses_usage(raw: bytes | msgspec.Raw) -> Usage | None:
    """The same for `usage` of a response (and of images and transcriptions, which have its names)."""
    try:
        wire = _responses.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return None
    return _told(wire.input_tokens, wire.output_tokens, wire.input_tokens_details, wire.output_tokens_details)


def parse_messages_counts(raw: bytes | msgspec.Raw) -> MessagesCounts:
    """The counts of a `usage` object of Anthropic's; empty when it is absent, null or not understood."""
    try:
        return _messages.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return MessagesCounts()


def _told(
    prompt: int | None, completion: int | None, prompt_parts: _ChatPrompt | None, parts: _ChatCompletion | None
) -> Usage | None:
    if prompt is None and completion is None:
        return None
    cached = prompt_parts.cached_tokens if prompt_parts else None
    written = prompt_parts.cache_write_tokens if prompt_parts else None
    reasoning = parts.reasoning_tokens if parts else None
    return _possible(prompt or 0, completion or 0, cached or 0, reasoning or 0, written or 0)


def _possible(prompt: int, completion: int, cached: int, reasoning: int, cache_write: int) -> Usage | None:
    if prompt > MAX_TOKENS or completion > MAX_TOKENS:
        return None
    if 0 <= reasoning <= completion and cached >= 0 and cache_write >= 0 and cached + cache_write <= prompt:
        return Usage(prompt, completion, cached, reasoning, cache_write)  # as it nearly always is
    prompt, completion = max(0, prompt), max(0, completion)
    cached = min(max(0, cached), prompt)
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=cached,
        reasoning=min(max(0, reasoning), completion),
        cache_write=min(max(0, cache_write), prompt - cached),
    )
