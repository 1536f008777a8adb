"""Answers of chat completions as Responses: streams and plain ones. Pure; called by `responses_over_chat`.

A plain answer is a stream of one piece, so that both have one meaning. Item ids derive from the generation's id; the id
of a reasoning item is the provider's where it has one, because its encrypted content belongs to that id.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

import msgspec

from tieline_router.streaming.form import Stamp, Whole
from tieline_router.streaming.sse import Event
from tieline_router.streaming.usage import Usage, parse_usage
from tieline_router.translate import openai_reasoning
from tieline_router.translate.chat_delta import Delta, ToolCall, citations, images, logprobs, string, text
from tieline_router.translate.responses_over_chat_items import (
    CallItem,
    CustomCallItem,
    MessageItem,
    ReasoningItem,
    image_item,
)
from tieline_router.translate.responses_over_chat_shape import Events, Json, Shell
from tieline_router.translate.token_counts import known_tier


class _Choice(msgspec.Struct):
    index: int | None = None
    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    logprobs: msgspec.Raw = msgspec.Raw()


class _Answer(msgspec.Struct):
    """A chunk, or a whole answer."""

    choices: list[_Choice] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    service_tier: msgspec.Raw = msgspec.Raw()


_answer: Final = msgspec.json.Decoder(_Answer)
_NOTHING: Final = _Answer()


def _read(data: bytes) -> _Answer:
    """What an answer says; nothing when it is not understood, which the observer of the provider's API judges."""
    try:
        if not data.isascii():
            data.decode()
        return _answer.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _NOTHING


class EventTranslator:
    """Chunks in, events of a response out. Only the first choice exists: Responses know one."""

    def __init__(self, stamp: Stamp) -> None:
        self._events = Events()
        self._shell = Shell(stamp)
        self._output = _Output(self._events, stamp.generation_id, self._shell.custom_tools)
        self._usage: Usage | None = None
        self._service_tier: str | None = None
        self._created = False
        self.finish_reason: str | None = None

    @property
    def next_sequence(self) -> int:
        return self._events.next_sequence

    def take(self, event: Event) -> bytes:
        self._begin()
        self.read(_read(event.data))
        return self._events.drain()

    def end(self) -> bytes:
        self._events.kept.check()
        self._begin()
        response = self.response()
        self._events.add(f"response.{response['status']}", response=response)
        return self._events.drain()

    def read(self, answer: _Answer) -> None:
        """Takes a chunk, or a whole answer as one."""
        for choice in answer.choices or ():
            if not choice.index and self.finish_reason is None:
                self._output.take(choice.delta or choice.message or Delta(), choice.logprobs)
                self._finish(choice.finish_reason)
        if bytes(answer.usage):
            self._usage = parse_usage(answer.usage) or self._usage
        self._service_tier = known_tier(string(answer.service_tier)) or self._service_tier

    def response(self) -> Json:
        """The complete answer."""
        return self._shell.response(
            "completed",
            self._output.close(self.finish_reason),
            finish_reason=self.finish_reason,
            usage=self._usage,
            service_tier=self._service_tier,
        )

    def _begin(self) -> None:
        if not self._created:
            self._created = True
            response = self._shell.response("in_progress", ())
            self._events.add("response.created", response=response)
            self._events.add("response.in_progress", response=response)

    def _finish(self, reason: str | None) -> None:
        if reason:
            self.finish_reason = reason
            self._output.close(reason)


class _Output:
    """The output items of one answer, in the order in which they began."""

    def __init__(self, events: Events, generation_id: str, custom_tools: Collection[str]) -> None:
        self._events = events
        self._generation_id = generation_id
        self._custom_tools = custom_tools
        self._items: list[Json | None] = []
        """The final forms; None while an item is open."""
        self._message: MessageItem | None = None
        self._reasoning: ReasoningItem | None = None
        self._single = 0
        """Where the open message or reasoning item stands: there is at most one."""
        self._calls: dict[int, tuple[CallItem | CustomCallItem, int]] = {}

    def take(self, delta: Delta, spoken: msgspec.Raw) -> None:
        self._events.kept.add(len(spoken) + len(delta.annotations) + len(delta.images))
        self._think(delta)
        said, refused = text(delta.content), text(delta.refusal)
        if said:
            self._open_message().say(said, logprobs(spoken, "content"))
        for annotation in citations(delta.annotations):
            self._open_message().annotate(annotation)
        if refused:
            self._open_message().refuse(refused)
        for place, call in enumerate(delta.calls()):
            self._call(call, place)
        for data in images(delta.images):
            self._close_single("completed")
            at = self._reserve()
            self._items[at] = image_item(self._events, self._id("ig", at), at, data)

    def close(self, finish_reason: str | None) -> list[Json]:
        """Closes what is open; the items' final forms. A second call changes nothing."""
        status = "incomplete" if finish_reason in {"length", "content_filter"} else "completed"
        self._close_single(status)
        for item, place in self._calls.values():
            if self._items[place] is None:
                self._items[place] = item.close(status)
        return [item for item in self._items if item is not None]

    def _think(self, delta: Delta) -> None:
        details = openai_reasoning.read_details(delta.reasoning_details)
        words = text(delta.reasoning) or text(delta.reasoning_content)
        key = next(filter(None, map(openai_reasoning.foreign_key, details)), None)
        for detail in details:
            key = openai_reasoning.foreign_key(detail) or key
            self._open_reasoning(key).take(detail)
        if words and not any(map(openai_reasoning.words_of, details)):
            self._open_reasoning(key).think(words)

    def _call(self, call: ToolCall, place: int) -> None:
        index = self._key(call, place) if call.index is None else call.index
        known = self._calls.get(index)
        if known is None and (call.id or call.name):
            self._close_single("completed")
            at = self._reserve()
            # A call that its provider gave no id has the id of its item.
            call_id = call.id or self._id("call", at)
            made, kind = (CustomCallItem, "ctc") if call.name in self._custom_tools else (CallItem, "fc")
            known = self._calls[index] = (made(self._events, self._id(kind, at), at, call_id, call.name), at)
        if known is not None and call.arguments and self._items[known[1]] is None:
            known[0].add(call.arguments)

    def _key(self, call: ToolCall, place: int) -> int:
        """Servers that leave the index out mean a new call where there is an id, or another one before it; else the
        last."""
        return len(self._calls) if call.id or place or not self._calls else max(self._calls)

    def _reserve(self) -> int:
        self._events.kept.entry()
        self._items.append(None)
        return len(self._items) - 1

    def _id(self, kind: str, place: int) -> str:
        return f"{kind}_{self._generation_id}_{place}"

    def _open_message(self) -> MessageItem:
        if self._message is None:
            self._close_single("completed")
            self._single = self._reserve()
            self._message = MessageItem(self._events, self._id("msg", self._single), self._single)
        return self._message

    def _open_reasoning(self, key: str | None) -> ReasoningItem:
        if self._reasoning is None or (key is not None and self._reasoning.id != key and self._reasoning.named):
            self._close_single("completed")
            self._single = self._reserve()
            self._reasoning = ReasoningItem(
                self._events, key or self._id("rs", self._single), self._single, named=key is not None
            )
        return self._reasoning

    def _close_single(self, status: str) -> None:
        item = self._message or self._reasoning
        if item is not None:
            self._items[self._single] = item.close(status)
        self._message = self._reasoning = None


def translate_answer(stamp: Stamp, body: bytes) -> Whole:
    """A plain chat completion as a response."""
    translator = EventTranslator(stamp)
    answer = _read(body)
    translator.read(answer)
    return Whole(
        msgspec.json.encode(translator.response()),
        usage=parse_usage(answer.usage),
        finish_reason=translator.finish_reason,
    )
