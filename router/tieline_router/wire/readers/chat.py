"""What routing must know of a chat completion request. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tieline_router.apis import Operation, PathTree
from tieline_router.routing.view import BYTES_PER_TOKEN, NOTHING, TEXT, RequestView, needed_parameters
from tieline_router.wire.fields import array, count, filled_array, flag, required_array, required_string, shallow, typed
from tieline_router.wire.readers.parts import look

MAX_CHOICES: Final = 128
"""Largest `n`, as in OpenAI's contract."""
_SELDOM: Final = frozenset(
    {"function_call", "functions", "max_completion_tokens", "modalities", "n", "response_format", "tools"}
)
"""Fields that most requests lack. Asking for all of them at once takes 0.1 µs, one by one 0.5."""


class _ResponseFormat(msgspec.Struct):
    type: str


_response_format: Final = msgspec.json.Decoder(_ResponseFormat)
_strings: Final = msgspec.json.Decoder(list[str])


def read(fields: Mapping[str, msgspec.Raw], operation: Operation, tree: PathTree) -> RequestView:
    """The view of a chat completion.

    Raises:
        BadRequest: a field is missing or has the wrong type.
    """
    model = required_string(fields, "model")
    messages = required_array(fields, "messages")
    stream = flag(fields, "stream")
    max_tokens = count(fields, "max_tokens")
    if messages.find(b"[", 1) < 0 and _SELDOM.isdisjoint(fields):  # most requests: `look` would say the same
        return RequestView(
            model=model,
            operation=operation,
            tree=tree,
            stream=stream,
            prompt_tokens=-(-len(messages) // BYTES_PER_TOKEN),
            max_tokens=max_tokens,
        )
    tokens, inputs = look(messages, array(fields, "tools"), array(fields, "functions"))
    newer = count(fields, "max_completion_tokens")
    return RequestView(
        model=model,
        operation=operation,
        tree=tree,
        stream=stream,
        prompt_tokens=tokens,
        max_tokens=max_tokens if newer is None else newer,
        n=count(fields, "n", most=MAX_CHOICES) or 1,
        parameters=_parameters(fields),
        input_modalities=inputs,
        output_modalities=frozenset(typed(fields, "modalities", _strings, "an array of strings") or TEXT),
    )


def _parameters(fields: Mapping[str, msgspec.Raw]) -> frozenset[str]:
    tools = filled_array(fields, "tools") or filled_array(fields, "functions")
    words = "an object with a string `type`"
    response_format = typed(fields, "response_format", _response_format, words)
    if not tools and response_format is None:
        return NOTHING
    return needed_parameters(
        tools=tools,
        tool_choice=shallow(fields.get("tool_choice", fields.get("function_call"))),
        response_format=response_format.type if response_format else None,
    )
