"""Chunks of a chat completion as a stream of Anthropic's API. Sans-I/O; never raises.

Anthropic's blocks follow one another, pieces of chat completions may interleave. So blocks stand in a row: the first
is open and its pieces go out as they come; pieces of later ones wait until it is closed. Text and reasoning close when
something else begins, a tool call when its arguments are complete JSON, everything when the answer finishes. Servers
that write one call after the other, which is all of them but a few, never have to wait.

Used by `streaming` through `messages_over_chat`.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

import msgspec

from tieline_router.streaming.form import Stamp
from tieline_router.streaming.sse import Event, encode_event
from tieline_router.streaming.usage import Usage, parse_usage
from tieline_router.translate import tool_ids
from tieline_router.translate.kept import ENTRY_BYTES, Kept, Text
from tieline_router.translate.messages_over_chat_answer import (
    Function,
    Reasoning,
    ToolCall,
    envelope,
    read_answer,
    read_said,
    reasoning_of,
    redacted,
    signature,
    stop,
)
from tieline_router.translate.token_counts import messages_usage

_LOOK_AGAIN: Final = 1.25
"""A call whose arguments were incomplete is looked at again once they have grown by a quarter: many looks at a long
text would cost more than the text."""


class _Block(msgspec.Struct):
    start: dict[str, Any]
    """The `content_block` that it begins with."""
    kind: str
    """Name of the member that pieces go to: `text`, `thinking` or `partial_json`; empty for a redacted block."""
    key: int = 0
    """Tells calls, and entries of `reasoning_details`, apart."""
    pieces: list[str] = msgspec.field(default_factory=list)
    """Not yet sent."""
    arguments: Text | None = None
    """All of a call's, to see when they are complete; None when it is no call, or closed."""
    looked_at: int = 0
    """How many bytes of `arguments` were known to be incomplete."""
    reasoning: Reasoning | None = None
    """What a thinking block began with."""
    signed: str | None = None


class EventTranslator:
    """See `translated.EventTranslator`."""

    next_sequence = 0

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._usage: Usage | None = None
        self._row: deque[_Block] = deque()
        """The open block, and those that wait behind it."""
        self._opened = False
        """The first block of the row has been begun at the client."""
        self._index = 0
        """Of the first block of the row."""
        self._calls: dict[int, _Block] = {}
        """All calls so far, closed ones too, by their index at the provider."""
        self._kept = Kept()
        self._begun = False
        self._finish_reason: str | None = None
        self._matched: str | None = None

    def take(self, event: Event) -> bytes:
        answer = read_answer(event.data)
        if answer is None:
            return b""
        out = bytearray() if self._begun else bytearray(self._begin())
        self._usage = parse_usage(answer.usage) or self._usage
        for choice in answer.choices or ():
            if choice.index:
                continue  # a message is one choice; `n` is never asked for
            said = read_said(choice.delta)
            for piece in reasoning_of(said):
                self._think(piece, out)
            for text in (said.content, said.refusal):
                if text:
                    self._say(text, out)
            for call in said.tool_calls or ():
                self._call(call, out)
            self._matched = choice.matched or self._matched
            if choice.finish_reason and self._finish_reason is None:
                self._finish_reason = choice.finish_reason
                self._close_all(out)
        return bytes(out)

    def end(self) -> bytes:
        self._kept.check()
        out = bytearray() if self._begun else bytearray(self._begin())
        self._close_all(out)
        stopped = stop(self._finish_reason, self._matched, called=bool(self._calls))
        out += _event("message_delta", {"delta": stopped, "usage": messages_usage(self._stamp, self._usage)})
        out += _event("message_stop", {})
        return bytes(out)

    def _begin(self) -> bytes:
        self._begun = True
        message = envelope(self._stamp) | {"content": [], "stop_reason": None, "stop_sequence": None}
        return _event("message_start", {"message": message | {"usage": {"input_tokens": 0, "output_tokens": 0}}})

    def _think(self, piece: Reasoning, out: bytearray) -> None:
        data = redacted(piece)
        if data is not None:
            self._append(_Block({"type": "redacted_thinking", "data": data}, ""), out)
            return
        key = -1 if piece.detail is None else (piece.detail.index or 0)
        last = self._row[-1] if self._row else None
        if last is None or last.kind != "thinking" or last.key != key:
            if not piece.text and not (piece.detail and piece.detail.signature):
                return
            start = {"type": "thinking", "thinking": "", "signature": ""}
            last = _Block(start, "thinking", key, reasoning=piece)
            self._append(last, out)
        if piece.detail is not None and piece.detail.signature:
            last.signed = piece.detail.signature
        self._add(last, piece.text, out)

    def _say(self, text: str, out: bytearray) -> None:
        last = self._row[-1] if self._row else None
        if last is None or last.kind != "text":
            last = _Block({"type": "text", "text": ""}, "text")
            self._append(last, out)
        self._add(last, text, out)

    def _call(self, call: ToolCall, out: bytearray) -> None:
        key = self._key(call)
        function = call.function or Function()
        block = self._calls.get(key)
        if block is None:
            call_id = call.id or tool_ids.invented(self._stamp.generation_id, len(self._calls))
            start = {"type": "tool_use", "id": tool_ids.for_messages(call_id), "name": function.name or "", "input": {}}
            block = _Block(start, "partial_json", key, arguments=Text(self._kept))
            self._kept.entry()  # it stays in `_calls`
            self._calls[key] = block
            self._append(block, out)
        if function.arguments and block.arguments is not None:
            block.arguments.add(function.arguments)
            self._add(block, function.arguments, out)

    def _key(self, call: ToolCall) -> int:
        """Servers that leave the index out mean a new call where there is an id, else the last one."""
        if call.index is not None:
            return call.index
        return len(self._calls) if call.id or not self._calls else max(self._calls)

    def _append(self, block: _Block, out: bytearray) -> None:
        self._row.append(block)
        self._kept.entry()
        self._advance(out)

    def _add(self, block: _Block, piece: str, out: bytearray) -> None:
        if not piece:
            return
        if block is self._row[0]:
            out += self._delta(block.kind, piece)
        else:
            self._kept.add(len(piece))
            block.pieces.append(piece)

    def _advance(self, out: bytearray) -> None:
        """Closes what can be closed in favour of the next, and opens the first."""
        while self._row:
            block = self._row[0]
            if not self._opened:
                self._opened = True
                out += _event("content_block_start", {"index": self._index, "content_block": block.start})
                for piece in block.pieces:
                    out += self._delta(block.kind, piece)
                self._kept.release(ENTRY_BYTES + sum(map(len, block.pieces)))
                block.pieces.clear()
            if len(self._row) == 1 or not _complete(block):
                return
            self._close(out)

    def _close_all(self, out: bytearray) -> None:
        while self._row:
            self._advance(out)
            if self._row:
                self._close(out)

    def _close(self, out: bytearray) -> None:
        block = self._row.popleft()
        if block.arguments is not None:
            self._kept.release(len(block.arguments))
            block.arguments = None
        if block.reasoning is not None:
            out += self._delta("signature", signature(block.reasoning, block.signed))
        out += _event("content_block_stop", {"index": self._index})
        self._index += 1
        self._opened = False

    def _delta(self, kind: str, piece: str) -> bytes:
        delta = {"type": "input_json_delta" if kind == "partial_json" else f"{kind}_delta", kind: piece}
        return _event("content_block_delta", {"index": self._index, "delta": delta})


def _complete(block: _Block) -> bool:
    """Nothing more of it can follow: it is no call, or its arguments are a whole object."""
    if block.arguments is None:
        return True
    if len(block.arguments) <= _LOOK_AGAIN * block.looked_at:
        return False
    block.looked_at = len(block.arguments)
    text = str(block.arguments).strip()
    if not text.endswith("}"):
        return False
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, UnicodeEncodeError, RecursionError):
        return False
    return True


def _event(name: str, fields: dict[str, Any]) -> bytes:
    return encode_event(msgspec.json.encode({"type": name} | fields), name)
