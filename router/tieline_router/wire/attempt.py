"""What is sent to a provider for one attempt. Pure; used by the runtime.

Fields that nobody changes keep their bytes. Fields that speak to a router stay here, end users are pseudonyms outside,
and usage is asked for.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Final, NamedTuple

import msgspec

from tieline_router.apis import CHAT, COMPLETIONS, Operation
from tieline_router.wire.fields import NULL, Fields, given, raw
from tieline_router.wire.request import ApiRequest

ROUTER_ONLY: Final = frozenset(
    {"provider", "models", "route", "transforms", "plugins", "preset", "usage", "session_id", "trace", "debug"}
)
"""Fields that speak to a router; model servers refuse them or warn."""
_IDENTITIES: Final = ("user", "safety_identifier")
_JSON: Final = "application/json"
_USAGE: Final = msgspec.Raw(b'{"include_usage":true}')
_TRUE: Final = msgspec.Raw(b"true")
_options: Final = msgspec.json.Decoder(Fields)
_encode: Final = msgspec.json.Encoder().encode


class AttemptBody(NamedTuple):
    """The body of one attempt."""

    body: bytes
    content_type: str = _JSON
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
    max_output_tokens: int | None = None,  # noqa: ARG001 - for translations
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
    """
    fields = dict(request.fields)
    if not ROUTER_ONLY.isdisjoint(fields):  # 0.1 µs, while a comprehension over all fields takes 0.5
        for name in ROUTER_ONLY:
            fields.pop(name, None)
    fields["model"] = _model(upstream_model)
    if request.view.stream and (operation is CHAT or operation is COMPLETIONS):
        _set_usage(fields, ask_usage)
    if identity_salt is not None:
        for name in _IDENTITIES:
            if name in fields and given(fields, name):
                fields[name] = raw(hashed_identity(identity_salt, bytes(fields[name])))
    return AttemptBody(_encode(fields))


def _set_usage(fields: Fields, ask: bool) -> None:
    old = fields.pop("stream_options", NULL)
    if ask:
        plain = old in (NULL, _USAGE)
        fields["stream_options"] = _USAGE if plain else raw(_options.decode(old) | {"include_usage": _TRUE})


def hashed_identity(salt: str, value: bytes) -> str:
    """A stable pseudonym of an end user: 32 hex digits of SHA-256 over the salt and the raw JSON value."""
    return hashlib.sha256(salt.encode() + b"\0" + value).hexdigest()[:32]
