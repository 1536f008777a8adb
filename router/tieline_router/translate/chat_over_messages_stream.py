"""A stream of Anthropic's API as chunks of a chat completion. Sans-I/O; never raises.

Events map one to one, as they come: nothing is held back but the usage, which the client gets in a chunk of its own
before `[DONE]`. Used by `streaming` through `chat_over_messages`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tieline_router.streaming.form import Stamp
from tieline_router.streaming.sse import Event, encode_event
from tieline_router.streaming.usage import MessagesCounts, parse_messages_counts
from tieline_router.translate import thinking
from tieline_router.translate.chat_over_messages_answer import ABSENT, Block, StopDetails, finish, is_text, read_block
from tieline_router.translate.token_counts import chat_usage, served_tier
from tieline_router.translate.tool_ids import invented

_DONE: Final = encode_event(b"[DONE]")


class _Delta(msgspec.Struct):
    type: str | None = None
    text: msgspec.Raw = ABSENT
    thinking: msgspec.Raw = ABSENT
    signature: msgspec.Raw = ABSENT
    partial_json: msgspec.Raw = ABSENT
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: StopDetails | None = None


class _Message(msgspec.Struct):
    usage: msgspec.Raw = ABSENT


class _Event(msgspec.Struct):
    type: str | None = None
    index: int = 0
    message: _Message | None = None
    content_block: msgspec.Raw = ABSENT
    delta: _Delta | None = None
    usage: msgspec.Raw = ABSENT


class _OpenCall(msgspec.Struct):
    """A tool call whose block is open."""

    index: int
    """In the client's `tool_calls`."""
    whole_input: msgspec.Raw
    """What the block began with; stands for the arguments unless pieces of them follow."""
    pieces: bool = False


_event: Final = msgspec.json.Decoder(_Event).decode


class EventTranslator:
    """See `translated.EventTranslator`."""

    next_sequence = 0

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._counts = MessagesCounts()
        self._tier: str | None = None
        self._begun = False
        self._calls: dict[int, _OpenCall] = {}
        """Open ones, by the index of their block."""
        self._next_call = 0
        self._details: dict[int, int] = {}
        """Indexes in `reasoning_details`, by the index of their block."""
        head = {
            "id": stamp.generation_id,
            "object": "chat.completion.chunk",
            "created": stamp.created,
            "model": stamp.model,
            "provider": stamp.provider,
        }
        self._head = msgspec.json.encode(head)[:-1]
        native = {"native_finish_reason": None} if stamp.dialect.tree == "openrouter" else {}
        self._unfinished = {"finish_reason": None} | native

    def take(self, event: Event) -> bytes:
        try:
            read = _event(event.data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return b""
        match read.type:
            case "message_start":
                if read.message is not None:
                    self._count(read.message.usage)
                return b"" if self._begun else self._chunk({"content": ""})
            case "content_block_start":
                return self._start(read.index, read_block(read.content_block))
            case "content_block_delta" if read.delta is not None:
                return self._delta(read.index, read.delta)
            case "content_block_stop":
                return self._stop(read.index)
            case "message_delta":
                self._count(read.usage)
                return self._finish(read.delta) if read.delta is not None and read.delta.stop_reason else b""
        return b""  # ping, message_stop, and what later versions add

    def end(self) -> bytes:
        usage = b""
        if self._stamp.usage:
            counts = bytes(chat_usage(self._stamp, self._counts.usage()))
            tail = b"" if self._tier is None else b',"service_tier":' + msgspec.json.encode(self._tier)
            usage = encode_event(self._head + b',"choices":[],"usage":' + counts + tail + b"}")
        return usage + _DONE

    def _count(self, usage: msgspec.Raw) -> None:
        self._counts = self._counts.later(parse_messages_counts(usage))
        self._tier = served_tier(usage) or self._tier

    def _start(self, index: int, block: Block | None) -> bytes:
        if block is None:
            return b""
        match block.type:
            case "text" if is_text(block.text):
                return self._chunk({"content": block.text})
            case "thinking":
                self._details[index] = len(self._details)
                return self._thought(index, block.thinking, block.signature)
            case "redacted_thinking" if is_text(block.data):
                self._details[index] = place = len(self._details)
                return self._chunk({"reasoning_details": [thinking.encrypted_detail(place, block.data)]})
            case "tool_use":
                call = _OpenCall(self._next_call, block.input)
                self._next_call += 1
                self._calls[index] = call
                return self._chunk(
                    {
                        "tool_calls": [
                            {
                                "index": call.index,
                                "id": block.id or invented(self._stamp.generation_id, call.index),
                                "type": "function",
                                "function": {"name": block.name or "", "arguments": ""},
                            }
                        ]
                    }
                )
        return b""

    def _delta(self, index: int, delta: _Delta) -> bytes:
        match delta.type:
            case "text_delta" if is_text(delta.text):
                return self._chunk({"content": delta.text})
            case "thinking_delta" | "signature_delta":
                return self._thought(index, delta.thinking, delta.signature)
            case "input_json_delta" if is_text(delta.partial_json) and index in self._calls:
                self._calls[index].pieces = True
                return self._arguments(self._calls[index], delta.partial_json)
        return b""

    def _thought(self, index: int, text: msgspec.Raw, signature: msgspec.Raw) -> bytes:
        """A piece of a thinking block; an empty one says nothing. Its signature comes once, at the end."""
        place = self._details.setdefault(index, len(self._details))
        signed = is_text(signature)
        if not is_text(text) and not signed:
            return b""
        said: dict[str, Any] = {"reasoning": text} if is_text(text) else {}
        piece = thinking.text_detail(place, text if is_text(text) else "", signature if signed else None)
        return self._chunk(said | {"reasoning_details": [piece]})

    def _stop(self, index: int) -> bytes:
        call = self._calls.pop(index, None)
        if call is None or call.pieces:
            return b""
        whole = bytes(call.whole_input).decode("utf-8", "replace")
        return self._arguments(call, whole if whole.startswith("{") else "{}")

    def _arguments(self, call: _OpenCall, arguments: str | msgspec.Raw) -> bytes:
        return self._chunk({"tool_calls": [{"index": call.index, "function": {"arguments": arguments}}]})

    def _finish(self, delta: _Delta) -> bytes:
        refusal = delta.stop_details.explanation if delta.stop_details and delta.stop_reason == "refusal" else None
        said = {} if refusal is None else {"refusal": refusal}
        return self._chunk(said, finish(self._stamp, delta.stop_reason, delta.stop_sequence))

    def _chunk(self, delta: dict[str, Any], finished: dict[str, Any] | None = None) -> bytes:
        if not self._begun:
            self._begun = True
            delta = {"role": "assistant"} | delta
        choice = {"index": 0, "delta": delta, "logprobs": None} | (finished or self._unfinished)
        return encode_event(self._head + b',"choices":[' + msgspec.json.encode(choice) + b"]}")
