"""What a client asks for, as far as we understand it: one reader for every operation. Pure; used by the runtime.

A body is decoded once to a map of raw values, of which routing sees a few facts (`RequestView`). What is sent for one
attempt is made from the same map by `attempt`, which is offered here too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from tieline_router.apis import (
    CHAT,
    COMPLETIONS,
    COUNT_TOKENS,
    EMBEDDINGS,
    MESSAGES,
    RESPONSES,
    Body,
    Operation,
    PathTree,
)
from tieline_router.routing.view import RequestView
from tieline_router.wire.attempt import AttemptBody, attempt_body
from tieline_router.wire.fields import NULL, BadRequest, read_fields, typed, wrong
from tieline_router.wire.multipart import Multipart, read_multipart
from tieline_router.wire.openrouter import check_provider_rules
from tieline_router.wire.readers import chat, completions, embeddings, media, messages, responses

__all__ = ["ApiRequest", "AttemptBody", "BadRequest", "attempt_body", "read_request"]


class ApiRequest(msgspec.Struct, frozen=True, gc=False):
    """A request as far as we understand it. A struct, because a named tuple takes 0.2 µs more to make."""

    operation: Operation
    fields: Mapping[str, msgspec.Raw]
    """Top level of the JSON body; of a multipart body the texts, as JSON strings."""
    view: RequestView
    include_usage: bool
    """Streams of chat and completions: the client gets the usage chunk."""
    parts: Multipart | None = None
    """The multipart body."""


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


_Reader = Callable[[Mapping[str, msgspec.Raw], Operation, PathTree], RequestView]
_READERS: Final[dict[str, _Reader]] = {
    CHAT.path: chat.read,
    COMPLETIONS.path: completions.read,
    EMBEDDINGS.path: embeddings.read,
    RESPONSES.path: responses.read,
    MESSAGES.path: messages.read,
    COUNT_TOKENS.path: messages.read,
}
"""By path; a string keeps its hash, which a tuple does not. The others are passed through, see `media`."""
_MULTIPART: Final = Body.MULTIPART
_stream_options: Final = msgspec.json.Decoder(_StreamOptions)
_ASKED: Final = msgspec.Raw(b'{"include_usage":true}')


def read_request(
    operation: Operation,
    body: bytes,
    tree: PathTree,
    content_type: str = "application/json",
) -> ApiRequest:
    """Reads the body of one request.

    Args:
        operation: what the client called.
        body: the whole body, not compressed.
        tree: whose contract the path follows.
        content_type: the header's value; multipart bodies have their boundary in it.

    Raises:
        BadRequest: it is not what the operation takes, or asks for what this router does not do.
    """
    if operation.body is _MULTIPART:
        parts, fields = read_multipart(body, content_type)
    else:
        parts, fields = None, read_fields(body)
    read = _READERS.get(operation.path) or media.read
    view = read(fields, operation, tree)
    if "provider" in fields:
        check_provider_rules(bytes(fields["provider"]), wrong)
    return ApiRequest(operation, fields, view, _include_usage(fields, tree), parts)


def _include_usage(fields: Mapping[str, msgspec.Raw], tree: PathTree) -> bool:
    """OpenAI's clients get usage when they ask for it, OpenRouter's unless they ask for none."""
    value = fields.get("stream_options")
    if value is None or value == NULL:
        return tree == "openrouter"
    if value == _ASKED:  # as SDKs write it, which spares a decode of 0.3 µs
        return True
    options = typed(fields, "stream_options", _stream_options, "an object whose include_usage is true or false")
    asked = options.include_usage if options else None
    return tree == "openrouter" if asked is None else asked
