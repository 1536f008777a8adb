from __future__ import annotations

import pytest
from tieline_router.translate.responses_over_chat import translate_request
from tieline_router.translate.translated import Untranslatable

from tests.support.openai_transcripts import Json, body, fields


def _messages(*items: Json, **request: object) -> list[Json]:
    found = translate_request(fields({"model": "m", "input": list(items), **request}), max_output_tokens=None)
    messages: list[Json] = body(found)["messages"]
    return messages


def _refused(*items: Json) -> str:
    with pytest.raises(Untranslatable) as refusal:
        _messages(*items)
    return refusal.value.param


CALL = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "f", "arguments": '{"a": 1}', "status": "x"}
CALLED = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}


def test_instructions_and_developers_speak_as_the_system() -> None:
    found = _messages(
        {"role": "developer", "content": "b"}, {"type": "message", "role": "system", "content": "c"}, instructions="a"
    )
    assert found == [{"role": "system", "content": word} for word in "abc"]


def test_one_text_is_a_string_and_several_are_parts() -> None:
    one = {"type": "input_text", "text": "a"}
    assert _messages({"role": "user", "content": [one]}) == [{"role": "user", "content": "a"}]
    assert _messages({"role": "user", "content": [one, one]}) == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "a"}]}
    ]


def test_a_cache_breakpoint_stays_with_its_part() -> None:
    part = {"type": "input_text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}
    (message,) = _messages({"role": "user", "content": [part]})
    assert message["content"] == [{"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}}]


def test_media_of_users() -> None:
    (message,) = _messages(
        {
            "role": "user",
            "content": [
                {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
                {"type": "input_file", "file_data": "data:x", "filename": "a.pdf"},
                {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
            ],
        }
    )
    assert message["content"] == [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA", "detail": "low"}},
        {"type": "file", "file": {"file_data": "data:x", "filename": "a.pdf"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
    ]


def test_one_turn_of_the_assistant_is_one_message_and_its_results_follow() -> None:
    second = {"type": "function_call", "call_id": "c2", "name": "g", "arguments": ""}
    found = _messages(
        {"role": "user", "content": "hi"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "wait", "logprobs": []}]},
        CALL,
        second,
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
    )
    assert found == [
        {"role": "user", "content": "hi"},
        {
            "role": "assistant",
            "content": "wait",
            "tool_calls": [CALLED, {"id": "c2", "type": "function", "function": {"name": "g", "arguments": ""}}],
            "reasoning": "hm",
            "reasoning_content": "hm",
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
    ]


def test_a_refusal_alone_stands_in_its_field_and_beside_text_among_the_parts() -> None:
    refusal = {"type": "refusal", "refusal": "no"}
    assert _messages({"role": "assistant", "content": [refusal]}) == [
        {"role": "assistant", "content": None, "refusal": "no"}
    ]
    (message,) = _messages({"role": "assistant", "content": [{"type": "output_text", "text": "a"}, refusal]})
    assert message["content"] == [{"type": "text", "text": "a"}, refusal]


def test_encrypted_reasoning_is_an_entry_of_its_format() -> None:
    (message,) = _messages(
        {
            "type": "reasoning",
            "id": "rs_1",
            "summary": [{"type": "summary_text", "text": "s"}],
            "encrypted_content": "E",
        }
    )
    shared = {"format": "openai-responses-v1", "id": "rs_1"}
    assert message["reasoning_details"] == [
        {"type": "reasoning.summary", "summary": "s", "index": 0, **shared},
        {"type": "reasoning.encrypted", "data": "E", "index": 1, **shared},
    ]
    assert message["reasoning"] == "s"


def test_a_reasoning_item_without_reasoning_leaves_no_message() -> None:
    assert _messages({"type": "reasoning", "id": "rs_1", "summary": []}, {"role": "user", "content": "x"}) == [
        {"role": "user", "content": "x"}
    ]


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"type": "item_reference", "id": "x"}, "input[0]"),
        ({"id": "x"}, "input[0]"),
        ({"type": "web_search_call", "id": "x", "status": "completed"}, "input[0].type"),
        ({"type": "custom_tool_call", "call_id": "x", "name": "f"}, "input[0].input"),
        ({"type": "custom_tool_call", "call_id": "x", "name": "f", "input": 1}, "input[0].input"),
        ({"type": "local_shell_call", "call_id": "x"}, "input[0].type"),
        ({"role": "tool", "content": "x"}, "input[0].role"),
        ({"role": "user"}, "input[0].content"),
        ({"role": "user", "content": 5}, "input[0].content"),
        ({"role": "user", "content": "x", "name": "bob"}, "input[0].name"),
        ({"role": "user", "content": [{"type": "input_video"}]}, "input[0].content[0].type"),
        ({"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}, "input[0].content[0].file_id"),
        ({"role": "user", "content": [{"type": "input_image"}]}, "input[0].content[0].image_url"),
        ({"role": "user", "content": [{"type": "input_file", "file_url": "u"}]}, "input[0].content[0].file_url"),
        ({"role": "user", "content": [{"type": "input_text", "text": 5}]}, "input[0].content[0].text"),
        ({"role": "system", "content": [{"type": "input_image", "image_url": "u"}]}, "input[0].content[0].type"),
        ({"role": "assistant", "content": [{"type": "input_image", "image_url": "u"}]}, "input[0].content[0].type"),
        ({**CALL, "namespace": "n"}, "input[0].namespace"),
        ({**CALL, "arguments": {}}, "input[0].arguments"),
        ({**CALL, "call_id": None}, "input[0].call_id"),
        ({**CALL, "caller": {"type": "program", "caller_id": "p"}}, "input[0].caller"),
        ({"type": "function_call_output", "call_id": "c"}, "input[0].output"),
        (
            {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_image", "file_id": "u"}]},
            "input[0].output[0].file_id",
        ),
        ({"type": "reasoning", "summary": "x"}, "input[0]"),
    ],
)
def test_what_no_message_can_say_is_refused_by_its_path(item: Json, param: str) -> None:
    assert _refused(item) == param


def test_a_custom_tools_call_is_one_of_its_function() -> None:
    call = {"type": "custom_tool_call", "id": "ctc_1", "call_id": "c", "name": "patch", "input": 'a "b"\n'}
    output = {"type": "custom_tool_call_output", "call_id": "c", "output": "done"}
    assistant, result = _messages(call, output)
    function = {"name": "patch", "arguments": '{"input":"a \\"b\\"\\n"}'}
    assert assistant["tool_calls"] == [{"id": "c", "type": "function", "function": function}]
    assert result == {"role": "tool", "tool_call_id": "c", "content": "done"}


def test_what_kind_of_message_it_was_is_left_out() -> None:
    assert _messages({"role": "assistant", "content": "x", "phase": "commentary"}) == [
        {"role": "assistant", "content": "x"}
    ]


def test_an_image_that_a_tool_returns_is_shown_after_all_results() -> None:
    image = {"type": "input_image", "image_url": "data:image/png;base64,AA=="}
    text = {"type": "input_text", "text": "t"}
    second = CALL | {"call_id": "c2"}
    results: list[Json] = [
        {"type": "function_call_output", "call_id": "c1", "output": [text, image]},
        {"type": "function_call_output", "call_id": "c2", "output": [image]},
    ]
    shown = {"type": "image_url", "image_url": {"url": image["image_url"]}}
    told = [{"type": "text", "text": f"Returned by the tool call {call}:"} for call in ("c1", "c2")]
    for rest in ([], [{"role": "user", "content": "u"}], [{"role": "assistant", "content": "a"}]):
        found = _messages(CALL, second, *results, *rest)
        assert found[1:4] == [
            {"role": "tool", "tool_call_id": "c1", "content": "t"},
            {"role": "tool", "tool_call_id": "c2", "content": ""},
            {"role": "user", "content": [told[0], shown, told[1], shown]},
        ]
        assert found[4:] == rest
