"""Token counts as providers report them. Reads only the counts that Tieline uses; all else passes by unseen."""

from __future__ import annotations

from typing import Final

import msgspec


class _PromptDetails(msgspec.Struct):
    cached_tokens: int | None = None


class _CompletionDetails(msgspec.Struct):
    reasoning_tokens: int | None = None


class _Wire(msgspec.Struct):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


class Usage(msgspec.Struct, frozen=True):
    """Tokens of one generation. `cached` is a part of `prompt`, `reasoning` a part of `completion`."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    reasoning: int = 0


_decoder = msgspec.json.Decoder(_Wire)

MAX_TOKENS: Final = 2**48
"""More than any generation can have: a count beyond it is no count, and could not be added to a metric."""


def parse_usage(raw: bytes | msgspec.Raw) -> Usage | None:
    """The counts in a `usage` object of the chat protocol; None when it is absent, null or not understood.

    Counts that contradict themselves (negative, or a part larger than its whole) are cut to what is possible: they end
    up in bills and metrics.
    """
    try:
        wire = _decoder.decode(raw)
    except msgspec.DecodeError:
        return None
    if wire.prompt_tokens is None and wire.completion_tokens is None:
        return None
    if max(wire.prompt_tokens or 0, wire.completion_tokens or 0) > MAX_TOKENS:
        return None
    prompt = max(0, wire.prompt_tokens or 0)
    completion = max(0, wire.completion_tokens or 0)
    cached = wire.prompt_tokens_details.cached_tokens if wire.prompt_tokens_details else None
    reasoning = wire.completion_tokens_details.reasoning_tokens if wire.completion_tokens_details else None
    return Usage(
        prompt=prompt,
        completion=completion,
        cached=min(max(0, cached or 0), prompt),
        reasoning=min(max(0, reasoning or 0), completion),
    )
