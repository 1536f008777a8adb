"""Chat completions for clients, from Anthropic providers: requests, by golden pairs."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from tieline_router.translate.chat_over_messages import DEFAULT_MAX_TOKENS, DROPPABLE, translate_request
from tieline_router.translate.translated import Translated, Untranslatable

USER = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}


def raw(body: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(json.dumps(body), type=dict[str, msgspec.Raw])


def translated(body: dict[str, Any], most: int | None = None) -> Translated:
    return translate_request(raw({"messages": [USER]} | body), max_output_tokens=most)


def request(body: dict[str, Any], most: int | None = None) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(msgspec.json.encode(translated(body, most).fields))
    return fields


def messages(*turns: dict[str, Any]) -> Any:
    return request({"messages": list(turns)})["messages"]


def refused(body: dict[str, Any]) -> str:
    with pytest.raises(Untranslatable) as caught:
        translated(body)
    assert caught.value.param in caught.value.message
    return caught.value.param


def test_a_plain_request() -> None:
    assert request({"model": "m", "stream": True, "temperature": 0.5, "top_p": 0.9, "max_tokens": 7}) == {
        "model": "m",
        "messages": [USER],
        "max_tokens": 7,
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
    }


@pytest.mark.parametrize(
    ("body", "most", "expected"),
    [
        ({"max_completion_tokens": 5, "max_tokens": 9}, 100, 5),
        ({"max_tokens": 9}, 100, 9),
        ({}, 100, 100),
        ({}, None, DEFAULT_MAX_TOKENS),
        ({"reasoning": {"max_tokens": 2000}}, None, DEFAULT_MAX_TOKENS + 2000),
    ],
)
def test_max_tokens_is_always_said(body: dict[str, Any], most: int | None, expected: int) -> None:
    assert request(body, most)["max_tokens"] == expected


def test_leading_system_messages_are_the_system_prompt_and_later_ones_keep_their_place() -> None:
    found = request(
        {
            "messages": [
                {"role": "system", "content": "one"},
                {"role": "developer", "content": [{"type": "text", "text": "two"}]},
                USER,
                {"role": "system", "content": "three"},
            ]
        }
    )
    assert found["system"] == [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    assert found["messages"] == [USER, {"role": "system", "content": "three"}]


def test_one_system_message_stays_a_string() -> None:
    assert request({"messages": [{"role": "system", "content": "one"}, USER]})["system"] == "one"


def test_nothing_but_system_messages_is_refused() -> None:
    assert refused({"messages": [{"role": "system", "content": "one"}]}) == "messages"


def test_results_of_parallel_calls_and_what_the_user_says_then_are_one_message() -> None:
    call = {"type": "function", "function": {"name": "look", "arguments": '{"at": [1, null]}'}}
    found = messages(
        USER,
        {"role": "assistant", "content": "", "tool_calls": [call | {"id": "a"}, call | {"id": "functions.look:1"}]},
        {"role": "tool", "tool_call_id": "a", "content": "r1", "name": "look"},
        {"role": "tool", "tool_call_id": "functions.look:1", "content": [{"type": "text", "text": "r2"}]},
        {"role": "user", "content": "go on"},
    )
    wrapped = found[1]["content"][1]["id"]
    assert found[1] == {
        "role": "assistant",
        "content": [
            {"type": "tool_use", "id": "a", "name": "look", "input": {"at": [1, None]}},
            {"type": "tool_use", "id": wrapped, "name": "look", "input": {"at": [1, None]}},
        ],
    }
    assert wrapped.replace("_", "").isalnum()
    assert found[2] == {
        "role": "user",
        "content": [
            {"type": "tool_result", "tool_use_id": "a", "content": "r1"},
            {"type": "tool_result", "tool_use_id": wrapped, "content": [{"type": "text", "text": "r2"}]},
            {"type": "text", "text": "go on"},
        ],
    }


def test_only_the_first_message_after_results_joins_them() -> None:
    found = messages({"role": "tool", "tool_call_id": "a", "content": "r"}, USER, USER)
    assert [len(turn["content"]) for turn in found] == [2, len("hi")]


def test_results_after_a_system_message_begin_a_message_of_their_own() -> None:
    found = messages(
        {"role": "tool", "tool_call_id": "a", "content": ""},
        {"role": "system", "content": "s"},
        {"role": "user", "content": "u"},
    )
    assert [turn["role"] for turn in found] == ["user", "system", "user"]


def test_arguments_that_a_client_left_empty_are_an_empty_object() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": ""}}
    assert messages(USER, {"role": "assistant", "tool_calls": [call]})[1]["content"][0]["input"] == {}


@pytest.mark.parametrize("arguments", ["[1]", "{", '"x"', "nul"])
def test_arguments_that_are_no_object_are_refused(arguments: str) -> None:
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": arguments}}
    turns = [USER, {"role": "assistant", "tool_calls": [call]}]
    assert refused({"messages": turns}) == "messages[1].tool_calls[0].function.arguments"


def test_images_files_and_cache_marks() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    text = base64.b64encode("ä".encode()).decode()
    parts = [
        {"type": "text", "text": "see", "cache_control": mark},
        {"type": "text", "text": ""},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}, "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0", "filename": "a.pdf"}},
        {"type": "file", "file": {"file_data": "JVBERi0x"}},
        {"type": "file", "file": {"file_data": "https://x/y.pdf"}},
        {"type": "file", "file": {"file_data": f"data:text/plain;charset=utf-8;base64,{text}"}},
    ]
    pdf = {"type": "base64", "media_type": "application/pdf"}
    assert messages({"role": "user", "content": parts})[0]["content"] == [
        {"type": "text", "text": "see", "cache_control": mark},
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}, "cache_control": {"type": "ephemeral"}},
        {"type": "document", "source": pdf | {"data": "JVBERi0"}, "title": "a.pdf"},
        {"type": "document", "source": pdf | {"data": "JVBERi0x"}},
        {"type": "document", "source": {"type": "url", "url": "https://x/y.pdf"}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "ä"}},
    ]


def test_an_image_inside_a_tool_result() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,BBBB"}}
    found = messages({"role": "tool", "tool_call_id": "a", "content": [image]})
    assert found[0]["content"][0]["content"] == [
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "BBBB"}}
    ]


def test_thinking_comes_back_as_it_was() -> None:
    details = [
        {"type": "reasoning.text", "text": "th", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.text", "text": "ink", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.text", "signature": "S+/=", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.encrypted", "data": "D==", "format": "anthropic-claude-v1", "index": 1},
        {"type": "reasoning.encrypted", "data": "other", "format": "openai-responses-v1", "index": 2},
        {"type": "reasoning.text", "text": "unsigned", "index": 3},
        "odd",
    ]
    turn = {"role": "assistant", "content": "so", "reasoning": "think", "reasoning_details": details, "refusal": None}
    assert messages(USER, turn)[1]["content"] == [
        {"type": "thinking", "thinking": "think", "signature": "S+/="},
        {"type": "redacted_thinking", "data": "D=="},
        {"type": "text", "text": "so"},
    ]


def test_an_empty_turn_of_the_assistant_is_left_out() -> None:
    assert messages(USER, {"role": "assistant", "content": " "}, USER) == [USER, USER]


def test_a_refusal_is_what_the_assistant_said() -> None:
    parts = [{"type": "refusal", "refusal": "no"}]
    assert messages(USER, {"role": "assistant", "content": parts})[1] == {"role": "assistant", "content": "no"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"type": "auto"}),
        ("none", {"type": "none"}),
        ("required", {"type": "any"}),
        ({"type": "function", "function": {"name": "look"}}, {"type": "tool", "name": "look"}),
        (None, None),
    ],
)
def test_tool_choice(choice: Any, expected: Any) -> None:
    found = request({"tools": [TOOL], "tool_choice": choice})
    assert found.get("tool_choice") == expected
    one = request({"tools": [TOOL], "tool_choice": choice, "parallel_tool_calls": False})["tool_choice"]
    base = expected or {"type": "auto"}
    assert one == (base if choice == "none" else base | {"disable_parallel_tool_use": True})


def test_allowed_tools_leaves_only_those() -> None:
    other = {"type": "function", "function": {"name": "other", "description": "d", "strict": True}}
    allowed = {"mode": "required", "tools": [{"type": "function", "function": {"name": "other"}}]}
    found = request({"tools": [TOOL, other], "tool_choice": {"type": "allowed_tools", "allowed_tools": allowed}})
    assert found["tools"] == [{"name": "other", "description": "d", "input_schema": {"type": "object"}, "strict": True}]
    assert found["tool_choice"] == {"type": "any"}


def test_a_choice_without_tools_says_nothing() -> None:
    assert "tool_choice" not in request({"tool_choice": "auto", "parallel_tool_calls": False})


@pytest.mark.parametrize(
    ("body", "thinking", "effort"),
    [
        ({"reasoning_effort": "high"}, {"type": "adaptive"}, "high"),
        ({"reasoning_effort": "minimal"}, {"type": "adaptive"}, "low"),
        ({"reasoning_effort": "none"}, {"type": "disabled"}, None),
        ({"reasoning": {"enabled": False}}, {"type": "disabled"}, None),
        ({"reasoning": {"enabled": True}}, {"type": "adaptive", "display": "summarized"}, None),
        ({"reasoning": {"effort": "max", "exclude": True}}, {"type": "adaptive", "display": "omitted"}, "max"),
        (
            {"reasoning": {"max_tokens": 2048}},
            {"type": "enabled", "budget_tokens": 2048, "display": "summarized"},
            None,
        ),
        ({"include_reasoning": True}, None, None),
        ({}, None, None),
    ],
)
def test_reasoning(body: dict[str, Any], thinking: Any, effort: str | None) -> None:
    found = request(body)
    assert found.get("thinking") == thinking
    assert found.get("output_config") == (None if effort is None else {"effort": effort})


def test_structured_output() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": False}
    wanted = {"name": "n", "strict": True, "schema": schema, "description": "what"}
    found = request({"response_format": {"type": "json_schema", "json_schema": wanted}})
    assert found["output_config"] == {"format": {"type": "json_schema", "schema": schema | {"description": "what"}}}
    assert "output_config" not in request({"response_format": {"type": "text"}})


def test_the_rest_of_the_fields() -> None:
    found = request(
        {
            "stop": "x",
            "user": "u",
            "service_tier": "default",
            "cache_control": {"type": "ephemeral"},
            "top_k": 4,
            "n": 1,
            "logprobs": False,
            "logit_bias": {},
            "store": False,
            "modalities": ["text"],
            "verbosity": "medium",
            "metadata": {"a": "b"},
            "stream_options": {"include_usage": True},
            "provider": {"only": ["a"]},
            "functions": None,
        }
    )
    assert found == {
        "messages": [USER],
        "max_tokens": DEFAULT_MAX_TOKENS,
        "stop_sequences": ["x"],
        "metadata": {"user_id": "u"},
        "service_tier": "standard_only",
        "cache_control": {"type": "ephemeral"},
        "top_k": 4,
    }
    assert request({"stop": ["x", "y"]})["stop_sequences"] == ["x", "y"]
    assert request({"safety_identifier": "s"})["metadata"] == {"user_id": "s"}
    assert request({"service_tier": "fast"})["speed"] == "fast"


def test_sampling_parameters_without_a_place_are_dropped_and_named() -> None:
    found = translated(dict.fromkeys(sorted(DROPPABLE), 1) | {"temperature": 1.5})
    assert set(found.dropped) == DROPPABLE | {"temperature"}
    assert found.fields.keys() == {"messages", "max_tokens"}


def test_a_thinking_model_draws_as_it_likes() -> None:
    found = translated({"reasoning_effort": "low", "temperature": 0.2, "top_p": 0.5, "top_k": 3})
    assert found.dropped == ("temperature", "top_p", "top_k")


def test_low_detail_is_dropped_and_named() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://x/y.png", "detail": "low"}}
    assert translated({"messages": [{"role": "user", "content": [image]}]}).dropped == ("image_url.detail",)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"50256": -100}}, "logit_bias.*"),
        ({"store": True}, "store"),
        ({"audio": {"voice": "a"}}, "audio"),
        ({"modalities": ["text", "audio"]}, "modalities[1]"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"functions": []}, "functions"),
        ({"verbosity": "low"}, "verbosity"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n"}}},
            "response_format.json_schema.schema",
        ),
        ({"tools": [{"type": "custom", "custom": {"name": "x"}}]}, "tools[0].type"),
        ({"tools": [TOOL | {"function": {"parameters": {}}}]}, "tools[0].function.name"),
        ({"tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice.type"),
        ({"something_new": 1}, "something_new"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "function", "name": "f", "content": ""}]}, "messages[0].role"),
        ({"messages": [USER | {"name": 5}]}, "messages[0].name"),
        ({"messages": [USER, {"role": "assistant", "audio": {"id": "a"}}]}, "messages[1].audio"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, "messages[0].content[0].type"),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f", "file_data": "x"}}]}]},
            "messages[0].content[0].file.file_id",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}]},
            "messages[0].content[0].image_url.url",
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "file", "file": {"file_data": "data:text/csv;base64,"}}]}
                ]
            },
            "messages[0].content[0].file.file_data",
        ),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    assert refused(body) == param


def test_text_that_is_no_unicode_is_refused_by_its_field() -> None:
    fields = raw({}) | {"messages": msgspec.Raw(b'[{"role":"user","content":"\\ud800"}]')}
    with pytest.raises(Untranslatable) as caught:
        translate_request(fields, max_output_tokens=None)
    assert caught.value.param == "messages"


def test_brackets_without_end_are_refused() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    tools = msgspec.Raw(b'[{"type":"function","function":{"name":"a","parameters":' + deep + b"}}]")
    with pytest.raises(Untranslatable) as caught:
        translate_request(raw({"messages": [USER]}) | {"tools": tools}, max_output_tokens=None)
    assert caught.value.param == "tools"


def test_the_names_of_those_who_speak_are_left_out_and_named() -> None:
    turns = [USER | {"name": "critic"}, {"role": "assistant", "content": "a", "name": "planner"}, USER]
    found = translated({"messages": turns})
    assert found.dropped == ("messages.name",)
    assert b"critic" not in msgspec.json.encode(found.fields)
    tool = {"role": "tool", "name": "f", "tool_call_id": "c", "content": "x"}
    assert translated({"messages": [USER | {"name": None}, tool]}).dropped == ()
