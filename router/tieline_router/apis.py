"""The APIs that clients call and providers speak: names, paths, protocols, and which may stand in for which.

The one table of paths. Constants and pure look-ups only; every other package may import it. An *operation* is what a
client calls (a path); an *API* is what a model of a pool declares (`models[].apis`); a *protocol* is what a pool speaks
(`connection.protocols`), with its own authentication header.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, Literal, NamedTuple

from tieline_api import protocols

PathTree = Literal["openai", "openrouter"]
"""Whose contract the client's path follows: `/v1` is OpenAI's and Anthropic's, `/api/v1` is OpenRouter's."""

TREES: Final[tuple[tuple[str, PathTree], ...]] = (("/api/v1", "openrouter"), ("/v1", "openai"))


class Protocol(StrEnum):
    """A value of `connection.protocols[].type`."""

    OPENAI = protocols.OPENAI
    ANTHROPIC = protocols.ANTHROPIC


class Api(StrEnum):
    """A value of a model's `apis`."""

    CHAT = "ChatCompletions"
    COMPLETIONS = "Completions"
    RESPONSES = "Responses"
    MESSAGES = "Messages"
    EMBEDDINGS = "Embeddings"
    AUDIO = "Audio"
    IMAGES = "Images"


class Body(StrEnum):
    """What a request's body may be."""

    JSON = "application/json"
    MULTIPART = "multipart/form-data"


class Operation(NamedTuple):
    """One POST of the inference contracts. `path` is relative to the tree, and to a protocol's path at a provider."""

    path: str
    api: Api
    streams: bool = False
    """The request may ask for server-sent events."""
    body: Body = Body.JSON
    passed_through: bool = False
    """The answer is opaque: status, content type and bytes go through, nothing of it is read but JSON usage."""


CHAT: Final = Operation("/chat/completions", Api.CHAT, streams=True)
COMPLETIONS: Final = Operation("/completions", Api.COMPLETIONS, streams=True)
RESPONSES: Final = Operation("/responses", Api.RESPONSES, streams=True)
MESSAGES: Final = Operation("/messages", Api.MESSAGES, streams=True)
COUNT_TOKENS: Final = Operation("/messages/count_tokens", Api.MESSAGES, passed_through=True)
EMBEDDINGS: Final = Operation("/embeddings", Api.EMBEDDINGS)
OPERATIONS: Final[dict[str, Operation]] = {
    operation.path: operation
    for operation in (
        CHAT,
        COMPLETIONS,
        RESPONSES,
        MESSAGES,
        COUNT_TOKENS,
        EMBEDDINGS,
        Operation("/audio/speech", Api.AUDIO, passed_through=True),
        Operation("/audio/transcriptions", Api.AUDIO, body=Body.MULTIPART, passed_through=True),
        Operation("/audio/translations", Api.AUDIO, body=Body.MULTIPART, passed_through=True),
        Operation("/images/generations", Api.IMAGES, passed_through=True),
        Operation("/images/edits", Api.IMAGES, body=Body.MULTIPART, passed_through=True),
        Operation("/images/variations", Api.IMAGES, body=Body.MULTIPART, passed_through=True),
    )
}
"""By path."""

PROTOCOLS: Final[dict[Api, Protocol]] = {api: Protocol(protocols.protocol_of(api)) for api in Api}
"""Which protocol a pool must speak for an API to be native there."""

TRANSLATIONS: Final[dict[Operation, tuple[Operation, ...]]] = {
    CHAT: (MESSAGES, RESPONSES),
    MESSAGES: (CHAT, RESPONSES),
    RESPONSES: (CHAT, MESSAGES),
}
"""By the client's operation: what it may be translated to where a pool does not speak it, best first. What is not here
is served natively or not at all. Between Messages and Responses it goes by way of chat, and comes last."""

ANTHROPIC_VERSION: Final = "2023-06-01"
"""The version of Anthropic's API that translated requests and their answers are written in. A client of Messages names
his own (the newest SDK a newer one), which is for providers that speak the API natively."""

ROUTER_ONLY: Final = frozenset(
    {"provider", "models", "route", "transforms", "plugins", "preset", "usage", "session_id", "trace", "debug"}
)
"""Fields of a request that speak to a router, whatever the API; model servers refuse them or warn."""


class Dialect(NamedTuple):
    """How a client wants its answers and errors: by the tree and the operation that it called."""

    tree: PathTree
    operation: Operation | None = None
    """None: a path that is no inference (models, key …) or not served."""

    @property
    def anthropic(self) -> bool:
        """Errors and events are Anthropic's."""
        return self.operation is MESSAGES or self.operation is COUNT_TOKENS
