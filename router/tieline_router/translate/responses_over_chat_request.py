"""A Responses request as a chat completions request: everything but `input`. Pure; called by `responses_over_chat`.

What both APIs call the same keeps its bytes. A field that no line here takes is refused by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tieline_router.apis import ROUTER_ONLY
from tieline_router.translate import custom_tools
from tieline_router.translate.responses_over_chat_input import messages
from tieline_router.translate.strict_object import StrictObject, raw
from tieline_router.translate.translated import Translated, Untranslatable

DROPPABLE: Final = frozenset({"reasoning.summary", "reasoning.generate_summary", "tools.format", "tools.web_search"})
"""Wishes for a summary: chat has no way to ask, and the answer holds the reasoning that the provider shows. The grammar
of a custom tool, which is told in words instead. A search that may not reach the web, which Codex offers unasked."""
_SAME: Final = (
    "model", "stream", "temperature", "top_p", "metadata", "user", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention", "service_tier", "store",
    # Extensions of model servers that read them in both APIs.
    "frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "top_k", "min_p", "top_a", "logit_bias",
)  # fmt: skip
_INCLUDABLE: Final = frozenset(
    {
        "reasoning.encrypted_content",
        "message.output_text.logprobs",
        # About items that only hosted tools make, and those are refused.
        "code_interpreter_call.outputs",
        "computer_call_output.output.image_url",
        "file_search_call.results",
        "message.input_image.image_url",
        "web_search_call.action.sources",
        "web_search_call.results",
    }
)


def translate_request(fields: Mapping[str, msgspec.Raw], *, max_output_tokens: int | None) -> Translated:  # noqa: ARG001 - every pair has one signature
    """The request for a chat provider.

    Raises:
        Untranslatable: something of it has meaning and no place in the chat API, or is not what Responses allow.
    """
    source = StrictObject(fields, "")
    source.ignore(*ROUTER_ONLY, "max_tool_calls", "stream_options", "client_metadata")
    out: dict[str, object] = {}
    source.carry(_SAME, out)
    _refuse_state(source)
    out["messages"] = messages(source)
    limit = source.take("max_output_tokens")
    if limit is not None:
        out["max_completion_tokens"] = limit
    _logprobs(source, out)
    dropped = _tools(source, out)
    _text(source, out)
    dropped += _reasoning(source, out)
    _cache_options(source, out)
    source.finish()
    return Translated({name: raw(value) for name, value in out.items()}, dropped)


def _refuse_state(source: StrictObject) -> None:
    source.only("background", False)
    source.only("truncation", "disabled")
    source.only("context_management", [])
    for name in ("previous_response_id", "conversation", "prompt"):
        if source.take(name) is not None:
            raise source.refusal(name)


def _logprobs(source: StrictObject, out: dict[str, object]) -> None:
    wanted = False
    for place, value in enumerate(source.array("include") or ()):
        name = _decoded_string(value)
        if name not in _INCLUDABLE:
            raise source.refusal(f"include[{place}]")
        wanted = wanted or name == "message.output_text.logprobs"
    top = source.take("top_logprobs")
    if wanted or (top is not None and bytes(top) != b"0"):
        out["logprobs"] = True
        if top is not None:
            out["top_logprobs"] = top


def _decoded_string(value: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(value, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _tools(source: StrictObject, out: dict[str, object]) -> tuple[str, ...]:
    """Chat refuses `tool_choice` and `parallel_tool_calls` where there is no tool, and an empty `tools`."""
    dropped: set[str] = set()
    given = [StrictObject(tool, f"tools[{place}]") for place, tool in enumerate(source.array("tools") or ())]
    tools = [made for tool in given if (made := _function_tool(tool, dropped)) is not None]
    choice, parallel = source.take("tool_choice"), source.take("parallel_tool_calls")
    if tools:
        out["tools"] = tools
        if parallel is not None:
            out["parallel_tool_calls"] = parallel
    if choice is None:
        return tuple(sorted(dropped))
    named = bytes(choice).startswith(b"{")
    if not tools and (named or bytes(choice) == b'"required"'):
        raise Untranslatable("tool_choice names a tool, and tools has none", "tool_choice")
    if named:
        out["tool_choice"] = _tool_choice(StrictObject(choice, "tool_choice"))
    elif bytes(choice) not in {b'"none"', b'"auto"', b'"required"'}:
        raise Untranslatable("tool_choice must be none, auto, required, or an object", "tool_choice")
    elif tools:
        out["tool_choice"] = choice
    return tuple(sorted(dropped))


def _function_tool(tool: StrictObject, dropped: set[str]) -> dict[str, object] | None:
    function: dict[str, object]
    match tool.string("type"):
        case "function":
            function = {"name": tool.required_text("name")}
            tool.carry(("description", "parameters", "strict"), function)
        case "custom":
            function, grammar = custom_tools.function(tool)
            dropped |= {"tools.format"} if grammar else set()
        case "web_search" if tool.flag("external_web_access") is False:
            dropped.add("tools.web_search")
            return None
        case _:
            raise tool.refusal("type")
    tool.only("defer_loading", False)
    tool.only("async", False)
    tool.only("allowed_callers", ["direct"])
    tool.finish()
    return {"type": "function", "function": function}


def _tool_choice(choice: StrictObject) -> dict[str, object]:
    kind = choice.string("type")
    if kind == "allowed_tools":
        allowed: dict[str, object] = {"mode": choice.required_text("mode")}
        tools = choice.array("tools")
        if tools is None:
            raise choice.missing("tools")
        allowed["tools"] = [
            _named_function(StrictObject(tool, f"tool_choice.tools[{place}]")) for place, tool in enumerate(tools)
        ]
        choice.finish()
        return {"type": "allowed_tools", "allowed_tools": allowed}
    if kind in {"function", "custom"}:
        return _named(choice)
    raise choice.refusal("type")


def _named_function(tool: StrictObject) -> dict[str, object]:
    if tool.string("type") not in {"function", "custom"}:
        raise tool.refusal("type")
    return _named(tool)


def _named(tool: StrictObject) -> dict[str, object]:
    name = tool.required_text("name")
    tool.finish()
    return {"type": "function", "function": {"name": name}}


def _text(source: StrictObject, out: dict[str, object]) -> None:
    text = source.nested("text")
    if text is None:
        return
    verbosity = text.take("verbosity")
    if verbosity is not None:
        out["verbosity"] = verbosity
    form = text.nested("format")
    text.finish()
    if form is None:
        return
    kind = form.string("type")
    if kind == "json_schema":
        schema: dict[str, object] = {"name": form.required_text("name")}
        form.carry(("description", "schema", "strict"), schema)
        out["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif kind == "json_object":
        out["response_format"] = {"type": "json_object"}
    elif kind != "text":
        raise form.refusal("type")
    form.finish()


def _reasoning(source: StrictObject, out: dict[str, object]) -> tuple[str, ...]:
    reasoning = source.nested("reasoning")
    if reasoning is None:
        return ()
    effort = reasoning.text("effort")
    enabled = reasoning.flag("enabled")
    if effort is not None:
        out["reasoning_effort"] = effort
    elif enabled is not None:
        out["reasoning_effort"] = "medium" if enabled else "none"
    dropped = tuple(path for path in sorted(DROPPABLE) if reasoning.take(path.removeprefix("reasoning.")) is not None)
    reasoning.only("context", "auto")
    reasoning.only("mode", "standard")
    reasoning.only("exclude", False)
    reasoning.finish()
    return dropped


def _cache_options(source: StrictObject, out: dict[str, object]) -> None:
    options = source.nested("prompt_cache_options")
    if options is None:
        return
    kept: dict[str, object] = {}
    options.carry(("mode", "ttl"), kept)
    options.only("prewarm", False)
    options.finish()
    out["prompt_cache_options"] = kept
