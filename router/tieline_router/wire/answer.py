"""What is ours in a provider's answer: id, model, provider, and what its usage cost. Pure.

Every other value keeps its bytes. The tree `openrouter` has more of ours: finish reasons in five words beside the
provider's own, and keys that its clients want to find. Used by `streaming` and `translate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from tieline_router.streaming.form import Stamp
from tieline_router.streaming.usage import Usage

Fields = dict[str, msgspec.Raw]

NULL: Final = msgspec.Raw(b"null")

_fields: Final = msgspec.json.Decoder(Fields)
_objects: Final = msgspec.json.Decoder(list[Fields])
_reason: Final = msgspec.json.Decoder(str | None)

_FINISHES: Final[Mapping[str, str]] = {
    "length": "length", "max_tokens": "length", "max_output_tokens": "length", "MAX_TOKENS": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_calls", "function_call": "tool_calls", "tool_use": "tool_calls", "tool_call": "tool_calls",
    "content_filter": "content_filter", "refusal": "content_filter", "safety": "content_filter",
    "SAFETY": "content_filter", "sensitive": "content_filter",
    "error": "error",
}  # fmt: skip
"""OpenRouter's word for a provider's; every other one is `stop` (`eos`, `end_turn`, `stop_sequence` …)."""


class CostNames(NamedTuple):
    """What the parts of a cost are called, which differs between the APIs of the tree `openrouter`."""

    prompt: str
    completion: str


CHAT_COST: Final = CostNames("upstream_inference_prompt_cost", "upstream_inference_completions_cost")
RESPONSES_COST: Final = CostNames("upstream_inference_input_cost", "upstream_inference_output_cost")


def read_fields(data: bytes | msgspec.Raw) -> Fields:
    """The members of a JSON object, values as they came.

    Raises:
        msgspec.DecodeError, RecursionError: it is none.
    """
    return _fields.decode(data)


encoded: Final = msgspec.json.encode
"""JSON of values of ours, of `Fields`, and of any mixture of them."""


def raw(value: Any) -> msgspec.Raw:
    """A value of ours among values that came."""
    return msgspec.Raw(encoded(value))


def ours(stamp: Stamp) -> Fields:
    """What every answer says of us, whatever its API."""
    return {"id": raw(stamp.generation_id), "model": raw(stamp.model), "provider": raw(stamp.provider)}


def normal_finish(reason: str) -> str:
    """A provider's finish reason in the words of the tree `openrouter`:
    `stop`, `length`, `tool_calls`, `content_filter` or `error`."""
    return _FINISHES.get(reason, "stop")


def finished_choices(choices: bytes | msgspec.Raw) -> msgspec.Raw:
    """Choices as the tree `openrouter` wants them: `finish_reason` in its words, `native_finish_reason` beside it."""
    return raw([_finished(choice) for choice in _objects.decode(choices)])


def _finished(choice: Fields) -> Fields:
    reason = _reason.decode(choice.get("finish_reason", NULL))
    native = choice.get("native_finish_reason", NULL)
    if bytes(native) == b"null":
        native = choice.get("finish_reason", NULL)
    told = {} if reason is None else {"finish_reason": raw(normal_finish(reason))}
    return choice | told | {"native_finish_reason": native}


def priced(stamp: Stamp, usage: bytes | msgspec.Raw, counts: Usage | None, names: CostNames = CHAT_COST) -> msgspec.Raw:
    """A `usage` object with what it cost, in `cost` and, in the tree `openrouter`, in parts.

    Args:
        stamp: prices it.
        usage: the object as the provider sent it.
        counts: the same, read; None: not understood, so that there is no price.
        names: what the parts are called.
    """
    cost = None if counts is None else stamp.cost(counts)
    if cost is None and stamp.dialect.tree == "openai":
        return msgspec.Raw(usage)
    fields = read_fields(usage)
    if stamp.dialect.tree == "openrouter":
        fields.pop("cost_details", None)
        fields |= {"cost": NULL, "is_byok": raw(False)}
    if cost is not None:
        fields["cost"] = raw(cost.total)
        if stamp.dialect.tree == "openrouter":
            parts = {"upstream_inference_cost": None, names.prompt: cost.prompt, names.completion: cost.completion}
            fields["cost_details"] = raw(parts)
    return raw(fields)
