"""What is sent to a provider for one attempt. Pure; used by the runtime.

Fields that nobody changes keep their bytes. Fields that speak to a router stay here, end users are pseudonyms outside,
usage is asked for, and nothing is stored. Where the provider speaks another API, a translator makes the fields first.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import msgspec

from tieline_router.apis import CHAT, COMPLETIONS, COUNT_TOKENS, MESSAGES, RESPONSES, ROUTER_ONLY, Operation
from tieline_router.translate.chat_over_messages import DEFAULT_MAX_TOKENS
from tieline_router.wire.fields import FALSE, NULL, TRUE, Fields, given, lenient, raw
from tieline_router.wire.own_reasoning import without_own_reasoning
from tieline_router.wire.translations import translated

if TYPE_CHECKING:
    from tieline_router.wire.multipart import Multipart
    from tieline_router.wire.request import ApiRequest

_MESSAGES_ROUTER_ONLY: Final = ROUTER_ONLY | {"user"}
"""OpenRouter takes `user` with Messages too; Anthropic refuses fields that it does not know."""
_IDENTITIES: Final = ("user", "safety_identifier")
_USAGE: Final = msgspec.Raw(b'{"include_usage":true}')
_object: Final = msgspec.json.Decoder(Fields)
_encode: Final = msgspec.json.Encoder().encode


class AttemptBody(msgspec.Struct, frozen=True, gc=False):
    """The body of one attempt."""

    body: bytes
    content_type: str
    dropped: tuple[str, ...] = ()
    """Sampling parameters that a translation left out."""


@lru_cache(maxsize=1024)
def _model(name: str) -> msgspec.Raw:
    """The name as JSON: an installation has few, and encoding takes 0.2 µs."""
    return raw(name)


def attempt_body(
    request: ApiRequest,
    operation: Operation,
    upstream_model: str,
    *,
    ask_usage: bool,
    identity_salt: str | None,
    max_output_tokens: int | None = None,
) -> AttemptBody:
    """The body for one attempt.

    Args:
        request: what the client sent.
        operation: the provider's: the client's own, or what it is translated to.
        upstream_model: the provider's own name of the model.
        ask_usage: ask for the usage chunk of a stream; otherwise nothing about usage is said.
        identity_salt: set for providers outside: the end user's identity is sent as a hash that only this installation
            can tell from others of the same name; None sends it as it is.
        max_output_tokens: what the model can write at most, for APIs that must be told a limit.

    Raises:
        BadRequest: `untranslatable`: the provider's API has no place for something that the request says.
    """
    if request.parts is not None:
        return _multipart(request.parts, upstream_model, identity_salt)
    dropped: tuple[str, ...] = ()
    fields = dict(request.fields)
    if request.operation is MESSAGES and not given(fields, "max_tokens"):  # OpenRouter's clients need not send it
        fields["max_tokens"] = raw(max_output_tokens or DEFAULT_MAX_TOKENS)
    if request.operation is MESSAGES and request.view.tree == "openrouter":
        fields.pop("fallbacks", None)  # OpenRouter's are models, the router's to try; Anthropic's are the provider's
    if operation is request.operation:
        if operation is not CHAT:
            without_own_reasoning(fields, operation)
    else:
        fields, dropped = translated(request.operation, operation, fields, max_output_tokens)
    _edit(fields, operation, stream=request.view.stream, ask_usage=ask_usage, identity_salt=identity_salt)
    fields["model"] = _model(upstream_model)
    return AttemptBody(_encode(fields), "application/json", dropped)


def _edit(fields: Fields, operation: Operation, *, stream: bool, ask_usage: bool, identity_salt: str | None) -> None:
    """Changes what is ours to change, by the provider's operation."""
    anthropic = operation is MESSAGES or operation is COUNT_TOKENS
    ours = _MESSAGES_ROUTER_ONLY if anthropic else ROUTER_ONLY
    if not ours.isdisjoint(fields):  # 0.1 µs, while a comprehension over all fields takes 0.5
        for name in ours:
            fields.pop(name, None)
    if operation is RESPONSES:
        fields["store"] = FALSE
    elif stream and (operation is CHAT or operation is COMPLETIONS):
        _set_usage(fields, ask_usage)
    if identity_salt is not None:
        if anthropic:
            _hash_anthropic(fields, identity_salt)
        for name in _IDENTITIES:
            if name in fields and given(fields, name):
                fields[name] = raw(hashed_identity(identity_salt, bytes(fields[name])))


def _set_usage(fields: Fields, ask: bool) -> None:
    old = fields.pop("stream_options", NULL)
    if ask:
        plain = old in (NULL, _USAGE)
        fields["stream_options"] = _USAGE if plain else raw(_object.decode(old) | {"include_usage": TRUE})


def _hash_anthropic(fields: Fields, salt: str) -> None:
    none: Fields = {}
    metadata = lenient(_object.decode, bytes(fields.get("metadata", NULL)), none)
    if given(metadata, "user_id"):
        metadata["user_id"] = raw(hashed_identity(salt, bytes(metadata["user_id"])))
        fields["metadata"] = raw(metadata)


def _multipart(parts: Multipart, upstream_model: str, identity_salt: str | None) -> AttemptBody:
    replace: dict[str, str | None] = dict.fromkeys(ROUTER_ONLY)
    replace["model"] = upstream_model
    if identity_salt is not None:
        texts = {part.name: parts.body[part.start : part.end] for part in parts.parts if part.name in _IDENTITIES}
        replace.update((name, hashed_identity(identity_salt, text)) for name, text in texts.items())
    return AttemptBody(parts.replaced(replace), parts.content_type)


def hashed_identity(salt: str, value: bytes) -> str:
    """A stable pseudonym of an end user: 32 hex digits of SHA-256 over the salt and the raw JSON value."""
    return hashlib.sha256(salt.encode() + b"\0" + value).hexdigest()[:32]
