"""What every translation between two APIs returns and refuses. Types and constants only; no API is known here.

Each module `<client>_over_<provider>` of this package offers `translate_request`, `translate_answer` and an
`EventTranslator`. `wire/` calls the first, `streaming/` the other two.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import msgspec

from tieline_router.streaming.sse import Event


class Translated(NamedTuple):
    """A request for the provider's API. The caller sets `model`; `stream` is as the client sent it."""

    fields: dict[str, msgspec.Raw]
    """Top level of the JSON body."""
    dropped: tuple[str, ...] = ()
    """Sampling parameters of the client that the provider's API has no place for (docs/translation.md lists them)."""


class Untranslatable(Exception):
    """The request says something with meaning that the other API cannot carry, or is not what its own API allows.

    A 400: the caller's fault. `param` is the path of the field as the client's API
    writes it: `messages[0].content[1].input_audio`, or for Anthropic's clients `messages.0.content.1.source`.
    """

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class EventTranslator(Protocol):
    """One attempt's stream: the provider's events in, the client's bytes out.

    The observer of the provider's API has seen each event before and has ended the attempt where one is a failure; what
    is not understood here is skipped. Raises nothing but `observe.TooLarge`, and that again at the end.
    """

    def take(self, event: Event) -> bytes:
        """Whole framed events for the client; often none."""

    def end(self) -> bytes:
        """The closing events with the client's success terminator. Called once, only when the answer is complete."""

    @property
    def next_sequence(self) -> int:
        """Responses clients: the sequence number of the next event; 0 elsewhere."""
