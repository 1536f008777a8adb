"""The output items of a Responses answer while they grow: each tells its events and knows its final form. Pure.

An item is opened by the first piece that belongs to it and closed once. Used by `responses_over_chat_answer`, for
streams and (with events that nobody reads) for plain answers, so that both have one meaning.
"""

from __future__ import annotations

from collections.abc import Sequence

from tieline_router.translate import custom_tools, openai_reasoning
from tieline_router.translate.kept import Text
from tieline_router.translate.openai_reasoning import Detail, Joiner
from tieline_router.translate.responses_over_chat_shape import Events, Json


class MessageItem:
    """What the assistant says: text and refusals, one part after the other."""

    def __init__(self, events: Events, item_id: str, output_index: int) -> None:
        self._events = events
        self._at = {"item_id": item_id, "output_index": output_index}
        self._id = item_id
        self._parts: list[Json] = []
        self._text: Text | None = None
        """Of the last part, while it grows."""
        self._events.add("response.output_item.added", output_index=output_index, item=self._item("in_progress"))

    def say(self, text: str, logprobs: Sequence[Json]) -> None:
        part, grown = self._part("output_text")
        grown.add(text)
        part["logprobs"] += logprobs
        self._events.add("response.output_text.delta", **self._here(), delta=text, logprobs=logprobs)

    def refuse(self, text: str) -> None:
        _, grown = self._part("refusal")
        grown.add(text)
        self._events.add("response.refusal.delta", **self._here(), delta=text)

    def annotate(self, annotation: Json) -> None:
        part, _ = self._part("output_text")
        place = len(part["annotations"])
        part["annotations"].append(annotation)
        self._events.add(
            "response.output_text.annotation.added", **self._here(), annotation_index=place, annotation=annotation
        )

    def close(self, status: str) -> Json:
        self._close_part()
        item = self._item(status)
        self._events.add("response.output_item.done", output_index=self._at["output_index"], item=item)
        return item

    def _item(self, status: str) -> Json:
        return {"id": self._id, "type": "message", "role": "assistant", "status": status, "content": self._parts[:]}

    def _here(self) -> Json:
        return {**self._at, "content_index": len(self._parts) - 1}

    def _part(self, kind: str) -> tuple[Json, Text]:
        if self._text is not None and self._parts[-1]["type"] == kind:
            return self._parts[-1], self._text
        self._close_part()
        self._events.kept.entry()
        part: Json = {"type": kind}
        part |= {"text": "", "annotations": [], "logprobs": []} if kind == "output_text" else {"refusal": ""}
        self._parts.append(part)
        self._text = Text(self._events.kept)
        self._events.add("response.content_part.added", **self._here(), part=part)
        return part, self._text

    def _close_part(self) -> None:
        if self._text is None:
            return
        part, text, self._text = self._parts[-1], str(self._text), None
        if part["type"] == "output_text":
            part["text"] = text
            self._events.add("response.output_text.done", **self._here(), text=text, logprobs=part["logprobs"])
        else:
            part["refusal"] = text
            self._events.add("response.refusal.done", **self._here(), refusal=text)
        self._events.add("response.content_part.done", **self._here(), part=part)


class CallItem:
    """One call of a function. Its arguments may come in pieces, between those of other calls."""

    def __init__(self, events: Events, item_id: str, output_index: int, call_id: str, name: str) -> None:
        self._events = events
        self._at = {"item_id": item_id, "output_index": output_index}
        self._item: Json = {"id": item_id, "type": "function_call", "call_id": call_id, "name": name, "arguments": ""}
        self._arguments = Text(self._events.kept)
        item = self._item | {"status": "in_progress"}
        self._events.add("response.output_item.added", output_index=output_index, item=item)

    def add(self, arguments: str) -> None:
        self._arguments.add(arguments)
        self._events.add("response.function_call_arguments.delta", **self._at, delta=arguments)

    def close(self, status: str) -> Json:
        item = self._item | {"arguments": str(self._arguments), "status": status}
        done = {"arguments": item["arguments"], "name": item["name"]}
        self._events.add("response.function_call_arguments.done", **self._at, **done)
        self._events.add("response.output_item.done", output_index=self._at["output_index"], item=item)
        return item


class CustomCallItem:
    """One call of a custom tool. Its text stands inside of JSON that comes in pieces: it is told once it is whole."""

    def __init__(self, events: Events, item_id: str, output_index: int, call_id: str, name: str) -> None:
        self._events = events
        self._at = {"item_id": item_id, "output_index": output_index}
        self._item: Json = {"id": item_id, "type": "custom_tool_call", "call_id": call_id, "name": name, "input": ""}
        self._arguments = Text(self._events.kept)
        events.add("response.output_item.added", output_index=output_index, item=self._item)

    def add(self, arguments: str) -> None:
        self._arguments.add(arguments)

    def close(self, _status: str) -> Json:
        text = custom_tools.text_of(str(self._arguments))
        if text:
            self._events.add("response.custom_tool_call_input.delta", **self._at, delta=text)
        self._events.add("response.custom_tool_call_input.done", **self._at, input=text)
        item = self._item | {"input": text}
        self._events.add("response.output_item.done", output_index=self._at["output_index"], item=item)
        return item


class ReasoningItem:
    """What the assistant thinks: summary and text for the reader, and the state that only its provider reads."""

    def __init__(self, events: Events, item_id: str, output_index: int, *, named: bool) -> None:
        self._events = events
        self._at = {"item_id": item_id, "output_index": output_index}
        self.id = item_id
        self.named = named
        """The provider named the item."""
        self._details = Joiner(events.kept)
        self._parts: dict[str, list[Json]] = {"summary_text": [], "reasoning_text": []}
        self._growing: tuple[str, Text] | None = None
        """The kind and the text of the part that grows."""
        self._place: object = None
        """Which entry of the provider's the growing part belongs to."""
        item = {"id": item_id, "type": "reasoning", "summary": [], "status": "in_progress"}
        self._events.add("response.output_item.added", output_index=output_index, item=item)

    def think(self, text: str) -> None:
        """Takes a piece of reasoning that has no entry."""
        self._grow("reasoning_text", None, text)

    def take(self, detail: Detail) -> None:
        """Takes an entry of `reasoning_details`, or a piece of one."""
        self._details.add(detail)
        words = openai_reasoning.words_of(detail)
        if words:
            summary = openai_reasoning.kind_of(detail) == "reasoning.summary"
            self._grow("summary_text" if summary else "reasoning_text", detail.get("index"), words)

    def close(self, status: str) -> Json:
        self._close_part()
        item: Json = {"id": self.id, "type": "reasoning", "summary": self._parts["summary_text"], "status": status}
        if self._parts["reasoning_text"]:
            item["content"] = self._parts["reasoning_text"]
        sealed = openai_reasoning.encrypted_content(self._details.joined(), self.id)
        if sealed is not None:
            item["encrypted_content"] = sealed
        self._events.add("response.output_item.done", output_index=self._at["output_index"], item=item)
        return item

    def _grow(self, kind: str, place: object, words: str) -> None:
        growing = self._growing
        if growing is None or growing[0] != kind or self._place != place:
            growing = self._open_part(kind, place)
        growing[1].add(words)
        name = "response.reasoning_summary_text.delta" if kind == "summary_text" else "response.reasoning_text.delta"
        self._events.add(name, **self._here(kind), delta=words)

    def _here(self, kind: str) -> Json:
        index = len(self._parts[kind]) - 1
        return {**self._at, ("summary_index" if kind == "summary_text" else "content_index"): index}

    def _open_part(self, kind: str, place: object) -> tuple[str, Text]:
        self._close_part()
        self._events.kept.entry()
        self._growing = growing = (kind, Text(self._events.kept))
        self._place = place
        part = {"type": kind, "text": ""}
        self._parts[kind].append(part)
        name = "reasoning_summary_part" if kind == "summary_text" else "content_part"
        self._events.add(f"response.{name}.added", **self._here(kind), part=part)
        return growing

    def _close_part(self) -> None:
        if self._growing is None:
            return
        (kind, grown), self._growing = self._growing, None
        part, text = self._parts[kind][-1], str(grown)
        part["text"] = text
        texts, parts = (
            ("reasoning_summary_text", "reasoning_summary_part")
            if kind == "summary_text"
            else ("reasoning_text", "content_part")
        )
        self._events.add(f"response.{texts}.done", **self._here(kind), text=text)
        self._events.add(f"response.{parts}.done", **self._here(kind), part=part)


def image_item(events: Events, item_id: str, output_index: int, data: str) -> Json:
    """An image that the model made, base64: whole from the beginning."""
    item: Json = {"id": item_id, "type": "image_generation_call", "status": "in_progress", "result": None}
    events.add("response.output_item.added", output_index=output_index, item=item)
    item |= {"status": "completed", "result": data}
    events.add("response.output_item.done", output_index=output_index, item=item)
    return item
