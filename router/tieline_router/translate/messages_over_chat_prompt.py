"""`system` and `messages` of Anthropic's API as messages of a chat completion. Pure; used by `messages_over_chat`.

A user message with tool results becomes one tool message per result and, for the rest of it, a user message after
them. Images inside a result, which a tool message cannot hold, go into that user message, behind a line that names the
call.
"""

from __future__ import annotations

from typing import Any, Final

from tieline_router.translate import messages_over_chat_shapes as anthropic
from tieline_router.translate import thinking, tool_ids
from tieline_router.translate.reading import cannot_carry, json_object
from tieline_router.translate.translated import Untranslatable

OTHER: Final = "chat completions"
FAILED: Final = "Error: "
"""Begins the text of a tool result that the client marked `is_error`: a tool message has no such mark."""

Part = dict[str, Any]


def prompt(system: str | list[anthropic.Text] | None, messages: list[anthropic.Message]) -> list[Part]:
    """All messages of the chat completion.

    Raises:
        Untranslatable: a block has no counterpart, or the last message is the assistant's: Anthropic's API continues
            it, chat completions would begin another.
    """
    turns: list[Part] = []
    if system:
        turns.append({"role": "system", "content": _texts(system)})
    for index, message in enumerate(messages):
        match message:
            case anthropic.SystemMessage():
                turns.append({"role": "system", "content": _texts(message.content)})
            case anthropic.AssistantMessage():
                turns.append(_assistant(message, f"messages.{index}"))
            case anthropic.UserMessage():
                turns.extend(_user(message, f"messages.{index}"))
    if messages and isinstance(messages[-1], anthropic.AssistantMessage):
        param = f"messages.{len(messages) - 1}"
        raise Untranslatable(f"{param}: {OTHER} cannot continue a message of the assistant: end with the user's", param)
    return turns


def _texts(content: str | list[anthropic.Text]) -> str | list[Part]:
    if isinstance(content, str):
        return content
    return _shortest([_text(block.text) for block in content])


def _assistant(message: anthropic.AssistantMessage, place: str) -> Part:
    if isinstance(message.content, str):
        return {"role": "assistant", "content": message.content}
    texts: list[str] = []
    calls: list[Part] = []
    reasoning = thinking.Returned()
    for index, block in enumerate(message.content):
        match block:
            case anthropic.Text():
                texts.append(block.text)
            case anthropic.Thinking():
                reasoning.thinking(block.thinking, block.signature)
            case anthropic.RedactedThinking():
                reasoning.redacted(block.data)
            case anthropic.ToolUse():
                json_object(block.input, f"{place}.content.{index}.input")
                arguments = bytes(block.input).decode("utf-8", "replace")
                call = {"name": block.name, "arguments": arguments}
                calls.append({"id": tool_ids.for_chat(block.id), "type": "function", "function": call})
    turn: Part = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    turn |= reasoning.strings
    if reasoning.details:
        turn["reasoning_details"] = reasoning.details
    if calls:
        turn["tool_calls"] = calls
    return turn


def _user(message: anthropic.UserMessage, place: str) -> list[Part]:
    if isinstance(message.content, str):
        return [{"role": "user", "content": message.content}]
    results: list[Part] = []
    seen: list[Part] = []
    said: list[Part] = []
    for index, block in enumerate(message.content):
        path = f"{place}.content.{index}"
        if isinstance(block, anthropic.ToolResult):
            results.append(_result(block, path, seen))
        else:
            said.extend(_parts(block, path))
    rest = seen + said
    return [*results, {"role": "user", "content": _shortest(rest)}] if rest or not results else results


def _result(block: anthropic.ToolResult, path: str, seen: list[Part]) -> Part:
    """The tool message; parts that it cannot hold are added to `seen`."""
    parts: list[Part] = []
    if isinstance(block.content, str):
        parts = [_text(block.content)]
    else:
        for index, inner in enumerate(block.content or ()):
            parts.extend(_parts(inner, f"{path}.content.{index}"))
    call_id = tool_ids.for_chat(block.tool_use_id)
    texts = [part for part in parts if part["type"] == "text"]
    others = [part for part in parts if part["type"] != "text"]
    if others:
        seen.append(_text(f"Returned by the tool call {call_id}:"))
        seen.extend(others)
    if block.is_error:
        first = texts[0]["text"] if texts else ""
        texts = [_text(FAILED + first), *texts[1:]]
    return {"role": "tool", "tool_call_id": call_id, "content": _shortest(texts) if texts else ""}


def _parts(block: anthropic.Text | anthropic.Image | anthropic.Document, path: str) -> list[Part]:
    match block:
        case anthropic.Text():
            return [_text(block.text)]
        case anthropic.Image():
            return [_image(block)]
        case anthropic.Document():
            return _document(block, path)


def _image(block: anthropic.Image) -> Part:
    source = block.source
    if isinstance(source, anthropic.UrlSource):
        url = source.url
    else:
        url = f"data:{source.media_type};base64,{source.data}"
    return {"type": "image_url", "image_url": {"url": url}}


def _document(block: anthropic.Document, path: str) -> list[Part]:
    """A PDF is a file part; text is text, under its title."""
    source = block.source
    about = [_text(text) for text in (block.title, block.context) if text]
    match source:
        case anthropic.Base64Source():
            if source.media_type != "application/pdf":
                raise cannot_carry(f"{path}.source.media_type", OTHER)
            file = {
                "filename": block.title or "document.pdf",
                "file_data": f"data:{source.media_type};base64,{source.data}",
            }
            context = [_text(block.context)] if block.context else []
            return [*context, {"type": "file", "file": file}]
        case anthropic.TextSource():
            return [*about, _text(source.data)]
        case anthropic.ContentSource():
            if isinstance(source.content, str):
                return [*about, _text(source.content)]
            return [*about, *(part for inner in source.content for part in _parts(inner, path))]


def _text(text: str) -> Part:
    return {"type": "text", "text": text}


def _shortest(parts: list[Part]) -> str | list[Part]:
    """A single text as a string, which every server understands."""
    if len(parts) == 1 and parts[0]["type"] == "text":
        return str(parts[0]["text"])
    return parts
