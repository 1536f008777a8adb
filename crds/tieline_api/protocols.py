"""Which wire protocol an API belongs to: the one home of that fact, for both planes. Constants only."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

OPENAI: Final = "OpenAI"
ANTHROPIC: Final = "Anthropic"
SPOKEN: Final = frozenset({OPENAI, ANTHROPIC})
"""The protocols that routers of this version speak to providers."""
_ANTHROPICS: Final = frozenset({"Messages"})


def protocol_of(api: str) -> str:
    """The protocol (`connection.protocols[].type`) that carries an API (`models[].apis[]`)."""
    return ANTHROPIC if api in _ANTHROPICS else OPENAI


def reachable(apis: Iterable[str], protocols: Iterable[str]) -> frozenset[str]:
    """Those of a model's APIs that the pool's protocols carry."""
    spoken = SPOKEN.intersection(protocols)
    return frozenset(api for api in apis if protocol_of(api) in spoken)
