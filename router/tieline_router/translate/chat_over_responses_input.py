"""The messages of a chat request as input items of a Responses request. Pure; called by `chat_over_responses_request`.

One message of the assistant becomes the items of one turn, in the order in which a model makes them: reasoning, what it
says, its calls.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tieline_router.translate import openai_reasoning
from tieline_router.translate.openai_reasoning import Detail
from tieline_router.translate.strict_object import StrictObject, decode, is_string, read_array
from tieline_router.translate.translated import Untranslatable

Item = dict[str, object]
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})
_details: Final = msgspec.json.Decoder(list[Detail])
_string: Final = msgspec.json.Decoder(str)


def input_items(source: StrictObject) -> tuple[list[Item], bool, bool]:
    """Takes `messages`. The items, whether one of them holds encrypted reasoning, and whether a message had a name.

    Raises:
        Untranslatable: a message has no place among items, or is not what chat completions allow.
    """
    messages = source.array("messages")
    if messages is None:
        raise source.missing("messages")
    items: list[Item] = []
    named = False
    for place, value in enumerate(messages):
        message = StrictObject(value, f"messages[{place}]")
        items += _items(message, place)
        named = message.take("name") is not None or named
        message.finish()
    return items, any("encrypted_content" in item for item in items), named


def _items(message: StrictObject, place: int) -> list[Item]:
    role = message.string("role")
    if role == "function":
        raise message.refusal("role")
    if role is None or role not in _ROLES:
        raise Untranslatable(f"{message.at('role')} must be one of {', '.join(sorted(_ROLES))}", message.at("role"))
    if role == "assistant":
        return _turn(message, place)
    content = message.take("content")
    if content is None:
        raise message.missing("content")
    if role == "tool":
        message.ignore("name")  # the call that the id names has it
        output = _content(content, message.at("content"), media=True)
        return [{"type": "function_call_output", "call_id": message.required_text("tool_call_id"), "output": output}]
    return [
        {"type": "message", "role": role, "content": _content(content, message.at("content"), media=role == "user")}
    ]


def _turn(message: StrictObject, place: int) -> list[Item]:
    items: list[Item] = list(_reasoning(message, f"rs_{place}"))
    said = _said(message)
    if said is not None:
        items.append({"type": "message", "role": "assistant", "content": said})
    calls = message.array("tool_calls") or []
    items += [_call(StrictObject(call, f"{message.at('tool_calls')}[{at}]")) for at, call in enumerate(calls)]
    # What the provider, or LiteLLM, said about the answer that this turn once was; no input to a model.
    message.ignore("annotations", "provider_specific_fields")
    return items


def _reasoning(message: StrictObject, made_id: str) -> list[Detail]:
    words = message.take("reasoning")
    alias = message.take("reasoning_content")
    details = message.take("reasoning_details")
    if details is not None:
        path = message.at("reasoning_details")
        found = decode(details, _details, path, "a list of objects")
        return openai_reasoning.items_of(found, made_id)
    given = alias if words is None else words
    if given is None:
        return []
    text = decode(given, _string, message.at("reasoning"), "a string")
    return openai_reasoning.items_of([{"type": "reasoning.text", "text": text}], made_id)


def _said(message: StrictObject) -> object:
    """The content of the assistant's message item; None when it said nothing."""
    content, refusal = message.take("content"), message.text("refusal")
    refusals: list[Item] = [] if refusal is None else [{"type": "refusal", "refusal": refusal}]
    if content is None or bytes(content) == b'""':
        return refusals or None
    if not is_string(content):
        return _own_parts(content, message.at("content")) + refusals or None
    return [{"type": "output_text", "text": content, "annotations": []}, *refusals] if refusals else content


def _own_parts(content: msgspec.Raw, path: str) -> list[Item]:
    parts: list[Item] = []
    for place, value in enumerate(read_array(content, path)):
        part = StrictObject(value, f"{path}[{place}]")
        kind = part.string("type")
        if kind == "text":
            parts.append({"type": "output_text", "text": part.required_text("text"), "annotations": []})
            part.ignore("prompt_cache_breakpoint", "cache_control")
        elif kind == "refusal":
            parts.append({"type": "refusal", "refusal": part.required_text("refusal")})
        else:
            raise part.refusal("type")
        part.finish()
    return parts


def _call(call: StrictObject) -> Item:
    if (call.string("type") or "function") != "function":
        raise call.refusal("type")
    call.ignore("index")  # left by clients that collected a stream
    function = call.required_nested("function")
    found: Item = {
        "type": "function_call",
        "call_id": call.required_text("id"),
        "name": function.required_text("name"),
        "arguments": function.required_text("arguments"),
    }
    function.finish()
    call.finish()
    return found


def _content(content: msgspec.Raw, path: str, *, media: bool) -> object:
    if is_string(content):
        return content
    parts = []
    for place, value in enumerate(read_array(content, path)):
        part = StrictObject(value, f"{path}[{place}]")
        parts.append(_part(part, media=media))
        part.finish()
    return parts


def _part(part: StrictObject, *, media: bool) -> Item:
    kind = part.string("type")
    found: Item
    if kind == "text":
        found = {"type": "input_text", "text": part.required_text("text")}
    elif kind == "image_url" and media:
        image = part.required_nested("image_url")
        found = {"type": "input_image", "image_url": image.required_text("url"), "detail": "auto"}
        image.carry(("detail",), found)
        image.finish()
    elif kind == "file" and media:
        file = part.required_nested("file")
        found = {"type": "input_file"}
        file.carry(("file_data", "file_id", "filename"), found)
        file.finish()
    else:
        raise part.refusal("type")
    part.carry(("prompt_cache_breakpoint",), found)
    part.ignore("cache_control")  # Anthropic's breakpoint: it changes the price of a prompt, not its meaning
    return found
