"""Anthropic's Messages API for clients, from chat providers: requests, by golden pairs."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from tieline_router.translate.messages_over_chat import translate_request
from tieline_router.translate.translated import Translated, Untranslatable

USER = {"role": "user", "content": "hi"}
TOOL = {"name": "look", "input_schema": {"type": "object", "properties": {}}}


def raw(body: dict[str, Any]) -> dict[str, msgspec.Raw]:
    return msgspec.json.decode(json.dumps(body), type=dict[str, msgspec.Raw])


def translated(body: dict[str, Any]) -> Translated:
    return translate_request(raw({"messages": [USER], "max_tokens": 1000} | body), max_output_tokens=None)


def request(body: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(msgspec.json.encode(translated(body).fields))
    return fields


def messages(*turns: dict[str, Any]) -> Any:
    return request({"messages": list(turns)})["messages"]


def user(*blocks: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def text(value: str) -> dict[str, Any]:
    return {"type": "text", "text": value}


def refused(body: dict[str, Any]) -> str:
    with pytest.raises(Untranslatable) as caught:
        translated(body)
    assert caught.value.param in caught.value.message
    return caught.value.param


def test_a_plain_request() -> None:
    assert request({"model": "m", "stream": True, "temperature": 0.5, "top_p": 0.9, "system": "s"}) == {
        "model": "m",
        "messages": [{"role": "system", "content": "s"}, USER],
        "max_completion_tokens": 1000,
        "stream": True,
        "temperature": 0.5,
        "top_p": 0.9,
    }


def test_system_blocks_and_system_messages_keep_their_place() -> None:
    blocks = [text("a") | {"cache_control": {"type": "ephemeral"}}, text("b")]
    found = request({"system": blocks, "messages": [USER, {"role": "system", "content": [text("c")]}]})
    assert found["messages"] == [
        {"role": "system", "content": [text("a"), text("b")]},
        USER,
        {"role": "system", "content": "c"},
    ]


def test_calls_and_results() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}}
    found = messages(
        USER,
        {
            "role": "assistant",
            "content": [
                text("let me "),
                text("look") | {"citations": None},
                {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"a": 1}, "caller": {"type": "direct"}},
                {"type": "tool_use", "id": "tieline_ZnVuY3Rpb25zLng6MA", "name": "x", "input": {}},
            ],
        },
        user(
            {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("seen"), image]},
            {"type": "tool_result", "tool_use_id": "tieline_ZnVuY3Rpb25zLng6MA", "content": "lost", "is_error": True},
            {"type": "tool_result", "tool_use_id": "toolu_3"},
            text("and now?"),
        ),
    )
    assert found[1] == {
        "role": "assistant",
        "content": "let me look",
        "tool_calls": [
            {"id": "toolu_1", "type": "function", "function": {"name": "look", "arguments": '{"a": 1}'}},
            {"id": "functions.x:0", "type": "function", "function": {"name": "x", "arguments": "{}"}},
        ],
    }
    assert found[2:] == [
        {"role": "tool", "tool_call_id": "toolu_1", "content": "seen"},
        {"role": "tool", "tool_call_id": "functions.x:0", "content": "Error: lost"},
        {"role": "tool", "tool_call_id": "toolu_3", "content": ""},
        user(
            text("Returned by the tool call toolu_1:"),
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}},
            text("and now?"),
        ),
    ]


def test_images_and_documents() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "JVBE"}
    found = messages(
        user(
            {"type": "image", "source": {"type": "url", "url": "https://x/y.png"}},
            {"type": "document", "source": pdf, "title": "a.pdf", "context": "c", "citations": {"enabled": False}},
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "d"}, "title": "t"},
            {"type": "document", "source": {"type": "content", "content": [text("x")]}},
            {"type": "document", "source": {"type": "content", "content": "y"}},
        )
    )
    assert found[0]["content"] == [
        {"type": "image_url", "image_url": {"url": "https://x/y.png"}},
        text("c"),
        {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBE"}},
        text("t"),
        text("d"),
        text("x"),
        text("y"),
    ]


def test_signed_thinking_goes_on_with_its_signature() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "S+/="},
        {"type": "redacted_thinking", "data": "D=="},
        text("so"),
    ]
    form = {"format": "anthropic-claude-v1"}
    assert messages({"role": "assistant", "content": blocks}, USER)[0] == {
        "role": "assistant",
        "content": "so",
        "reasoning_details": [
            {"type": "reasoning.text", "text": "hm", "signature": "S+/=", "index": 0} | form,
            {"type": "reasoning.encrypted", "data": "D==", "index": 1} | form,
        ],
    }


def test_a_mark_that_is_broken_brings_nothing_back() -> None:
    blocks = [
        {"type": "thinking", "thinking": "hm", "signature": "tieline:?"},
        {"type": "redacted_thinking", "data": "tieline:e30="},
        text("so"),
    ]
    found = messages({"role": "assistant", "content": blocks}, USER)
    assert found[0] == {"role": "assistant", "content": "so"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "look"}, {"type": "function", "function": {"name": "look"}}),
    ],
)
def test_tool_choice(choice: Any, expected: Any) -> None:
    found = request({"tools": [TOOL | {"description": "d", "strict": True}], "tool_choice": choice})
    assert found["tool_choice"] == expected
    assert "parallel_tool_calls" not in found
    assert found["tools"][0]["function"] == {
        "name": "look",
        "description": "d",
        "parameters": TOOL["input_schema"],
        "strict": True,
    }
    if choice["type"] != "none":
        alone = choice | {"disable_parallel_tool_use": True}
        assert request({"tools": [TOOL], "tool_choice": alone})["parallel_tool_calls"] is False
    assert "tool_choice" not in request({"tool_choice": choice})


@pytest.mark.parametrize(
    ("body", "effort"),
    [
        ({"thinking": {"type": "disabled"}}, "none"),
        ({"thinking": {"type": "adaptive", "display": "summarized"}}, None),
        ({"thinking": {"type": "enabled", "budget_tokens": 200}}, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 500}}, "medium"),
        ({"thinking": {"type": "enabled", "budget_tokens": 800}}, "high"),
        ({"thinking": {"type": "enabled", "budget_tokens": 950}}, "xhigh"),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, "max"),
        ({}, None),
    ],
)
def test_thinking_is_an_effort(body: dict[str, Any], effort: str | None) -> None:
    assert request(body).get("reasoning_effort") == effort


def test_structured_output() -> None:
    schema = {"type": "object", "additionalProperties": False}
    found = request({"output_config": {"format": {"type": "json_schema", "schema": schema}}})
    wanted = {"name": "response", "schema": schema, "strict": True}
    assert found["response_format"] == {"type": "json_schema", "json_schema": wanted}


def test_the_rest_of_the_fields() -> None:
    found = translated(
        {
            "stop_sequences": ["x", "y"],
            "metadata": {"user_id": "u"},
            "service_tier": "standard_only",
            "cache_control": {"type": "ephemeral"},
            "container": None,
            "top_k": 3,
        }
    )
    assert found.dropped == ("top_k",)
    assert json.loads(msgspec.json.encode(found.fields)) == {
        "messages": [USER],
        "max_completion_tokens": 1000,
        "stop": ["x", "y"],
        "user": "u",
        "service_tier": "default",
    }
    assert request({"speed": "fast"})["service_tier"] == "fast"
    assert "stop" not in request({"stop_sequences": []})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": [USER, {"role": "assistant", "content": "The answer is ("}]}, "messages.1"),
        ({"tools": [{"type": "web_search_20260318", "name": "web_search"}]}, "tools.0.type"),
        ({"tools": [TOOL | {"input_examples": [{}]}]}, "tools.0.input_examples"),
        ({"tools": [TOOL | {"defer_loading": True}]}, "tools.0.defer_loading"),
        ({"thinking": {"type": "between_tools"}}, "thinking.type"),
        ({"output_config": {"task_budget": {}}}, "output_config.task_budget"),
        ({"container": "c"}, "container"),
        ({"inference_geo": "us"}, "inference_geo"),
        ({"mcp_servers": []}, "mcp_servers"),
        ({"messages": [user({"type": "search_result"})]}, "messages.0.content.0.type"),
        (
            {"messages": [user({"type": "image", "source": {"type": "file", "file_id": "f"}})]},
            "messages.0.content.0.source.type",
        ),
        (
            {"messages": [user({"type": "document", "source": {"type": "url", "url": "u"}})]},
            "messages.0.content.0.source.type",
        ),
        (
            {"messages": [user({"type": "document", "source": {"type": "base64", "media_type": "a/b", "data": ""}})]},
            "messages.0.content.0.source.media_type",
        ),
        (
            {
                "messages": [
                    user({"type": "document", "source": {"type": "text", "data": ""}, "citations": {"enabled": True}})
                ]
            },
            "messages.0.content.0.citations.enabled",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "server_tool_use"}]}, USER]},
            "messages.0.content.0.type",
        ),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "tool_use", "id": "", "name": "", "input": 1}]},
                    USER,
                ]
            },
            "messages.0.content.0.input",
        ),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    assert refused(body) == param
