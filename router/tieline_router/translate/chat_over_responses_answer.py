"""Plain Responses answers as chat completions. Pure; called by `chat_over_responses`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from tieline_router.streaming.form import Stamp, Whole
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
    spoken,
    usage_object,
)
from tieline_router.translate.openai_reasoning import Detail, details_of, text_of

_response: Final = msgspec.json.Decoder(ResponseObject)


def translate_answer(stamp: Stamp, body: bytes) -> Whole:
    """A plain response as a chat completion."""
    response = read(_response, body, ResponseObject())
    items = response.items()
    message = _message(items)
    only = choice(stamp, response.finish_reason(called="tool_calls" in message), response.native_finish_reason)
    logprobs = [one for item in items for part in item.content or () for one in spoken(part.logprobs)]
    if logprobs:
        only["logprobs"] = {"content": logprobs, "refusal": None}
    found = frame(stamp, "chat.completion", response.created(stamp)) | {"choices": [only | {"message": message}]}
    usage, tier = response.counted(), response.tier()
    if usage is not None:
        found["usage"] = usage_object(usage, stamp)
    if tier is not None:
        found["service_tier"] = tier
    return Whole(msgspec.json.encode(found), usage=usage, finish_reason=response.native_finish_reason)


def _message(items: Sequence[OutputItem]) -> Json:
    parts = [part for item in items if item.type == "message" for part in item.content or ()]
    texts = [part.text for part in parts if part.type == "output_text" and part.text]
    refusals = [part.refusal for part in parts if part.type == "refusal" and part.refusal]
    message: Json = {"role": "assistant", "content": "".join(texts) or None, "refusal": "".join(refusals) or None}
    message |= _reasoning([item for item in items if item.type == "reasoning"])
    calls = [item for item in items if item.type == "function_call"]
    if calls:
        message["tool_calls"] = [_without_index(called(item, index)) for index, item in enumerate(calls)]
    annotations = [citation for part in parts for citation in citations(part.annotations)]
    if annotations:
        message["annotations"] = annotations
    images = [image(item) for item in items if item.type == "image_generation_call" and item.result]
    return message | {"images": images} if images else message


def _without_index(call: Json) -> Json:
    """Only pieces of a stream have an index."""
    return {name: value for name, value in call.items() if name != "index"}


def _reasoning(items: Sequence[OutputItem]) -> Json:
    details: list[Detail] = []
    texts = []
    for item in items:
        found = item.reasoning()
        details += details_of(found, len(details))
        texts.append(text_of(found))
    text = "\n\n".join(filter(None, texts))
    fields: Json = {"reasoning": text} if text else {}
    return fields | {"reasoning_details": details} if details else fields
