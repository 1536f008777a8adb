"""Anthropic's Messages API for clients, from providers that speak chat completions: requests. Pure.

docs/translation.md says what maps to what. Used by `wire`; answers and streams stand in `messages_over_chat_answer`
and `messages_over_chat_stream`, and are offered here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tieline_router.apis import ROUTER_ONLY
from tieline_router.translate import messages_over_chat_shapes as anthropic
from tieline_router.translate.messages_over_chat_answer import translate_answer
from tieline_router.translate.messages_over_chat_prompt import OTHER, prompt
from tieline_router.translate.messages_over_chat_stream import EventTranslator
from tieline_router.translate.reading import encoded, given, json_object, present, read
from tieline_router.translate.translated import Translated, Untranslatable

__all__ = ["DROPPABLE", "EventTranslator", "translate_answer", "translate_request"]

DROPPABLE: Final = frozenset({"top_k"})
"""Left out and named in the log."""
HARMLESS: Final = ROUTER_ONLY | {
    "cache_control",  # chat providers cache prompts unasked
    "context_management",  # what to forget to save tokens; nothing is forgotten
    "diagnostics",  # about the cache too
}
"""Left out without a word: they change nothing in the answer."""
_TIERS: Final = {"auto": "auto", "standard_only": "default"}
_EFFORTS: Final = (("low", 0.35), ("medium", 0.65), ("high", 0.875))
"""Thinking budgets as shares of `max_tokens`, up to which an effort is the nearest. OpenRouter's shares are 20 % for
low, 50 % for medium, 80 % for high and 95 % for xhigh; each bound is halfway to the next."""


def translate_request(fields: Mapping[str, msgspec.Raw], *, max_output_tokens: int | None) -> Translated:
    """The request for `/v1/chat/completions`. `max_output_tokens` is not needed: the client says `max_tokens`.

    Raises:
        Untranslatable: see docs/translation.md.
    """
    del max_output_tokens
    sorted_out = given(fields, harmless=HARMLESS, droppable=DROPPABLE)
    request = read(anthropic.decode_request, sorted_out.fields, OTHER, dots=True)
    if request.max_tokens < 1:
        raise _no_answer_wanted()
    user = request.metadata.user_id if request.metadata else None
    tools = [_tool(tool, f"tools.{index}") for index, tool in enumerate(request.tools or ())]
    tier = None if request.service_tier is None else _TIERS[request.service_tier]
    return Translated(
        encoded(
            {
                "model": request.model if present(request.model) else None,
                "messages": prompt(request.system, request.messages),
                "max_completion_tokens": request.max_tokens,
                "stream": request.stream or None,
                "stop": request.stop_sequences or None,
                "temperature": request.temperature,
                "top_p": request.top_p,
                "tools": tools or None,
                "tool_choice": _tool_choice(request.tool_choice) if tools else None,
                "parallel_tool_calls": False if tools and _one_at_a_time(request.tool_choice) else None,
                "reasoning_effort": _effort(request),
                "response_format": _format(request),
                "user": request.user if user is None else user,
                "service_tier": "fast" if request.speed == "fast" else tier,
            }
        ),
        sorted_out.dropped,
    )


def _effort(request: anthropic.MessagesRequest) -> str | None:
    """A stated effort wins over the one that a budget of thinking tokens comes to; no thinking is effort none."""
    if isinstance(request.thinking, anthropic.Disabled):
        return "none"
    if request.output_config is not None and request.output_config.effort is not None:
        return request.output_config.effort
    if not isinstance(request.thinking, anthropic.Enabled):
        return None
    share = request.thinking.budget_tokens / request.max_tokens
    return next((effort for effort, most in _EFFORTS if share <= most), "xhigh")


def _format(request: anthropic.MessagesRequest) -> dict[str, Any] | None:
    wanted = request.output_config.format if request.output_config else None
    if wanted is None:
        return None
    schema = json_object(wanted.schema_, "output_config.format.schema")
    return {"type": "json_schema", "json_schema": {"name": "response", "schema": schema, "strict": True}}


def _tool(tool: anthropic.Tool, place: str) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    function["parameters"] = json_object(tool.input_schema, f"{place}.input_schema")
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _one_at_a_time(choice: object) -> bool:
    several = anthropic.AutoChoice | anthropic.AnyChoice | anthropic.ToolChoice
    return isinstance(choice, several) and choice.disable_parallel_tool_use


def _tool_choice(choice: object) -> str | dict[str, Any] | None:
    match choice:
        case anthropic.AutoChoice():
            return "auto"
        case anthropic.AnyChoice():
            return "required"
        case anthropic.NoneChoice():
            return "none"
        case anthropic.ToolChoice(name=name):
            return {"type": "function", "function": {"name": name}}
    return None


def _no_answer_wanted() -> Untranslatable:
    return Untranslatable(f"max_tokens must be at least 1: {OTHER} cannot only warm a cache", "max_tokens")
