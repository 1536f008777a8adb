"""What routing must know of a request of Anthropic's Messages API, and of its token count. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tieline_router.apis import MESSAGES, Operation, PathTree
from tieline_router.routing.view import RequestView, needed_parameters
from tieline_router.wire.fields import (
    array,
    count,
    filled_array,
    flag,
    given,
    missing,
    required_array,
    required_string,
    typed,
    wrong,
)
from tieline_router.wire.readers.parts import look

_FREE_CHOICES: Final = ("auto", "none")


class _Typed(msgspec.Struct):
    type: str


class _OutputConfig(msgspec.Struct):
    format: _Typed | None = None


_typed: Final = msgspec.json.Decoder(_Typed)
_output_config: Final = msgspec.json.Decoder(_OutputConfig)


def read(fields: Mapping[str, msgspec.Raw], operation: Operation, tree: PathTree) -> RequestView:
    """The view of a message, or of the count of its tokens.

    Anthropic's contract wants `max_tokens` for a message, OpenRouter's does not.

    Raises:
        BadRequest: a field is missing or has the wrong type.
    """
    model = required_string(fields, "model")
    messages = required_array(fields, "messages")
    max_tokens = count(fields, "max_tokens", least=0)  # 0 warms the provider's cache
    if max_tokens is None and operation is MESSAGES and tree == "openai":
        raise missing("max_tokens")
    tokens, inputs = look(messages, array(fields, "tools"), _system(fields))
    typed(fields, "thinking", _typed, "an object with a string `type`")
    return RequestView(
        model=model,
        operation=operation,
        tree=tree,
        stream=operation is MESSAGES and flag(fields, "stream"),
        prompt_tokens=tokens,
        max_tokens=max_tokens,
        parameters=_parameters(fields),
        input_modalities=inputs,
    )


def _system(fields: Mapping[str, msgspec.Raw]) -> bytes:
    if not given(fields, "system"):
        return b""
    found = bytes(fields["system"])
    if not found.startswith((b'"', b"[")):
        raise wrong("system must be a string or an array", "system")
    return found


def _parameters(fields: Mapping[str, msgspec.Raw]) -> frozenset[str]:
    choice = typed(fields, "tool_choice", _typed, "an object with a string `type`")
    config = typed(fields, "output_config", _output_config, "an object whose format has a string `type`")
    return needed_parameters(
        tools=filled_array(fields, "tools"),
        tool_choice=None if choice is None or choice.type in _FREE_CHOICES else choice.type,
        response_format=config.format.type if config and config.format else None,
    )
