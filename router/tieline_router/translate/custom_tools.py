"""Custom tools of OpenAI's Responses as functions of chat completions. Pure; used by `responses_over_chat`.

A custom tool takes a text instead of a JSON object. Chat servers know functions alone, so it becomes a function with
one member, and a call of it is turned back by the tool's name, which the client's request tells. A grammar, which only
the tool's own API can enforce, is told to the model in words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tieline_router.translate.strict_object import StrictObject, decode

MEMBER: Final = "input"
_PARAMETERS: Final = {
    "type": "object",
    "properties": {MEMBER: {"type": "string"}},
    "required": [MEMBER],
    "additionalProperties": False,
}


class _Tool(msgspec.Struct):
    type: str = ""
    name: str = ""


class _Call(msgspec.Struct):
    input: str


_string: Final = msgspec.json.Decoder(str)
_tools: Final = msgspec.json.Decoder(list[_Tool] | None)
_call: Final = msgspec.json.Decoder(_Call)


def function(tool: StrictObject) -> tuple[dict[str, Any], bool]:
    """Takes a tool of type `custom`: the function in its place, and whether it has a grammar.

    Raises:
        Untranslatable: it is not what the Responses API allows.
    """
    found: dict[str, Any] = {"name": tool.required_text("name")}
    words = tool.string("description")
    grammar = _grammar(tool)
    if words or grammar:
        found["description"] = "\n\n".join(filter(None, (words, grammar)))
    return found | {"parameters": _PARAMETERS}, grammar is not None


def _grammar(tool: StrictObject) -> str | None:
    form = tool.nested("format")
    if form is None:
        return None
    kind = form.string("type")
    if kind == "text":
        form.finish()
        return None
    if kind != "grammar":
        raise form.refusal("type")
    syntax, rules = form.required_text("syntax"), form.required_text("definition")
    form.finish()
    language = decode(syntax, _string, form.at("syntax"), "a string")
    told = decode(rules, _string, form.at("definition"), "a string")
    return f"`{MEMBER}` must follow this {language} grammar:\n{told}"


def arguments(text: str) -> str:
    """The arguments of the function for a call with this text."""
    return msgspec.json.encode({MEMBER: text}).decode()


def text_of(arguments: str) -> str:
    """The text of a call. What a model wrote that is no such object is the text itself: the tool must see it."""
    try:
        return _call.decode(arguments.encode()).input
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return arguments


def names(request: Mapping[str, msgspec.Raw]) -> frozenset[str]:
    """The names of the custom tools of a client's request."""
    try:
        found = _tools.decode(request.get("tools", msgspec.Raw(b"null")))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return frozenset()
    return frozenset(tool.name for tool in found or () if tool.type == "custom")
