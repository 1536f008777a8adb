"""Chat completions for clients, from providers that speak Anthropic's Messages API: requests. Pure.

docs/translation.md says what maps to what. Used by `wire`; answers and streams stand in `chat_over_messages_answer`
and `chat_over_messages_stream`, and are offered here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from tieline_router.apis import ROUTER_ONLY
from tieline_router.translate import chat_over_messages_shapes as chat
from tieline_router.translate.chat_over_messages_answer import translate_answer
from tieline_router.translate.chat_over_messages_prompt import OTHER, dropped_details, prompt
from tieline_router.translate.chat_over_messages_stream import EventTranslator
from tieline_router.translate.reading import encoded, given, json_object, present, read
from tieline_router.translate.translated import Translated, Untranslatable

__all__ = ["DEFAULT_MAX_TOKENS", "DROPPABLE", "EventTranslator", "translate_answer", "translate_request"]

DEFAULT_MAX_TOKENS: Final = 8192
"""`max_tokens` where neither the request nor the pool's model says anything: Anthropic's API wants one."""
DROPPABLE: Final = frozenset(
    {"frequency_penalty", "presence_penalty", "repetition_penalty", "min_p", "top_a", "seed", "prediction"}
)
"""Left out and named in the log: they shape how tokens are drawn or how fast, never what is asked for."""
HARMLESS: Final = ROUTER_ONLY | {
    "metadata",  # kept with stored answers, and we store none
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "stream_options",  # the usage chunk is the router's work
}
"""Left out without a word: they change nothing in the answer."""
_TIERS: Final = {"auto": "auto", "default": "standard_only", "priority": "auto", "fast": "auto"}


def translate_request(fields: Mapping[str, msgspec.Raw], *, max_output_tokens: int | None) -> Translated:
    """The request for `/v1/messages`. `max_output_tokens` is what the pool's model can write at most, if stated.

    Raises:
        Untranslatable: see docs/translation.md.
    """
    sorted_out = given(fields, harmless=HARMLESS, droppable=DROPPABLE)
    request = read(chat.decode_request, sorted_out.fields, OTHER)
    system, messages = prompt(request.messages)
    thinking, effort = _thinking(request)
    dropped = list(sorted_out.dropped)
    if dropped_details(request.messages):
        dropped.append("image_url.detail")
    if any(message.name is not None for message in request.messages if not isinstance(message, chat.ToolMessage)):
        dropped.append("messages.name")
    most = request.max_completion_tokens
    most = request.max_tokens if most is None else most
    if most is None:
        most = max_output_tokens or DEFAULT_MAX_TOKENS + (thinking or {}).get("budget_tokens", 0)
    output = {"effort": effort, "format": _format(request)}
    output = {name: value for name, value in output.items() if value is not None}
    tools = _tools(request)
    user = request.user if request.user is not None else request.safety_identifier
    return Translated(
        encoded(
            {
                "model": request.model if present(request.model) else None,
                "max_tokens": most,
                "system": system,
                "messages": messages,
                "tools": tools,
                "tool_choice": _tool_choice(request) if tools else None,
                "stop_sequences": [request.stop] if isinstance(request.stop, str) else request.stop,
                "stream": request.stream or None,
                "thinking": thinking,
                "output_config": output or None,
                "metadata": None if user is None else {"user_id": user},
                "service_tier": None if request.service_tier is None else _TIERS[request.service_tier],
                "speed": "fast" if request.service_tier == "fast" else None,
                "cache_control": request.cache_control if present(request.cache_control) else None,
            }
            | _sampling(request, thinks=thinking is not None and thinking["type"] != "disabled", dropped=dropped)
        ),
        tuple(dropped),
    )


def _sampling(request: chat.ChatRequest, *, thinks: bool, dropped: list[str]) -> dict[str, Any]:
    """Temperature up to 1, where Anthropic's scale ends (and its default is); none of them while the model thinks."""
    kept: dict[str, Any] = {}
    for name in ("temperature", "top_p", "top_k"):
        value = getattr(request, name)
        if value is None:
            continue
        if thinks or (name == "temperature" and value > 1):
            dropped.append(name)
        else:
            kept[name] = value
    return kept


def _thinking(request: chat.ChatRequest) -> tuple[dict[str, Any] | None, str | None]:
    """`thinking` and `output_config.effort`. `reasoning` is OpenRouter's word and wins over `reasoning_effort`."""
    asked = request.reasoning or chat.Reasoning()
    effort = asked.effort or request.reasoning_effort
    if effort == "none" or (asked.enabled is False and effort is None and asked.max_tokens is None):
        return {"type": "disabled"}, None
    if effort is None and asked.max_tokens is None and not asked.enabled:
        return None, None
    thinking: dict[str, Any] = {"type": "adaptive"}
    if asked.max_tokens is not None:
        thinking = {"type": "enabled", "budget_tokens": asked.max_tokens}
    if asked.exclude or request.include_reasoning is False:
        thinking["display"] = "omitted"
    elif request.reasoning is not None or request.include_reasoning:
        thinking["display"] = "summarized"
    return thinking, "low" if effort == "minimal" else effort


def _format(request: chat.ChatRequest) -> dict[str, Any] | None:
    if not isinstance(request.response_format, chat.SchemaFormat):
        return None
    wanted = request.response_format.json_schema
    schema = json_object(wanted.schema_, "response_format.json_schema.schema")
    if wanted.description is not None and "description" not in schema:
        schema["description"] = msgspec.Raw(msgspec.json.encode(wanted.description))
    return {"type": "json_schema", "schema": schema}


def _tools(request: chat.ChatRequest) -> list[dict[str, Any]] | None:
    """The tools that the model may use: with `allowed_tools`, those alone."""
    allowed = None
    if isinstance(request.tool_choice, chat.AllowedToolChoice):
        allowed = {tool.function.name for tool in request.tool_choice.allowed_tools.tools}
    tools = [
        _tool(tool, f"tools[{index}]")
        for index, tool in enumerate(request.tools or ())
        if allowed is None or tool.function.name in allowed
    ]
    if request.tools and not tools:
        param = "tool_choice.allowed_tools.tools"
        raise Untranslatable(f"{param} names none of the tools", param)
    return tools or None


def _tool(tool: chat.Tool, place: str) -> dict[str, Any]:
    parameters = tool.function.parameters
    schema = json_object(parameters, f"{place}.function.parameters") if present(parameters) else {}
    schema.setdefault("type", msgspec.Raw(b'"object"'))
    found: dict[str, Any] = {"name": tool.function.name}
    if tool.function.description is not None:
        found["description"] = tool.function.description
    found["input_schema"] = schema
    if tool.function.strict:
        found["strict"] = True
    if present(tool.cache_control):
        found["cache_control"] = tool.cache_control
    return found


def _tool_choice(request: chat.ChatRequest) -> dict[str, Any] | None:
    choice: dict[str, Any]
    match request.tool_choice:
        case chat.NamedTool(function=function):
            choice = {"type": "tool", "name": function.name}
        case chat.AllowedToolChoice(allowed_tools=allowed):
            choice = {"type": "any" if allowed.mode == "required" else "auto"}
        case "none":
            return {"type": "none"}
        case "required":
            choice = {"type": "any"}
        case _:
            if request.tool_choice is None and request.parallel_tool_calls is not False:
                return None
            choice = {"type": "auto"}
    if request.parallel_tool_calls is False:
        choice["disable_parallel_tool_use"] = True
    return choice
