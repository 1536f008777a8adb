"""Chat completion requests: what we read of a body, and what we change of it for one attempt. Pure.

A body is decoded once to a map of raw values: fields that we do not read keep their bytes, and a key that was sent
twice cannot mean one thing to us and another to the provider, because only its last value is sent on. Used by the
runtime.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from tieline_router.apis import PathTree
from tieline_router.errors import ErrorClass
from tieline_router.routing.view import NOTHING, TEXT, RequestView, estimate_prompt_tokens, needed_parameters
from tieline_router.wire.openrouter import check_provider_rules

T = TypeVar("T")
Fields = dict[str, msgspec.Raw]

MAX_CHOICES: Final = 128
"""Largest `n`, as in OpenAI's contract."""
ROUTER_ONLY: Final = frozenset(
    {"provider", "models", "route", "transforms", "plugins", "preset", "usage", "session_id", "trace", "debug"}
)
"""Fields that speak to a router; model servers refuse them or warn."""
_PROMPT: Final = ("messages", "tools", "functions")
_IDENTITIES: Final = ("user", "safety_identifier")
_PART_MODALITIES: Final = {
    "image_url": "image",
    "input_image": "image",
    "input_audio": "audio",
    "video_url": "video",
    "file": "file",
}
_PART_SIGNS: Final = tuple(f'"{name}"'.encode() for name in _PART_MODALITIES)


class BadRequest(Exception):
    """The request cannot be served as it is: the caller's fault. `param` names the field."""

    def __init__(self, error: ErrorClass, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.error = error
        self.param = param


class ChatRequest(NamedTuple):
    """A request as far as we understand it."""

    fields: Mapping[str, msgspec.Raw]
    view: RequestView
    include_usage: bool
    """The client wants the usage chunk of a stream."""


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _ResponseFormat(msgspec.Struct):
    type: str


class _Part(msgspec.Struct):
    type: str | None = None


class _Message(msgspec.Struct):
    content: msgspec.Raw = msgspec.Raw(b"null")


_fields: Final = msgspec.json.Decoder(Fields)
_parts: Final = msgspec.json.Decoder(list[_Part])
_messages: Final = msgspec.json.Decoder(list[_Message])
_EXPECTED: Final[dict[Any, tuple[msgspec.json.Decoder[Any], str]]] = {
    kind: (msgspec.json.Decoder(kind), words)
    for kind, words in (
        (str, "a string"),
        (bool | None, "true or false"),
        (int | None, "an integer"),
        (list[msgspec.Raw], "an array"),
        (list[msgspec.Raw] | None, "an array"),
        (list[str] | None, "an array of strings"),
        (_StreamOptions | None, "an object whose include_usage is true or false"),
        (_ResponseFormat | None, "an object with a string `type`"),
    )
}


def read_chat(body: bytes, tree: PathTree = "openai") -> ChatRequest:
    """Reads the body of a chat completion request.

    Raises:
        BadRequest: it is not a JSON object, is nested too deeply, lacks a field, or a field that routing reads has the
            wrong type.
    """
    fields = read_fields(body)
    model = _required(fields, "model", str)
    if not model:
        raise BadRequest(ErrorClass.INVALID_TYPE, "model must not be empty", "model")
    messages = fields.get("messages")
    _required(fields, "messages", list[msgspec.Raw])
    stream = bool(_read(fields, "stream", bool | None))
    options = _read(fields, "stream_options", _StreamOptions | None)
    if "provider" in fields:
        check_provider_rules(bytes(fields["provider"]), _refuse)
    view = RequestView(
        model=model,
        tree=tree,
        stream=stream,
        prompt_tokens=estimate_prompt_tokens(*(bytes(fields[name]) for name in _PROMPT if _given(fields, name))),
        max_tokens=_max_tokens(fields),
        n=_count(fields, "n", 1, MAX_CHOICES) or 1,
        parameters=_parameters(fields),
        input_modalities=_input_modalities(bytes(messages or b"")),
        output_modalities=frozenset(_read(fields, "modalities", list[str] | None) or TEXT),
    )
    return ChatRequest(fields, view, tree == "openrouter" or bool(options and options.include_usage))


def read_fields(body: bytes) -> Fields:
    """The top level of a JSON object, values as raw bytes.

    Raises:
        BadRequest: it is not UTF-8, not JSON, not an object, or nested too deeply.
    """
    if not body:
        raise BadRequest(ErrorClass.INVALID_JSON, "the body is empty: send a JSON object")
    try:
        if not body.isascii():
            body.decode()  # msgspec skips over strings that nobody reads; a provider would not
        return _fields.decode(body)
    except msgspec.ValidationError:
        raise BadRequest(ErrorClass.INVALID_JSON, "the body must be a JSON object") from None
    except msgspec.DecodeError as error:
        raise BadRequest(ErrorClass.INVALID_JSON, f"the body is not valid JSON: {error}") from None
    except UnicodeDecodeError as error:
        raise BadRequest(ErrorClass.INVALID_JSON, f"the body is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise BadRequest(ErrorClass.NESTING_TOO_DEEP, "the JSON of the body is nested too deeply") from None


def attempt_body(request: ChatRequest, upstream_model: str, *, ask_usage: bool, identity_salt: str | None) -> bytes:
    """The body for one attempt.

    Args:
        request: what the client sent.
        upstream_model: the provider's own name of the model.
        ask_usage: ask for the usage chunk of a stream; otherwise nothing about usage is said.
        identity_salt: set for providers outside: the end user's identity is sent as a hash that only this installation
            can tell from others of the same name; None sends it as it is.
    """
    fields = {name: raw for name, raw in request.fields.items() if name not in ROUTER_ONLY}
    fields["model"] = _raw(upstream_model)
    if request.view.stream:
        options = _options(fields.pop("stream_options", None))
        if ask_usage:
            fields["stream_options"] = _raw(options | {"include_usage": msgspec.Raw(b"true")})
    if identity_salt is not None:
        for name in _IDENTITIES:
            if _given(fields, name):
                fields[name] = _raw(hashed_identity(identity_salt, bytes(fields[name])))
    return msgspec.json.encode(fields)


def hashed_identity(salt: str, value: bytes) -> str:
    """A stable pseudonym of an end user: 32 hex digits of SHA-256 over the salt and the raw JSON value."""
    return hashlib.sha256(salt.encode() + b"\0" + value).hexdigest()[:32]


def _given(fields: Mapping[str, msgspec.Raw], name: str) -> bool:
    return name in fields and bytes(fields[name]) != b"null"


def _raw(value: object) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def _options(raw: msgspec.Raw | None) -> Fields:
    return {} if raw is None or bytes(raw) == b"null" else _fields.decode(raw)


def _refuse(message: str, param: str) -> BadRequest:
    return BadRequest(ErrorClass.INVALID_TYPE, message, param)


def _read(fields: Mapping[str, msgspec.Raw], name: str, kind: Any) -> Any:
    raw = fields.get(name)
    if raw is None:
        return None
    decoder, words = _EXPECTED[kind]
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise BadRequest(ErrorClass.INVALID_TYPE, f"{name} must be {words} ({_reason(error)})", name) from None
    except RecursionError:
        raise BadRequest(ErrorClass.NESTING_TOO_DEEP, f"{name} is nested too deeply", name) from None


def _reason(error: msgspec.ValidationError) -> str:
    return str(error).partition(" - at ")[0].replace("`", "").replace("Expected", "expected")


def _required(fields: Mapping[str, msgspec.Raw], name: str, kind: Any) -> Any:
    if name not in fields:
        raise BadRequest(ErrorClass.MISSING_FIELD, f"{name} is missing", name)
    return _read(fields, name, kind)


def _count(fields: Mapping[str, msgspec.Raw], name: str, least: int, most: int) -> int | None:
    value: int | None = _read(fields, name, int | None)
    if value is not None and not least <= value <= most:
        raise BadRequest(ErrorClass.INVALID_TYPE, f"{name} must be between {least} and {most}, not {value}", name)
    return value


def _max_tokens(fields: Mapping[str, msgspec.Raw]) -> int | None:
    most = 2**31 - 1
    newer = _count(fields, "max_completion_tokens", 1, most)
    older = _count(fields, "max_tokens", 1, most)
    return older if newer is None else newer


def _parameters(fields: Mapping[str, msgspec.Raw]) -> frozenset[str]:
    tools = _read(fields, "tools", list[msgspec.Raw] | None) or _read(fields, "functions", list[msgspec.Raw] | None)
    response_format: _ResponseFormat | None = _read(fields, "response_format", _ResponseFormat | None)
    if not tools and response_format is None:
        return NOTHING
    choice = fields.get("tool_choice", fields.get("function_call"))
    return needed_parameters(
        tools=bool(tools),
        tool_choice=None if choice is None else _shallow(bytes(choice)),
        response_format=response_format.type if response_format else None,
    )


def _shallow(raw: bytes) -> object:
    """A string or null as itself; any other value as a marker that it is one."""
    return msgspec.json.decode(raw) if raw.startswith((b'"', b"null")) else raw


def _input_modalities(messages: bytes) -> frozenset[str]:
    if not any(sign in messages for sign in _PART_SIGNS):
        return TEXT
    found = {"text"}
    for message in _lenient(_messages.decode, messages, list[_Message]()):
        if bytes(message.content).startswith(b"["):
            parts = _lenient(_parts.decode, bytes(message.content), list[_Part]())
            found.update(_PART_MODALITIES[part.type] for part in parts if part.type in _PART_MODALITIES)
    return frozenset(found)


def _lenient(decode: Callable[[bytes], T], raw: bytes, otherwise: T) -> T:
    """What is inside messages is between client and provider; we look, and never refuse."""
    try:
        return decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return otherwise
