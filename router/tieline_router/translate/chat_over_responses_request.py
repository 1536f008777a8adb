"""A chat completions request as a Responses request: everything but `messages`. Pure; called by `chat_over_responses`.

What both APIs call the same keeps its bytes. A field that no line here takes is refused by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from tieline_router.apis import ROUTER_ONLY
from tieline_router.translate.chat_over_responses_input import input_items
from tieline_router.translate.strict_object import StrictObject, raw
from tieline_router.translate.translated import Translated, Untranslatable

DROPPABLE: Final = frozenset(
    {"frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "top_k", "min_p", "top_a", "prediction"}
)
"""What Responses do not have: how tokens are drawn, or how fast, never what is asked for."""
_SAME: Final = (
    "model", "stream", "temperature", "top_p", "metadata", "user", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention", "prompt_cache_options", "service_tier", "parallel_tool_calls",
)  # fmt: skip


def translate_request(fields: Mapping[str, msgspec.Raw], *, max_output_tokens: int | None) -> Translated:  # noqa: ARG001 - every pair has one signature
    """The request for a Responses provider; it is told to store nothing.

    Raises:
        Untranslatable: something of it has meaning and no place in Responses, or is not what chat completions allow.
    """
    source = StrictObject(fields, "")
    source.ignore(*ROUTER_ONLY, "stream_options", "cache_control")
    out: dict[str, object] = {"store": False}
    source.carry(_SAME, out)
    dropped = tuple(name for name in sorted(DROPPABLE) if source.take(name) is not None)
    _refuse_neutral(source)
    items, sealed, named = input_items(source)
    dropped += ("messages.name",) if named else ()
    out["input"] = items
    limit, older = source.take("max_completion_tokens"), source.take("max_tokens")
    if limit is not None or older is not None:
        out["max_output_tokens"] = older if limit is None else limit
    include = _logprobs(source, out)
    if _reasoning(source, out) or sealed:
        # Without storage the provider's reasoning lives on only in what the client sends back.
        include.append("reasoning.encrypted_content")
    if include:
        out["include"] = include
    _tools(source, out)
    _text(source, out)
    source.finish()
    return Translated({name: raw(value) for name, value in out.items()}, dropped)


def _refuse_neutral(source: StrictObject) -> None:
    """Fields without a place in Responses pass with values that change nothing."""
    source.only("store", False)
    source.only("n", 1)
    source.only("stop", [])
    source.only("logit_bias", {})
    source.only("modalities", ["text"])
    source.only("include_reasoning", True)


def _logprobs(source: StrictObject, out: dict[str, object]) -> list[str]:
    wanted, top = source.flag("logprobs"), source.take("top_logprobs")
    if not wanted:
        if top is not None and bytes(top) != b"0":
            raise Untranslatable("top_logprobs needs logprobs to be true", "top_logprobs")
        return []
    if top is not None:
        out["top_logprobs"] = top
    return ["message.output_text.logprobs"]


def _reasoning(source: StrictObject, out: dict[str, object]) -> bool:
    """Whether the request says how to reason, which only models that do so accept."""
    effort = source.text("reasoning_effort")
    reasoning = source.nested("reasoning")
    found: dict[str, object] = {}
    if reasoning is not None:
        reasoning.only("exclude", False)
        effort = reasoning.text("effort") or effort
        enabled = reasoning.flag("enabled")
        if effort is None and enabled is not None:
            effort = raw("medium" if enabled else "none")
        reasoning.carry(("summary", "context", "mode"), found)
        reasoning.finish()
    if effort is not None:
        found["effort"] = effort
    if found:
        out["reasoning"] = found
    return bool(found) and bytes(effort or b"") != b'"none"'


def _tools(source: StrictObject, out: dict[str, object]) -> None:
    tools = source.array("tools")
    if tools is not None:
        out["tools"] = [_function_tool(StrictObject(tool, f"tools[{place}]")) for place, tool in enumerate(tools)]
    choice = source.take("tool_choice")
    if choice is None:
        return
    if bytes(choice).startswith(b"{"):
        out["tool_choice"] = _tool_choice(StrictObject(choice, "tool_choice"))
    elif bytes(choice) in {b'"none"', b'"auto"', b'"required"'}:
        out["tool_choice"] = choice
    else:
        raise Untranslatable("tool_choice must be none, auto, required, or an object", "tool_choice")


def _function_tool(tool: StrictObject) -> dict[str, object]:
    if tool.string("type") != "function":
        raise tool.refusal("type")
    function = tool.required_nested("function")
    tool.ignore("cache_control")
    tool.finish()
    # Responses are strict unless told otherwise, chat completions the other way round.
    found: dict[str, object] = {"type": "function", "name": function.required_text("name"), "strict": False}
    found["parameters"] = None
    function.carry(("description", "parameters", "strict"), found)
    function.finish()
    return found


def _tool_choice(choice: StrictObject) -> dict[str, object]:
    kind = choice.string("type")
    if kind == "function":
        return _named(choice)
    if kind != "allowed_tools":
        raise choice.refusal("type")
    allowed = choice.required_nested("allowed_tools")
    choice.finish()
    tools = allowed.array("tools")
    if tools is None:
        raise allowed.missing("tools")
    found: dict[str, object] = {"type": "allowed_tools", "mode": allowed.required_text("mode")}
    allowed.finish()
    found["tools"] = [_allowed(StrictObject(tool, f"{allowed.path}.tools[{at}]")) for at, tool in enumerate(tools)]
    return found


def _allowed(tool: StrictObject) -> dict[str, object]:
    if tool.string("type") != "function":
        raise tool.refusal("type")
    return _named(tool)


def _named(tool: StrictObject) -> dict[str, object]:
    function = tool.required_nested("function")
    tool.finish()
    name = function.required_text("name")
    function.finish()
    return {"type": "function", "name": name}


def _text(source: StrictObject, out: dict[str, object]) -> None:
    found: dict[str, object] = {}
    verbosity = source.take("verbosity")
    if verbosity is not None:
        found["verbosity"] = verbosity
    form = source.nested("response_format")
    if form is not None:
        found["format"] = _format(form)
    if found:
        out["text"] = found


def _format(form: StrictObject) -> dict[str, object]:
    kind = form.string("type")
    found: dict[str, object] = {"type": kind}
    if kind == "json_schema":
        schema = form.required_nested("json_schema")
        found["name"] = schema.required_text("name")
        schema.carry(("description", "schema", "strict"), found)
        schema.finish()
    elif kind not in {"text", "json_object"}:
        raise form.refusal("type")
    form.finish()
    return found
