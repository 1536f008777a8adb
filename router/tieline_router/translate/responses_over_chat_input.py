"""The `instructions` and `input` of a Responses request as chat messages. Pure; see `responses_over_chat_request`.

Items of the assistant that follow one another (reasoning, messages, function calls) are one turn and become one
message: the results of parallel calls must follow the message that made them.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tieline_router.translate import custom_tools
from tieline_router.translate.openai_reasoning import ReasoningItem, Returned
from tieline_router.translate.strict_object import StrictObject, decode, is_string, read_array
from tieline_router.translate.translated import Untranslatable

Message = dict[str, object]
_ROLES: Final = {"user": "user", "system": "system", "developer": "system", "assistant": "assistant"}
"""`developer` is OpenAI's newer word for `system`; templates of open models know only the older, and some pass over a
role that they do not know."""
_TEXTS: Final = frozenset({"input_text", "output_text", "text"})
_reasoning: Final = msgspec.json.Decoder(ReasoningItem)
_string: Final = msgspec.json.Decoder(str)
_CARRIED: Final = frozenset(
    {"message", "function_call", "custom_tool_call", "function_call_output", "custom_tool_call_output", "reasoning"}
)


def messages(source: StrictObject) -> list[Message]:
    """Takes `instructions` and `input`.

    Raises:
        Untranslatable: an item has no place among chat messages, or is not what the Responses API allows.
    """
    thread = _Thread()
    instructions = source.text("instructions")
    if instructions is not None:
        thread.add({"role": "system", "content": instructions})
    given = source.take("input")
    if given is None:
        raise source.missing("input")
    if is_string(given):
        thread.add({"role": "user", "content": given})
    else:
        for place, item in enumerate(read_array(given, "input")):
            thread.take(StrictObject(item, f"input[{place}]"))
    return thread.finish()


class _Thread:
    """Messages in the making."""

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._turn: _Turn | None = None
        self._seen: list[Message] = []
        """Media in results of tools, which a tool message cannot hold: the user shows them after the results."""

    def add(self, message: Message) -> None:
        self._flush()
        self._show()
        self._messages.append(message)

    def finish(self) -> list[Message]:
        self._flush()
        self._show()
        return self._messages

    def take(self, item: StrictObject) -> None:
        kind = item.string("type") or ("message" if "role" in item else "item_reference")
        if kind == "item_reference":
            raise Untranslatable(
                f"{item.path} refers to a stored item, and nothing is stored: send the item itself", item.path
            )
        if kind not in _CARRIED:
            raise item.refusal("type")
        item.ignore("status", "phase")  # what kind of message it was: chat models are told by its place
        if kind != "reasoning":
            item.ignore("id")
        if kind == "message":
            self._message(item)
        elif kind == "function_call":
            self._open().calls.append(_call(item, item.required_text("arguments")))
        elif kind == "custom_tool_call":
            text = decode(item.required_text("input"), _string, item.at("input"), "a string")
            self._open().calls.append(_call(item, custom_tools.arguments(text)))
        elif kind in {"function_call_output", "custom_tool_call_output"}:
            self._result(item)
        else:
            self._open().reasoning.take(_reasoning_item(item))
        item.finish()

    def _message(self, item: StrictObject) -> None:
        role = item.string("role")
        name = _ROLES.get(role or "")
        if name is None:
            raise Untranslatable(f"{item.at('role')} must be one of {', '.join(_ROLES)}", item.at("role"))
        content = item.take("content")
        if content is None:
            raise item.missing("content")
        if name == "assistant":
            self._open().take(content, item.at("content"))
        else:
            self.add({"role": name, "content": _content(content, item.at("content"), media=name == "user")})

    def _result(self, item: StrictObject) -> None:
        item.only("caller", {"type": "direct"})
        item.ignore("name")  # the call that the id names has it
        output = item.take("output")
        if output is None:
            raise item.missing("output")
        call_id = item.required_text("call_id")
        content = _content(output, item.at("output"), media=True)
        if isinstance(content, list):
            content, media = _apart(content)
            if media:
                name = decode(call_id, _string, item.at("call_id"), "a string")
                self._seen += [{"type": "text", "text": f"Returned by the tool call {name}:"}, *media]
        self._flush()
        self._messages.append({"role": "tool", "tool_call_id": call_id, "content": content})

    def _show(self) -> None:
        if self._seen:
            self._messages.append({"role": "user", "content": self._seen})
            self._seen = []

    def _open(self) -> _Turn:
        if self._turn is None:
            self._show()
            self._turn = _Turn()
        return self._turn

    def _flush(self) -> None:
        message = self._turn.message() if self._turn is not None else None
        if message is not None:
            self._messages.append(message)
        self._turn = None


class _Turn:
    """What the assistant said between two messages of others."""

    def __init__(self) -> None:
        self.reasoning = Returned()
        self.calls: list[Message] = []
        self._parts: list[Message] = []

    def take(self, content: msgspec.Raw, path: str) -> None:
        if is_string(content):
            self._parts.append({"type": "text", "text": content})
            return
        for place, value in enumerate(read_array(content, path)):
            part = StrictObject(value, f"{path}[{place}]")
            kind = part.string("type")
            if kind in _TEXTS:
                self._parts.append(_text(part))
            elif kind == "refusal":
                self._parts.append({"type": "refusal", "refusal": part.required_text("refusal")})
            else:
                raise part.refusal("type")
            part.finish()

    def message(self) -> Message | None:
        """The one message of the turn; None when there is nothing in it, such as a reasoning item without reasoning."""
        reasoning = self.reasoning.message_fields()
        if not (self._parts or self.calls or reasoning):
            return None
        message: Message = {"role": "assistant", "content": None if self.calls else ""}
        if [part["type"] for part in self._parts] == ["refusal"]:
            message |= {"content": None, "refusal": self._parts[0]["refusal"]}
        elif self._parts:
            message["content"] = _simplest(self._parts)
        if self.calls:
            message["tool_calls"] = self.calls
        return message | reasoning


def _simplest(parts: list[Message]) -> object:
    """One plain text is a string: every server takes it."""
    if len(parts) == 1 and parts[0].keys() == {"type", "text"}:
        return parts[0]["text"]
    return parts


def _content(content: msgspec.Raw, path: str, *, media: bool) -> object:
    if is_string(content):
        return content
    parts = []
    for place, value in enumerate(read_array(content, path)):
        part = StrictObject(value, f"{path}[{place}]")
        parts.append(_part(part, media=media))
        part.finish()
    return _simplest(parts)


def _part(part: StrictObject, *, media: bool) -> Message:
    kind = part.string("type")
    if kind in _TEXTS:
        return _text(part)
    if not media:
        raise part.refusal("type")
    if kind == "input_image":
        found: Message = {"type": "image_url", "image_url": _image(part)}
    elif kind == "input_file":
        found = {"type": "file", "file": _file(part)}
    elif kind == "input_audio":
        found = {"type": "input_audio"}
        part.carry(("input_audio",), found)
    else:
        raise part.refusal("type")
    part.carry(("prompt_cache_breakpoint",), found)
    return found


def _text(part: StrictObject) -> Message:
    found: Message = {"type": "text", "text": part.required_text("text")}
    part.carry(("prompt_cache_breakpoint",), found)
    part.ignore("annotations", "logprobs")  # what the provider said about its own words; no input to a model
    return found


def _image(part: StrictObject) -> Message:
    if part.take("file_id") is not None:
        raise part.refusal("file_id")
    found: Message = {"url": part.required_text("image_url")}
    part.carry(("detail",), found)
    return found


def _file(part: StrictObject) -> Message:
    found: Message = {}
    part.only("detail", "auto")
    part.carry(("file_data", "file_id", "filename"), found)
    return found


def _call(item: StrictObject, arguments: msgspec.Raw | str) -> Message:
    item.only("caller", {"type": "direct"})
    item.only("async", False)
    function = {"name": item.required_text("name"), "arguments": arguments}
    return {"id": item.required_text("call_id"), "type": "function", "function": function}


def _apart(parts: list[Message]) -> tuple[object, list[Message]]:
    """The texts of a tool's result, as its content, and what else is in it."""
    texts = [part for part in parts if part["type"] == "text"]
    return _simplest(texts) if texts else "", [part for part in parts if part["type"] != "text"]


def _reasoning_item(item: StrictObject) -> ReasoningItem:
    found: dict[str, object] = {}
    item.carry(("id", "summary", "content", "encrypted_content"), found)
    words = "a reasoning item whose summary and content are lists of texts"
    return decode(msgspec.Raw(msgspec.json.encode(found)), _reasoning, item.path, words)
