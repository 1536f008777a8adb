"""Requests: any body for any operation is a request or a `BadRequest`, and so is what is made of it for a provider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from tieline_router.apis import CHAT, EMBEDDINGS, MESSAGES, OPERATIONS, RESPONSES, TRANSLATIONS, Body, PathTree
from tieline_router.wire.multipart import read_multipart
from tieline_router.wire.request import ApiRequest, BadRequest, attempt_body, read_request

from tests.fuzz.choices import Choices, made

_OPERATIONS: Final = tuple(OPERATIONS.values())
_TREES: Final[tuple[PathTree, ...]] = ("openai", "openrouter")
_BOUNDARY: Final = "a-b'c"
_MULTIPART: Final = f'multipart/form-data; boundary="{_BOUNDARY}"'


def requests(data: bytes) -> None:
    """Reads a body as every operation would, and writes it for the provider's operations."""
    choices = Choices(data)
    operation, tree = choices.pick(_OPERATIONS), choices.pick(_TREES)
    salt, usage, limit = choices.pick((None, "salt")), choices.pick((True, False)), choices.pick((None, 1, 4096))
    try:
        request = read_request(operation, choices.payload, tree, _MULTIPART)
    except BadRequest as bad:
        _check(bad)
        return
    for provider in (operation, *TRANSLATIONS.get(operation, ())):
        try:
            made_ = attempt_body(
                request, provider, "their-model", ask_usage=usage, identity_salt=salt, max_output_tokens=limit
            )
        except BadRequest as bad:
            _check(bad)
            assert provider is not operation, "what needs no translation can always be sent"
            continue
        _check_body(request, made_.body, made_.content_type, multipart=operation.body is Body.MULTIPART)


def _check(bad: BadRequest) -> None:
    assert str(bad), "an error says what to do"
    str(bad).encode()  # it goes onto the wire


def _check_body(request: ApiRequest, body: bytes, content_type: str, *, multipart: bool) -> None:
    if multipart:
        parts, fields = read_multipart(body, content_type)
        assert all(part.name != "provider" for part in parts.parts)
        assert json.loads(bytes(fields["model"])) == "their-model"
        return
    sent = json.loads(body)
    assert sent["model"] == "their-model"
    assert not {"provider", "models", "route"} & sent.keys(), "what speaks to a router stays here"
    if request.operation.streams:
        assert sent.get("stream") in {None, False} or request.view.stream


def form(fields: list[tuple[str, str]]) -> bytes:
    """A multipart body with these texts and one file."""
    parts = [f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}' for name, value in fields]
    parts.append('Content-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\nRIFF')
    return "".join(f"--{_BOUNDARY}\r\n{part}\r\n" for part in parts).encode() + f"--{_BOUNDARY}--\r\n".encode()


TOOL: Final[dict[str, Any]] = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {}}}
PIXEL: Final = "data:image/png;base64,iVBORw0KGgo="
EXAMPLES: Final[dict[str, dict[str, Any]]] = {
    CHAT.path: {
        "messages": [
            {"role": "system", "content": "s"},
            {
                "role": "user",
                "content": [{"type": "text", "text": "t"}, {"type": "image_url", "image_url": {"url": PIXEL}}],
            },
            {
                "role": "assistant",
                "content": None,
                "reasoning_details": [{"type": "reasoning.text", "text": "r", "signature": "s", "index": 0}],
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "r"},
        ],
        "tools": [{"type": "function", "function": TOOL}],
        "tool_choice": "auto",
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "n", "schema": {"type": "object"}, "strict": True},
        },
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "stop": ["a"],
        "n": 1,
        "user": "ann",
        "provider": {"order": ["a"], "max_price": {"prompt": 1}},
        "reasoning": {"effort": "low"},
    },
    MESSAGES.path: {
        "max_tokens": 9,
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "t"},
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": "s"},
                    {"type": "tool_use", "id": "u1", "name": "f", "input": {"a": 1}},
                ],
            },
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "u1", "content": "r"}]},
        ],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        "thinking": {"type": "enabled", "budget_tokens": 1024},
        "metadata": {"user_id": "ann"},
        "stop_sequences": ["a"],
        "stream": True,
    },
    RESPONSES.path: {
        "input": [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "t"}]},
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "s"}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "r"},
        ],
        "instructions": "i",
        "tools": [{"type": "function", **TOOL, "strict": False}],
        "text": {"format": {"type": "json_schema", "name": "n", "schema": {"type": "object"}}},
        "reasoning": {"effort": "low", "summary": "auto"},
        "max_output_tokens": 9,
        "store": False,
        "stream": True,
    },
    "/completions": {"prompt": ["a", "b"], "stream": True, "n": 2, "suffix": None, "logprobs": 1},
    EMBEDDINGS.path: {"input": ["a", [1, 2]], "encoding_format": "base64", "dimensions": 8},
    "/images/generations": {"prompt": "p", "n": 1},
    "/audio/speech": {"input": "i", "voice": "v"},
}
"""One request for each operation with many of its fields; `/messages/count_tokens` takes those of `/messages`."""


def seeds() -> Iterator[bytes]:
    """A good request for every operation and tree."""
    for index, operation in enumerate(_OPERATIONS):
        fields = EXAMPLES.get(operation.path, EXAMPLES[MESSAGES.path])
        if operation.body is Body.MULTIPART:
            payload = form([("model", "m"), ("user", "ann"), ("provider", "{}"), ("response_format", "json")])
        else:
            payload = json.dumps({"model": "m", **fields}).encode()
        for tree in range(len(_TREES)):
            yield made(payload, index, tree, tree, tree, tree)


def multipart(data: bytes) -> None:
    """Reads a multipart body of any Content-Type, and writes it back: what is kept keeps its bytes."""
    choices = Choices(data)
    kind, _, body = choices.payload.partition(b"\n")
    try:
        parts, _ = read_multipart(body, kind.decode("latin-1"))
    except BadRequest as bad:
        _check(bad)
        return
    again, fields = read_multipart(parts.replaced({"model": "other"}), parts.content_type)
    assert [part.name for part in again.parts if part.name != "model"] == [
        part.name for part in parts.parts if part.name != "model"
    ]
    before = [body[part.start : part.end] for part in parts.parts if part.name != "model"]
    assert before == [again.body[part.start : part.end] for part in again.parts if part.name != "model"]
    if any(part.name == "model" for part in parts.parts):
        assert json.loads(bytes(fields["model"])) == "other"


def multipart_seeds() -> Iterator[bytes]:
    for kind in (_MULTIPART, f"multipart/form-data; charset=utf-8; boundary={_BOUNDARY}", "multipart/form-data"):
        yield made(kind.encode() + b"\n" + form([("model", "m"), ("prompt", "ü")]))
