"""What is read of a Responses provider's answer, and the frames of a chat answer made from it. Pure.

Used by `chat_over_responses_answer` and `chat_over_responses_stream`.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from tieline_router.streaming.form import Stamp
from tieline_router.streaming.usage import Usage, parse_responses_usage
from tieline_router.translate.openai_reasoning import Part, ReasoningItem
from tieline_router.translate.token_counts import known_tier

Json = dict[str, Any]
T = TypeVar("T")


class ContentPart(msgspec.Struct):
    """A part of a message item."""

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: msgspec.Raw = msgspec.Raw()
    logprobs: msgspec.Raw = msgspec.Raw()


class OutputItem(msgspec.Struct):
    """An item of the output, of any type."""

    type: str = ""
    id: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | None = None
    content: list[ContentPart] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    result: str | None = None
    output_format: str | None = None

    def reasoning(self) -> ReasoningItem:
        """A reasoning item as one."""
        texts = [Part(part.text or "") for part in self.content or ()]
        return ReasoningItem(self.id, self.summary, texts, self.encrypted_content)


class _Incomplete(msgspec.Struct):
    reason: str | None = None


class ResponseObject(msgspec.Struct):
    """A whole response, as the answer or inside of an event."""

    status: str | None = None
    created_at: msgspec.Raw = msgspec.Raw()
    incomplete_details: _Incomplete | None = None
    output: list[msgspec.Raw] | None = None
    usage: msgspec.Raw = msgspec.Raw()
    service_tier: msgspec.Raw = msgspec.Raw()

    @property
    def native_finish_reason(self) -> str | None:
        """In the provider's words: why it is incomplete, or its status."""
        reason = self.incomplete_details.reason if self.incomplete_details else None
        return reason or self.status

    def finish_reason(self, *, called: bool) -> str:
        """In the words of chat completions. An answer that is incomplete for a reason that chat does not know was cut,
        and is never shown as whole."""
        if self.status == "incomplete":
            return "content_filter" if self.native_finish_reason == "content_filter" else "length"
        return "tool_calls" if called else "stop"

    def items(self) -> list[OutputItem]:
        """The output; an item that is not understood keeps its place and says nothing."""
        return [read_item(item) for item in self.output or ()]

    def counted(self) -> Usage | None:
        return parse_responses_usage(self.usage)

    def created(self, stamp: Stamp) -> int:
        """When the provider began; by our clock where it does not say."""
        found = read(_number, self.created_at, None)
        return int(found) if found is not None and 0 <= found <= _LATEST else stamp.created

    def tier(self) -> str | None:
        found: str | None = read(_string, self.service_tier, None)
        return known_tier(found)


_LATEST: Final = 2**40
"""Unix seconds beyond any calendar: a number that is no time."""
_item: Final = msgspec.json.Decoder(OutputItem)
_number: Final = msgspec.json.Decoder(float | None)
_string: Final = msgspec.json.Decoder(str | None)
_objects: Final = msgspec.json.Decoder(list[Json] | None)


def read(decoder: msgspec.json.Decoder[T], value: msgspec.Raw | bytes, otherwise: T) -> T:
    """What a provider sent; `otherwise` where it is not understood, which the observer of its API judges."""
    if not bytes(value):
        return otherwise
    try:
        return decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return otherwise


def read_item(value: msgspec.Raw) -> OutputItem:
    return read(_item, value, OutputItem())


def citations(annotations: msgspec.Raw) -> list[Json]:
    """Citations of web pages, as chat has them; other kinds point to files of the provider's and have no place."""
    return [
        {"type": "url_citation", "url_citation": {name: value for name, value in found.items() if name != "type"}}
        for found in read(_objects, annotations, None) or ()
        if found.get("type") == "url_citation"
    ]


def spoken(logprobs: msgspec.Raw) -> list[Json]:
    """Log probabilities, with the keys that a chat answer always has."""
    found = read(_objects, logprobs, None) or ()
    return [{"bytes": None, "top_logprobs": []} | one for one in found]


def called(item: OutputItem, index: int) -> Json:
    """A function call as chat has it."""
    call: Json = {"index": index, "id": item.call_id or item.id or f"call_{index}", "type": "function"}
    return call | {"function": {"name": item.name or "", "arguments": item.arguments or ""}}


def image(item: OutputItem) -> Json:
    """An image that the model made."""
    url = f"data:image/{item.output_format or 'png'};base64,{item.result or ''}"
    return {"type": "image_url", "image_url": {"url": url}}


def usage_object(usage: Usage, stamp: Stamp) -> Json:
    """The `usage` of a chat completion; with what it cost, where that is known."""
    found: Json = {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    cost = stamp.cost(usage)
    if stamp.dialect.tree == "openrouter":
        found |= {"cost": None, "is_byok": False}
    if cost is not None:
        found["cost"] = cost.total
    if cost is not None and stamp.dialect.tree == "openrouter":
        found["cost_details"] = {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": cost.prompt,
            "upstream_inference_completions_cost": cost.completion,
        }
    return found


def frame(stamp: Stamp, kind: str, created: int) -> Json:
    """What an answer and every chunk of a stream have alike."""
    return {
        "id": stamp.generation_id,
        "object": kind,
        "created": created,
        "model": stamp.model,
        "provider": stamp.provider,
        "system_fingerprint": None,
    }


def choice(stamp: Stamp, finish_reason: str | None, native: str | None) -> Json:
    """What a choice has besides its message or delta."""
    found: Json = {"index": 0, "finish_reason": finish_reason, "logprobs": None}
    if stamp.dialect.tree == "openrouter":
        found["native_finish_reason"] = native
    return found
