"""Streams of Responses as streams of chat completions. Pure; called by `chat_over_responses`.

Text goes out as it comes. What an event of a part's or an item's end repeats is sent as far as no delta has brought it,
and the final output where no event brought anything, so that servers that leave out events lose nothing.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tieline_router.streaming.form import Stamp
from tieline_router.streaming.sse import Event, encode_event
from tieline_router.streaming.stream import DONE
from tieline_router.translate.chat_over_responses_shape import (
    Json,
    OutputItem,
    ResponseObject,
    called,
    choice,
    citations,
    frame,
    image,
    read,
    read_item,
    spoken,
    usage_object,
)
from tieline_router.translate.kept import Kept
from tieline_router.translate.openai_reasoning import FORMAT


class _Event(msgspec.Struct):
    """What is read of any event."""

    type: str = ""
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    item_id: str | None = None
    delta: str | None = None
    text: str | None = None
    refusal: str | None = None
    arguments: str | None = None
    item: msgspec.Raw = msgspec.Raw()
    annotation: msgspec.Raw = msgspec.Raw()
    logprobs: msgspec.Raw = msgspec.Raw()
    response: msgspec.Raw = msgspec.Raw()


_event: Final = msgspec.json.Decoder(_Event)
_response: Final = msgspec.json.Decoder(ResponseObject)
_NOTHING: Final = _Event()
_encode: Final = msgspec.json.Encoder().encode
_DONE: Final = encode_event(DONE)
_Part = tuple[str, int, int]
"""Kind, output index, and index inside of the item."""


class EventTranslator:
    """Events of a response in, chunks out."""

    next_sequence = 0

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        self._frame = frame(stamp, "chat.completion.chunk", stamp.created)
        self._out = bytearray()
        self._begun = False
        self._sent: dict[_Part, int] = {}
        """How many characters of each part are out."""
        self._calls: dict[int, int] = {}
        """The index of each call among the calls, by the output index of its item."""
        self._entries: dict[_Part, int] = {}
        """The index of each entry of `reasoning_details`, by the part that it is made of."""
        self._final: ResponseObject | None = None
        self._kept = Kept()

    def take(self, event: Event) -> bytes:
        data = event.data
        found = read(_event, data, _NOTHING) if data.isascii() or _is_utf8(data) else _NOTHING
        self._begin(found)
        if self._final is None:
            self._take(found)
        out = bytes(self._out)
        self._out.clear()
        return out

    def end(self) -> bytes:
        self._kept.check()
        self._begin(_NOTHING)
        if self._final is None:
            self._finish(ResponseObject())
        usage = self._final.counted() if self._final is not None else None
        if usage is not None and self._stamp.usage:
            chunk = self._frame | {"choices": [], "usage": usage_object(usage, self._stamp)}
            self._out += encode_event(_encode(chunk))
        return bytes(self._out) + _DONE

    def _begin(self, event: _Event) -> None:
        if self._begun:
            return
        self._begun = True
        self._frame["created"] = read(_response, event.response, ResponseObject()).created(self._stamp)
        self._emit({"role": "assistant", "content": ""})

    def _take(self, event: _Event) -> None:
        """The parts of items: what a reader sees as it comes."""
        here = event.output_index, event.content_index
        match event.type.removeprefix("response."):
            case "output_text.delta":
                self._say(("content", *here), event.delta, event.logprobs)
            case "output_text.done":
                self._say(("content", *here), self._rest(("content", *here), event.text))
            case "refusal.delta":
                self._say(("refusal", *here), event.delta)
            case "refusal.done":
                self._say(("refusal", *here), self._rest(("refusal", *here), event.refusal))
            case "reasoning_text.delta":
                self._think(("text", *here), event.delta, event.item_id)
            case "reasoning_summary_text.delta":
                self._think(("summary", event.output_index, event.summary_index), event.delta, event.item_id)
            case "output_text.annotation.added":
                self._cite(("cited", *here), b"[" + bytes(event.annotation) + b"]")
            case kind:
                self._take_item(kind, event)

    def _take_item(self, kind: str, event: _Event) -> None:
        """Calls, whole items, and the end."""
        match kind:
            case "function_call_arguments.delta":
                self._argue(event.output_index, event.delta)
            case "function_call_arguments.done":
                self._argue(event.output_index, self._rest(("arguments", event.output_index, 0), event.arguments))
            case "output_item.added":
                self._open(event.output_index, read_item(event.item))
            case "output_item.done":
                self._settle(event.output_index, read_item(event.item))
            case "completed" | "incomplete" as status:
                response = read(_response, event.response, ResponseObject())
                response.status = status
                self._finish(response)
            case _:
                pass

    def _emit(self, delta: Json, finish_reason: str | None = None, logprobs: list[Json] | None = None) -> None:
        native = self._final.native_finish_reason if self._final is not None else None
        only = choice(self._stamp, finish_reason, native) | {"delta": delta}
        if logprobs:
            only["logprobs"] = {"content": logprobs, "refusal": None}
        self._out += encode_event(_encode(self._frame | {"choices": [only]}))

    def _grown(self, part: _Part, words: str | None) -> bool:
        """Whether there is something new to send of a part."""
        if not words:
            return False
        if part not in self._sent:
            self._kept.entry()
        self._sent[part] = self._sent.get(part, 0) + len(words)
        return True

    def _rest(self, part: _Part, whole: str | None) -> str | None:
        """What of a part no delta has brought."""
        return whole[self._sent.get(part, 0) :] if whole else None

    def _say(self, part: _Part, words: str | None, logprobs: msgspec.Raw | None = None) -> None:
        if self._grown(part, words):
            self._emit({part[0]: words}, logprobs=spoken(logprobs) if logprobs is not None else None)

    def _think(self, part: _Part, words: str | None, item_id: str | None) -> None:
        if words is None or not self._grown(part, words):
            return
        fresh = part not in self._entries
        index = self._entries.setdefault(part, len(self._entries))
        key = "summary" if part[0] == "summary" else "text"
        # Paragraphs of a summary come as parts of their own.
        joined = "\n\n" + words if fresh and part[2] > 0 else words
        detail = {"type": f"reasoning.{key}", key: words, "format": FORMAT, "index": index}
        self._emit({"reasoning": joined, "reasoning_details": [_named(detail, item_id)]})

    def _seal(self, place: int, item: OutputItem) -> None:
        part = ("encrypted", place, 0)
        if part not in self._sent and self._grown(part, item.encrypted_content):
            index = self._entries.setdefault(part, len(self._entries))
            detail = {"type": "reasoning.encrypted", "data": item.encrypted_content, "format": FORMAT, "index": index}
            self._emit({"reasoning_details": [_named(detail, item.id)]})

    def _argue(self, place: int, words: str | None) -> None:
        if place in self._calls and self._grown(("arguments", place, 0), words):
            self._emit({"tool_calls": [{"index": self._calls[place], "function": {"arguments": words}}]})

    def _cite(self, part: _Part, annotations: bytes) -> None:
        """Annotations of a part; those that went out before are counted, not repeated."""
        found = citations(msgspec.Raw(annotations))
        if found:
            self._sent[part] = self._sent.get(part, 0) + len(found)
            self._emit({"annotations": found})

    def _open(self, place: int, item: OutputItem) -> None:
        if item.type != "function_call" or place in self._calls:
            return
        self._kept.entry()
        index = self._calls[place] = len(self._calls)
        self._sent["arguments", place, 0] = len(item.arguments or "")
        self._emit({"tool_calls": [called(item, index)]})

    def _settle(self, place: int, item: OutputItem) -> None:
        """The final form of an item: sends what of it is not out."""
        if item.type == "function_call":
            self._open(place, item)
            self._argue(place, self._rest(("arguments", place, 0), item.arguments))
        elif item.type == "reasoning":
            found = item.reasoning()
            for kind, parts in (("summary", found.summary), ("text", found.content)):
                for index, one in enumerate(parts or ()):
                    part = (kind, place, index)
                    self._think(part, self._rest(part, one.text), item.id)
            self._seal(place, item)
        elif item.type == "message":
            self._settle_message(place, item)
        elif item.type == "image_generation_call" and self._grown(("image", place, 0), self._fresh_image(place, item)):
            self._emit({"images": [image(item)]})

    def _fresh_image(self, place: int, item: OutputItem) -> str | None:
        return None if ("image", place, 0) in self._sent else item.result

    def _settle_message(self, place: int, item: OutputItem) -> None:
        for index, part in enumerate(item.content or ()):
            self._say(("content", place, index), self._rest(("content", place, index), part.text))
            self._say(("refusal", place, index), self._rest(("refusal", place, index), part.refusal))
            if ("cited", place, index) not in self._sent:
                self._cite(("cited", place, index), bytes(part.annotations))

    def _finish(self, response: ResponseObject) -> None:
        if not self._sent:  # places in the final output need not be those of the events, so it is all or nothing
            for place, item in enumerate(response.items()):
                self._settle(place, item)
        self._final = response
        tier = response.tier()
        if tier is not None:
            self._frame["service_tier"] = tier
        self._emit({}, finish_reason=response.finish_reason(called=bool(self._calls)))


def _named(detail: Json, item_id: str | None) -> Json:
    return detail if item_id is None else detail | {"id": item_id}


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
