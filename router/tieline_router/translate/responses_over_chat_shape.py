"""The frame of a Responses answer: the `response` object around its output, and the framing of its events. Pure.

Clients' libraries require fields that repeat the request; they come from `stamp.echo`, byte for byte. Used by
`responses_over_chat_answer` and `responses_over_chat_items`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from tieline_router.streaming.form import Stamp
from tieline_router.streaming.sse import encode_event
from tieline_router.streaming.usage import Usage
from tieline_router.translate import custom_tools
from tieline_router.translate.kept import Kept
from tieline_router.translate.strict_object import NULL, Fields

Json = dict[str, Any]

_ECHOED: Final[Mapping[str, object]] = {
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": None,
    "top_p": None,
    "user": None,
}
"""What an answer repeats of its request, and what stands for what the request left out: the API's own default where it
is a fact, null where it is the provider's."""
_REASONS: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Finish reasons of chat that leave a response incomplete."""
_fields: Final = msgspec.json.Decoder(Fields)
_encode: Final = msgspec.json.Encoder().encode


class Shell:
    """One answer's `response` object, without its output."""

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = stamp
        echo = _echo(stamp.echo)
        self.custom_tools = custom_tools.names(echo)
        self._fixed: Json = {
            "id": stamp.generation_id,
            "object": "response",
            "created_at": stamp.created,
            "model": stamp.model,
            "provider": stamp.provider,
            "background": False,
            "error": None,
            "previous_response_id": None,
            "store": False,
            "truncation": "disabled",
        } | {name: echo.get(name, default) for name, default in _ECHOED.items()}

    def response(
        self,
        status: str,
        output: Sequence[Json],
        *,
        finish_reason: str | None = None,
        usage: Usage | None = None,
        service_tier: str | None = None,
    ) -> Json:
        """The object at one moment of the answer's life; a finish reason means that it is over."""
        reason = _REASONS.get(finish_reason or "")
        found = self._fixed | {
            "status": "incomplete" if reason else status,
            "incomplete_details": {"reason": reason} if reason else None,
            "output": list(output),
            "usage": None if usage is None else self._usage(usage),
            "completed_at": None,
        }
        return found if service_tier is None else found | {"service_tier": service_tier}

    def _usage(self, usage: Usage) -> Json:
        found: Json = {
            "input_tokens": usage.prompt,
            "input_tokens_details": {"cached_tokens": usage.cached, "cache_write_tokens": usage.cache_write},
            "output_tokens": usage.completion,
            "output_tokens_details": {"reasoning_tokens": usage.reasoning},
            "total_tokens": usage.prompt + usage.completion,
        }
        cost = self._stamp.cost(usage)
        if self._stamp.dialect.tree == "openrouter":
            found |= {"cost": None, "is_byok": False}
        if cost is not None:
            found["cost"] = cost.total
        if cost is not None and self._stamp.dialect.tree == "openrouter":
            found["cost_details"] = {
                "upstream_inference_cost": None,
                "upstream_inference_input_cost": cost.prompt,
                "upstream_inference_output_cost": cost.completion,
            }
        return found


def _echo(echo: msgspec.Raw | None) -> Fields:
    try:
        found = _fields.decode(echo) if echo is not None else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return {name: value for name, value in found.items() if value != NULL}


class Events:
    """Frames the events of one answer, with sequence numbers that have no gap."""

    def __init__(self) -> None:
        self.next_sequence = 0
        self.kept = Kept()
        self._out = bytearray()

    def add(self, kind: str, **fields: object) -> None:
        data = _encode({"type": kind, "sequence_number": self.next_sequence, **fields})
        self._out += encode_event(data, kind)
        self.next_sequence += 1

    def drain(self) -> bytes:
        """What was added since the last call."""
        found = bytes(self._out)
        self._out.clear()
        return found
