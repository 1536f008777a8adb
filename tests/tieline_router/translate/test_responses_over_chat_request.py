from __future__ import annotations

import msgspec
import pytest
from tieline_router.translate.responses_over_chat import translate_request
from tieline_router.translate.translated import Untranslatable

from tests.support.openai_transcripts import Json, body, fields


def _translated(**request: object) -> Json:
    return body(translate_request(fields({"model": "m", "input": "hi", **request}), max_output_tokens=None))


def _refused(**request: object) -> str:
    with pytest.raises(Untranslatable) as refusal:
        _translated(**request)
    assert refusal.value.param in refusal.value.message
    return refusal.value.param


def test_a_string_is_what_the_user_says_and_nothing_else_is_made_up() -> None:
    assert _translated() == {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def test_fields_of_the_same_name_keep_their_bytes() -> None:
    raw = fields({"model": "m", "input": "hi"})
    odd = {
        "temperature": b"1.0e-1", "top_p": b"1.000", "metadata": b'{ "a" : "b" }', "user": b'"\\u00e9"',
        "service_tier": b'"flex"', "prompt_cache_key": b'"k"', "safety_identifier": b'"s"', "stream": b"true",
        "store": b"false", "seed": b"7", "frequency_penalty": b"0.50",
    }  # fmt: skip
    found = translate_request(raw | {name: msgspec.Raw(value) for name, value in odd.items()}, max_output_tokens=None)
    assert {name: bytes(found.fields[name]) for name in odd} == odd
    assert found.dropped == ()


def test_limits_and_log_probabilities_have_other_names() -> None:
    found = _translated(max_output_tokens=9, top_logprobs=3, include=["message.output_text.logprobs"])
    assert (found["max_completion_tokens"], found["logprobs"], found["top_logprobs"]) == (9, True, 3)
    assert "logprobs" not in _translated(include=["reasoning.encrypted_content"], top_logprobs=0)


def test_functions_stand_in_an_object_of_their_own() -> None:
    tool = {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": True}
    found = _translated(tools=[tool], tool_choice="required", parallel_tool_calls=False)
    function = {name: value for name, value in tool.items() if name != "type"}
    assert found["tools"] == [{"type": "function", "function": function}]
    assert (found["tool_choice"], found["parallel_tool_calls"]) == ("required", False)


def test_a_tool_keeps_silent_about_strictness_where_the_client_does() -> None:
    (tool,) = _translated(tools=[{"type": "function", "name": "f", "strict": None, "parameters": None}])["tools"]
    assert tool == {"type": "function", "function": {"name": "f"}}


def test_what_speaks_of_tools_is_left_out_where_there_are_none() -> None:
    found = _translated(tools=[], tool_choice="auto", parallel_tool_calls=True)
    assert found.keys() == {"model", "messages"}


def test_a_custom_tool_is_a_function_of_one_text() -> None:
    form = {"type": "grammar", "syntax": "lark", "definition": "start: x"}
    tools = [
        {"type": "custom", "name": "patch", "description": "Edits.", "format": form},
        {"type": "custom", "name": "say", "format": {"type": "text"}},
    ]
    raw = fields({"model": "m", "input": "hi", "tools": tools, "tool_choice": {"type": "custom", "name": "say"}})
    found = translate_request(raw, max_output_tokens=None)
    text = {"type": "string"}
    parameters = {"type": "object", "properties": {"input": text}, "required": ["input"], "additionalProperties": False}
    says = "Edits.\n\n`input` must follow this lark grammar:\nstart: x"
    assert body(found)["tools"] == [
        {"type": "function", "function": {"name": "patch", "description": says, "parameters": parameters}},
        {"type": "function", "function": {"name": "say", "parameters": parameters}},
    ]
    assert body(found)["tool_choice"] == {"type": "function", "function": {"name": "say"}}
    assert found.dropped == ("tools.format",)


def test_a_search_without_the_web_is_left_out_and_named() -> None:
    tools = [{"type": "web_search", "external_web_access": False, "filters": {}}, {"type": "function", "name": "f"}]
    raw = fields({"model": "m", "input": "hi", "tools": tools, "client_metadata": {"a": "b"}})
    found = translate_request(raw, max_output_tokens=None)
    assert [tool["function"]["name"] for tool in body(found)["tools"]] == ["f"]
    assert found.dropped == ("tools.web_search",)
    assert "tools" not in _translated(tools=tools[:1], tool_choice="auto")


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", "none"),
        ("auto", "auto"),
        ({"type": "function", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
        (
            {"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "f"}]},
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
        ),
    ],
)
def test_every_form_of_tool_choice(choice: object, expected: object) -> None:
    tool = {"type": "function", "name": "f"}
    assert _translated(tools=[tool], tool_choice=choice)["tool_choice"] == expected


def test_formats_of_text() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"}
    found = _translated(text={"format": schema, "verbosity": "low"})
    inner = {name: value for name, value in schema.items() if name != "type"}
    assert found["response_format"] == {"type": "json_schema", "json_schema": inner}
    assert found["verbosity"] == "low"
    assert _translated(text={"format": {"type": "json_object"}})["response_format"] == {"type": "json_object"}
    assert "response_format" not in _translated(text={"format": {"type": "text"}})


def test_effort_is_carried_and_the_wish_for_a_summary_dropped() -> None:
    request = fields({"model": "m", "input": "hi", "reasoning": {"effort": "high", "summary": "auto", "context": None}})
    found = translate_request(request, max_output_tokens=None)
    assert body(found)["reasoning_effort"] == "high"
    assert found.dropped == ("reasoning.summary",)
    assert _translated(reasoning={"enabled": False})["reasoning_effort"] == "none"


def test_what_changes_nothing_passes_by() -> None:
    found = _translated(
        truncation="disabled",
        background=False,
        previous_response_id=None,
        max_tool_calls=4,
        stream_options={"include_obfuscation": False},
        include=["file_search_call.results"],
        provider={"order": ["a"]},
    )
    assert found.keys() == {"model", "messages"}


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"truncation": "auto"}, "truncation"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"moderation": {"model": "x"}}, "moderation"),
        ({"stop": ["x"]}, "stop"),
        ({"something_new": 1}, "something_new"),
        ({"include": ["something.new"]}, "include[0]"),
        ({"include": "x"}, "include"),
        ({"input": None}, "input"),
        ({"input": 5}, "input"),
        ({"instructions": ["x"]}, "instructions"),
        ({"tools": [{"type": "function", "name": "f"}, {"type": "web_search"}]}, "tools[1].type"),
        ({"tools": [{"type": "mcp", "server_label": "x"}]}, "tools[0].type"),
        ({"tools": [{"type": "custom"}]}, "tools[0].name"),
        ({"tools": [{"type": "custom", "name": "f", "format": {"type": "new"}}]}, "tools[0].format.type"),
        ({"tools": [{"type": "custom", "name": "f", "format": {"type": "text", "a": 1}}]}, "tools[0].format.a"),
        ({"tools": [{"type": "custom", "name": "f", "more": 1}]}, "tools[0].more"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [{"type": "web_search", "external_web_access": True}]}, "tools[0].type"),
        ({"tools": [{"type": "web_search", "external_web_access": False}], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [{"type": "local_shell"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].name"),
        ({"tools": [{"type": "function", "name": "f", "output_schema": {}}]}, "tools[0].output_schema"),
        ({"tools": [{"type": "function", "name": "f", "async": 0}]}, "tools[0].async"),
        ({"tools": [5]}, "tools[0]"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": [{"type": "function", "name": "f"}], "tool_choice": {"type": "file_search"}}, "tool_choice.type"),
        (
            {
                "tools": [{"type": "function", "name": "f"}],
                "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp"}]},
            },
            "tool_choice.tools[0].type",
        ),
        ({"text": {"format": {"type": "grammar"}}}, "text.format.type"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format.name"),
        ({"reasoning": {"effort": "low", "max_tokens": 5}}, "reasoning.max_tokens"),
        ({"reasoning": {"mode": "pro"}}, "reasoning.mode"),
        ({"reasoning": "high"}, "reasoning"),
        ({"prompt_cache_options": {"prewarm": True}}, "prompt_cache_options.prewarm"),
    ],
)
def test_what_chat_cannot_carry_is_refused_by_its_path(request_: dict[str, object], param: str) -> None:
    assert _refused(**request_) == param
