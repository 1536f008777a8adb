from __future__ import annotations

import pytest
from tieline_router.translate.chat_over_responses import translate_request
from tieline_router.translate.translated import Untranslatable

from tests.support.openai_transcripts import Json, body, fields

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def _items(*messages: Json) -> list[Json]:
    found = translate_request(fields({"model": "m", "messages": list(messages)}), max_output_tokens=None)
    items: list[Json] = body(found)["input"]
    return items


def test_who_speaks_stays_who_speaks() -> None:
    roles = ["system", "developer", "user", "assistant"]
    assert _items(*({"role": role, "content": "x"} for role in roles)) == [
        {"type": "message", "role": role, "content": "x"} for role in roles
    ]


def test_media_of_users() -> None:
    (item,) = _items(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
                {"type": "image_url", "image_url": {"url": "https://a"}},
                {"type": "image_url", "image_url": {"url": "https://b", "detail": "low"}},
                {"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}},
            ],
        }
    )
    assert item["content"] == [
        {"type": "input_text", "text": "a"},
        {"type": "input_image", "image_url": "https://a", "detail": "auto"},
        {"type": "input_image", "image_url": "https://b", "detail": "low"},
        {"type": "input_file", "file_data": "data:x", "filename": "a.pdf"},
    ]


def test_a_turn_of_the_assistant_becomes_its_items_and_results_follow() -> None:
    second = {"id": "c2", "type": "function", "index": 1, "function": {"name": "g", "arguments": ""}}
    assert _items(
        {"role": "assistant", "content": "wait", "tool_calls": [CALL, second], "reasoning_content": "hm"},
        {"role": "tool", "tool_call_id": "c1", "content": "one", "name": "f"},
        {
            "role": "tool",
            "tool_call_id": "c2",
            "content": [{"type": "text", "text": "two"}, {"type": "image_url", "image_url": {"url": "u"}}],
        },
    ) == [
        {"type": "reasoning", "id": "rs_0", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": "wait"},
        {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
        {"type": "function_call", "call_id": "c2", "name": "g", "arguments": ""},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {
            "type": "function_call_output",
            "call_id": "c2",
            "output": [
                {"type": "input_text", "text": "two"},
                {"type": "input_image", "image_url": "u", "detail": "auto"},
            ],
        },
    ]


@pytest.mark.parametrize("content", [None, ""])
def test_calls_alone_make_no_message(content: str | None) -> None:
    assert [item["type"] for item in _items({"role": "assistant", "content": content, "tool_calls": [CALL]})] == [
        "function_call"
    ]


def test_refusals() -> None:
    refusal = {"type": "refusal", "refusal": "no"}
    assert _items({"role": "assistant", "content": None, "refusal": "no"})[0]["content"] == [refusal]
    text = {"type": "output_text", "text": "a", "annotations": []}
    assert _items({"role": "assistant", "content": "a", "refusal": "no"})[0]["content"] == [text, refusal]
    parts = [{"type": "text", "text": "a"}, refusal]
    assert _items({"role": "assistant", "content": parts})[0]["content"] == [text, refusal]


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "function", "name": "f", "content": "x"}, "messages[0].role"),
        ({"role": "bob", "content": "x"}, "messages[0].role"),
        ({"content": "x"}, "messages[0].role"),
        ({"role": "user"}, "messages[0].content"),
        ({"role": "user", "content": {}}, "messages[0].content"),
        ({"role": "user", "content": "x", "alias": "bob"}, "messages[0].alias"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "messages[0].content[0].type"),
        ({"role": "user", "content": [{"type": "text", "text": "x"}, 5]}, "messages[0].content[1]"),
        ({"role": "user", "content": [{"type": "image_url", "image_url": "u"}]}, "messages[0].content[0].image_url"),
        ({"role": "system", "content": [{"type": "image_url", "image_url": {}}]}, "messages[0].content[0].type"),
        ({"role": "assistant", "content": "x", "audio": {"id": "a"}}, "messages[0].audio"),
        ({"role": "assistant", "content": None, "function_call": {"name": "f"}}, "messages[0].function_call"),
        ({"role": "assistant", "content": [{"type": "image_url"}]}, "messages[0].content[0].type"),
        ({"role": "assistant", "tool_calls": [{**CALL, "type": "custom"}]}, "messages[0].tool_calls[0].type"),
        ({"role": "assistant", "tool_calls": [{**CALL, "id": None}]}, "messages[0].tool_calls[0].id"),
        (
            {"role": "assistant", "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {}}}]},
            "messages[0].tool_calls[0].function.arguments",
        ),
        ({"role": "tool", "content": "x"}, "messages[0].tool_call_id"),
    ],
)
def test_what_no_item_can_say_is_refused_by_its_path(message: Json, param: str) -> None:
    with pytest.raises(Untranslatable) as refusal:
        _items(message)
    assert refusal.value.param == param
