"""What routing must know of a Responses request, and what of the API is not served: everything that is stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tieline_router.apis import Operation, PathTree
from tieline_router.errors import ErrorClass
from tieline_router.routing.view import TEXT, RequestView, estimate_prompt_tokens, needed_parameters
from tieline_router.wire.fields import (
    BadRequest,
    array,
    count,
    filled_array,
    flag,
    given,
    missing,
    required_string,
    shallow,
    typed,
    wrong,
)
from tieline_router.wire.readers.parts import look

_STATEFUL: Final = {
    "previous_response_id": "send the whole conversation in `input`",
    "conversation": "send the whole conversation in `input`",
}


class _Format(msgspec.Struct):
    type: str


class _Text(msgspec.Struct):
    format: _Format | None = None


_text: Final = msgspec.json.Decoder(_Text)
_string: Final = msgspec.json.Decoder(str)


def read(fields: Mapping[str, msgspec.Raw], operation: Operation, tree: PathTree) -> RequestView:
    """The view of a Responses request.

    Raises:
        BadRequest: a field is missing or has the wrong type, or asks for something stored.
    """
    model = required_string(fields, "model")
    _refuse_state(fields)
    others = array(fields, "tools"), (typed(fields, "instructions", _string, "a string") or "").encode(errors="replace")
    tokens, inputs = _input(fields, *others)
    text = typed(fields, "text", _text, "an object whose format has a string `type`")
    return RequestView(
        model=model,
        operation=operation,
        tree=tree,
        stream=flag(fields, "stream"),
        prompt_tokens=tokens,
        max_tokens=count(fields, "max_output_tokens"),
        parameters=needed_parameters(
            tools=filled_array(fields, "tools"),
            tool_choice=shallow(fields.get("tool_choice")),
            response_format=text.format.type if text and text.format else None,
        ),
        input_modalities=inputs,
    )


def _refuse_state(fields: Mapping[str, msgspec.Raw]) -> None:
    if flag(fields, "store"):
        raise _not_served("store", "this router stores no responses: send `store: false`, or leave it out")
    if flag(fields, "background"):
        raise _not_served("background", "this router runs nothing in the background: use `stream: true` instead")
    for name, remedy in _STATEFUL.items():
        if given(fields, name):
            raise _not_served(name, f"this router stores no responses, so there is none to go on from: {remedy}")


def _not_served(name: str, why: str) -> BadRequest:
    return BadRequest(ErrorClass.UNSUPPORTED_PARAMETER, f"{name} is not served; {why}", name)


def _input(fields: Mapping[str, msgspec.Raw], *others: bytes) -> tuple[int, frozenset[str]]:
    if not given(fields, "input"):
        if given(fields, "prompt"):  # a template at the provider brings its own
            return estimate_prompt_tokens(*others), TEXT
        raise missing("input")
    found = bytes(fields["input"])
    if found.startswith(b"["):
        return look(found, *others)
    if found.startswith(b'"'):
        return estimate_prompt_tokens(found, *others), TEXT
    raise wrong("input must be a string or an array", "input")
