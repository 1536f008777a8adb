"""A whole chat completion as a message of Anthropic's API. Pure; never raises.

The provider-side observer has found the answer complete before; what is not understood in it is skipped. Used by
`streaming` through `messages_over_chat`; the words that both forms of an answer share stand here too.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tieline_router.streaming.form import Stamp, Whole
from tieline_router.streaming.usage import parse_usage
from tieline_router.translate import thinking, tool_ids
from tieline_router.translate.token_counts import messages_usage

ABSENT: Final = msgspec.Raw()
_STOP_REASONS: Final = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


class Function(msgspec.Struct):
    name: str | None = None
    arguments: str | None = None


class ToolCall(msgspec.Struct):
    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Said(msgspec.Struct):
    """A message, or the delta of one."""

    content: str | None = None
    refusal: str | None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    reasoning_details: list[msgspec.Raw] | None = None
    tool_calls: list[ToolCall] | None = None


class Choice(msgspec.Struct):
    index: int | None = None
    delta: msgspec.Raw = ABSENT
    message: msgspec.Raw = ABSENT
    finish_reason: str | None = None
    stop_reason: msgspec.Raw = ABSENT
    matched_stop: msgspec.Raw = ABSENT

    @property
    def matched(self) -> str | None:
        """The stop sequence that ended the answer, where the server says: vLLM in `stop_reason`, SGLang in
        `matched_stop` (both have a token's number there for their own end of text)."""
        for raw in (self.stop_reason, self.matched_stop):
            if bytes(raw).startswith(b'"'):
                return read_string(raw)
        return None


class Answer(msgspec.Struct):
    """A chunk of a stream, or a whole answer."""

    choices: list[Choice] | None = None
    usage: msgspec.Raw = ABSENT


class Reasoning(msgspec.Struct):
    """A piece of reasoning: `text` of a plain `field`, or an entry of `reasoning_details`."""

    text: str
    field: str = ""
    detail: thinking.Detail | None = None
    raw: msgspec.Raw = ABSENT


_answer: Final = msgspec.json.Decoder(Answer).decode
_said: Final = msgspec.json.Decoder(Said).decode
_loose: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_string: Final = msgspec.json.Decoder(str).decode
_calls: Final = msgspec.json.Decoder(list[ToolCall]).decode
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def read_answer(data: bytes) -> Answer | None:
    try:
        return _answer(data)
    except _UNREADABLE:
        return None


def read_string(raw: msgspec.Raw) -> str | None:
    """A JSON string; None for any other value."""
    try:
        return _string(raw)
    except _UNREADABLE:
        return None


def read_said(raw: msgspec.Raw) -> Said:
    """What of a message or a delta is understood; one odd field does not hide the others."""
    try:
        return _said(raw)
    except _UNREADABLE:
        pass
    try:
        fields = _loose(raw)
    except _UNREADABLE:
        return Said()
    said = Said()
    for name in ("content", "refusal", "reasoning", "reasoning_content"):
        if name in fields:
            setattr(said, name, read_string(fields[name]))
    try:
        said.tool_calls = _calls(fields["tool_calls"])
    except (KeyError, *_UNREADABLE):
        said.tool_calls = None
    return said


def reasoning_of(said: Said) -> list[Reasoning]:
    """The pieces of reasoning; servers that write it under several names mean it once."""
    pieces: list[Reasoning] = []
    for raw in said.reasoning_details or ():
        detail = thinking.read_detail(raw)
        if detail is not None and bytes(raw).startswith(b"{"):
            text = detail.text if detail.type == "reasoning.text" else detail.summary
            pieces.append(Reasoning(text or "", detail=detail, raw=raw))
    if pieces:
        return pieces
    if said.reasoning:
        return [Reasoning(said.reasoning, field="reasoning")]
    if said.reasoning_content:
        return [Reasoning(said.reasoning_content, field="reasoning_content")]
    return []


def redacted(piece: Reasoning) -> str | None:
    """The data of a redacted block for an entry that has no text to show; None for all others."""
    detail = piece.detail
    if detail is None or detail.type in {"reasoning.text", "reasoning.summary"}:
        return None
    if detail.type == "reasoning.encrypted" and detail.data is not None and detail.format == thinking.FORMAT:
        return detail.data
    return thinking.detail_mark(piece.raw)


def signature(piece: Reasoning, signed: str | None) -> str:
    """The signature of a thinking block that began with `piece`: the provider's own (`signed`), or a mark."""
    if piece.detail is None:
        return thinking.field_mark(piece.field)
    if signed and thinking.is_ours(piece.detail.format):
        return signed
    return thinking.detail_mark(piece.raw, "summary" if piece.detail.type == "reasoning.summary" else "text", signed)


def stop(finish_reason: str | None, matched: str | None, *, called: bool) -> dict[str, Any]:
    """`stop_reason` and `stop_sequence`. A server that calls a tool and says `stop` still wants its result."""
    reason = _STOP_REASONS.get(finish_reason or "", "end_turn")
    if reason == "end_turn" and called:
        reason = "tool_use"
    if reason == "end_turn" and matched is not None:
        return {"stop_reason": "stop_sequence", "stop_sequence": matched}
    return {"stop_reason": reason, "stop_sequence": None}


def envelope(stamp: Stamp) -> dict[str, Any]:
    """What is ours of a message."""
    return {
        "id": stamp.generation_id,
        "type": "message",
        "role": "assistant",
        "model": stamp.model,
        "provider": stamp.provider,
    }


def translate_answer(stamp: Stamp, body: bytes) -> Whole:
    """The message for a complete chat completion: its first choice."""
    answer = read_answer(body) or Answer()
    choice = answer.choices[0] if answer.choices else Choice()
    said = read_said(choice.message)
    usage = parse_usage(answer.usage)
    content = _thoughts(reasoning_of(said))
    content += [{"type": "text", "text": text} for text in (said.content, said.refusal) if text]
    for index, call in enumerate(said.tool_calls or ()):
        function = call.function or Function()
        call_id = tool_ids.for_messages(call.id) if call.id else tool_ids.invented(stamp.generation_id, index)
        arguments = tool_input(function.arguments)
        content.append({"type": "tool_use", "id": call_id, "name": function.name or "", "input": arguments})
    message = envelope(stamp) | {"content": content}
    message |= stop(choice.finish_reason, choice.matched, called=bool(said.tool_calls))
    message["usage"] = messages_usage(stamp, usage)
    return Whole(msgspec.json.encode(message), usage, choice.finish_reason)


def tool_input(arguments: str | None) -> dict[str, Any]:
    """The arguments as an object. What a model wrote that is none stands under `arguments`: the client's tool must
    see it to complain about it."""
    text = (arguments or "").strip()
    if not text:
        return {}
    try:
        return dict(_loose(text.encode()))
    except (UnicodeEncodeError, *_UNREADABLE):
        return {"arguments": text}


def _thoughts(pieces: list[Reasoning]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for piece in pieces:
        data = redacted(piece)
        if data is not None:
            blocks.append({"type": "redacted_thinking", "data": data})
            continue
        signed = piece.detail.signature if piece.detail else None
        blocks.append({"type": "thinking", "thinking": piece.text, "signature": signature(piece, signed)})
    return blocks
