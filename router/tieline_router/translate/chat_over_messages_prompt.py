"""Messages of a chat completion as `system` and `messages` of Anthropic's API. Pure; used by `chat_over_messages`.

Leading system and developer messages become `system`; a later one keeps its place as a message of the role `system`.
The results of one turn's tool calls, and what the user says with them, become one user message.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

import msgspec

from tieline_router.translate import chat_over_messages_shapes as chat
from tieline_router.translate import thinking, tool_ids
from tieline_router.translate.reading import cannot_carry, json_object, present
from tieline_router.translate.translated import Untranslatable

OTHER: Final = "Anthropic's Messages API"
_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.IGNORECASE)
_PDF: Final = "application/pdf"
_PDF_BASE64: Final = "JVBERi"
"""`%PDF-` in base64: a file that was sent without a data URL around it."""

Block = dict[str, Any]


def prompt(messages: list[chat.Message]) -> tuple[str | list[Block] | None, list[Block]]:
    """`system` (None without one) and `messages`.

    Raises:
        Untranslatable: a part has no counterpart, or nothing but system messages is left.
    """
    leading = 0
    while leading < len(messages) and isinstance(messages[leading], chat.SystemMessage | chat.DeveloperMessage):
        leading += 1
    system: list[Block] = []
    for message in messages[:leading]:
        if isinstance(message, chat.SystemMessage | chat.DeveloperMessage):
            system.extend(_texts(message.content))
    turns: list[Block] = []
    results: list[Block] | None = None
    for index, message in enumerate(messages[leading:], leading):
        place = f"messages[{index}]"
        match message:
            case chat.ToolMessage():
                if results is None:
                    results = []
                    turns.append({"role": "user", "content": results})
                results.append(_result(message, place))
            case chat.UserMessage() if results is not None:
                results.extend(_parts(message.content, place))
                results = None
            case _:
                results = None
                turn = _turn(message, place)
                if turn is not None:
                    turns.append(turn)
    if not turns:
        raise Untranslatable(f"{OTHER} wants at least one message of the user: messages has none", "messages")
    return _shortest(system) or None, turns


def dropped_details(messages: list[chat.Message]) -> bool:
    """An image asks for low detail, which Anthropic's API does not know: it always looks closely."""
    return any(
        isinstance(part, chat.ImagePart) and part.image_url.detail == "low"
        for message in messages
        if isinstance(message, chat.UserMessage | chat.ToolMessage) and not isinstance(message.content, str)
        for part in message.content
    )


def _turn(message: chat.Message, place: str) -> Block | None:
    match message:
        case chat.AssistantMessage():
            blocks = _assistant(message, place)
            return {"role": "assistant", "content": _shortest(blocks)} if blocks else None
        case chat.UserMessage():
            if isinstance(message.content, str):
                return {"role": "user", "content": message.content}
            return {"role": "user", "content": _parts(message.content, place)}
        case chat.SystemMessage() | chat.DeveloperMessage():
            return {"role": "system", "content": _shortest(_texts(message.content))}
    return None  # tool messages are gathered by `prompt`


def _assistant(message: chat.AssistantMessage, place: str) -> list[Block]:
    """Thinking stands first: the API refuses calls whose thinking does not precede them."""
    blocks: list[Block] = list(thinking.blocks(message.reasoning_details or []))
    said: list[Block] = []
    if isinstance(message.content, str):
        said.append(_text(message.content))
    for part in message.content if isinstance(message.content, list) else ():
        if isinstance(part, chat.RefusalPart):
            said.append(_text(part.refusal))
        else:
            said.append(_cached(_text(part.text), part))
    if message.refusal:
        said.append(_text(message.refusal))
    blocks += [block for block in said if block["text"].strip()]  # the API refuses blocks without visible text
    for index, call in enumerate(message.tool_calls or ()):
        param = f"{place}.tool_calls[{index}].function.arguments"
        arguments = json_object(call.function.arguments.strip() or "{}", param)
        blocks.append(
            {
                "type": "tool_use",
                "id": tool_ids.for_messages(call.id),
                "name": call.function.name,
                "input": arguments,
            }
        )
    return blocks


def _result(message: chat.ToolMessage, place: str) -> Block:
    content: str | list[Block]
    content = message.content if isinstance(message.content, str) else _parts(message.content, place)
    return {
        "type": "tool_result",
        "tool_use_id": tool_ids.for_messages(message.tool_call_id),
        "content": content,
    }


def _texts(content: str | list[chat.TextPart]) -> list[Block]:
    if isinstance(content, str):
        return [_text(content)] if content else []
    return [_cached(_text(part.text), part) for part in content if part.text]


def _parts(content: chat.Content, place: str) -> list[Block]:
    if isinstance(content, str):
        return [_text(content)] if content else []
    blocks: list[Block] = []
    for index, part in enumerate(content):
        path = f"{place}.content[{index}]"
        if isinstance(part, chat.TextPart):
            block = _text(part.text)
        elif isinstance(part, chat.ImagePart):
            block = {"type": "image", "source": _image(part.image_url.url, f"{path}.image_url.url")}
        else:
            block = _document(part.file, f"{path}.file.file_data")
        if block.get("text") != "":  # the API refuses empty texts
            blocks.append(_cached(block, part))
    return blocks


def _image(url: str, param: str) -> Block:
    if url.startswith(("https://", "http://")):
        return {"type": "url", "url": url}
    kind, data = _data_url(url, param)
    if not kind.startswith("image/"):
        raise Untranslatable(f"{param} must be the data URL of an image, not of {kind}", param)
    return {"type": "base64", "media_type": kind, "data": data}


def _document(file: chat.File, param: str) -> Block:
    source: Block
    if file.file_data.startswith(("https://", "http://")):
        source = {"type": "url", "url": file.file_data}
    elif file.file_data.startswith(_PDF_BASE64):
        source = {"type": "base64", "media_type": _PDF, "data": file.file_data}
    else:
        kind, data = _data_url(file.file_data, param)
        if kind == "text/plain":
            source = {"type": "text", "media_type": kind, "data": _plain_text(data, param)}
        elif kind == _PDF:
            source = {"type": "base64", "media_type": kind, "data": data}
        else:
            raise cannot_carry(param, OTHER)
    block: Block = {"type": "document", "source": source}
    return block | {"title": file.filename} if file.filename else block


def _data_url(url: str, param: str) -> tuple[str, str]:
    head = _DATA_URL.match(url)
    if head is None or head.group(3) is None:
        raise Untranslatable(f"{param} must be an http(s) URL or a base64 data URL", param)
    return (head.group(1) or "text/plain").lower(), url[head.end() :]


def _plain_text(data: str, param: str) -> str:
    try:
        return base64.b64decode(data).decode()
    except (binascii.Error, UnicodeDecodeError, ValueError):
        raise Untranslatable(f"{param} is not base64 of UTF-8 text", param) from None


def _text(text: str) -> Block:
    return {"type": "text", "text": text}


def _cached(block: Block, part: chat.Part) -> Block:
    if present(part.cache_control):
        block["cache_control"] = part.cache_control
    elif part.prompt_cache_breakpoint is not None:
        block["cache_control"] = msgspec.Raw(b'{"type":"ephemeral"}')
    return block


def _shortest(blocks: list[Block]) -> str | list[Block]:
    """A single plain text as a string, which every server of this API understands."""
    if len(blocks) == 1 and blocks[0].keys() == {"type", "text"}:
        return str(blocks[0]["text"])
    return blocks
