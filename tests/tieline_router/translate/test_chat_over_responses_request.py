from __future__ import annotations

import msgspec
import pytest
from tieline_router.translate.chat_over_responses import DROPPABLE, translate_request
from tieline_router.translate.translated import Untranslatable

from tests.support.openai_transcripts import Json, body, fields

ASK = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


def _translated(**request: object) -> Json:
    return body(translate_request(fields({"model": "m", "messages": ASK, **request}), max_output_tokens=None))


def test_nothing_is_stored_and_nothing_else_made_up() -> None:
    items = [{"type": "message", "role": "user", "content": "hi"}]
    assert _translated() == {"model": "m", "store": False, "input": items}


def test_fields_of_the_same_name_keep_their_bytes() -> None:
    odd = {
        "temperature": b"1.0e-1", "top_p": b"1.000", "metadata": b'{ "a" : "b" }', "user": b'"\\u00e9"',
        "service_tier": b'"flex"', "prompt_cache_key": b'"k"', "safety_identifier": b'"s"', "stream": b"true",
        "parallel_tool_calls": b"false", "prompt_cache_options": b'{"mode": "explicit"}',
    }  # fmt: skip
    request = fields({"model": "m", "messages": ASK})
    found = translate_request(request | {name: msgspec.Raw(value) for name, value in odd.items()}, max_output_tokens=1)
    assert {name: bytes(found.fields[name]) for name in odd} == odd


def test_sampling_parameters_are_dropped_by_name_when_they_are_given() -> None:
    request = dict.fromkeys(DROPPABLE, 1) | {"seed": None}
    found = translate_request(fields({"model": "m", "messages": ASK, **request}), max_output_tokens=None)
    assert set(found.dropped) == DROPPABLE - {"seed"}
    assert found.fields.keys() == {"model", "store", "input"}


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_tokens": 5, "max_completion_tokens": 6}, 6),
    ],
)
def test_limits(limits: dict[str, int], expected: int) -> None:
    assert _translated(**limits)["max_output_tokens"] == expected


def test_log_probabilities_are_included() -> None:
    found = _translated(logprobs=True, top_logprobs=2)
    assert (found["include"], found["top_logprobs"]) == (["message.output_text.logprobs"], 2)
    assert _translated(logprobs=False, top_logprobs=0).keys() == {"model", "store", "input"}


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"reasoning_effort": "high"}, {"effort": "high"}),
        ({"reasoning": {"effort": "low", "summary": "auto"}}, {"effort": "low", "summary": "auto"}),
        ({"reasoning": {"enabled": True, "exclude": False}}, {"effort": "medium"}),
    ],
)
def test_reasoning_is_asked_for_with_what_keeps_it_alive(asked: Json, expected: Json) -> None:
    found = _translated(**asked)
    assert found["reasoning"] == expected
    assert found["include"] == ["reasoning.encrypted_content"]


def test_without_reasoning_nothing_is_asked_for_that_other_models_refuse() -> None:
    found = _translated(reasoning_effort="none")
    assert found["reasoning"] == {"effort": "none"}
    assert "include" not in found


def test_functions_stand_flat_and_are_not_strict_unless_asked() -> None:
    strict = {"type": "function", "function": {"name": "g", "strict": True}}
    found = _translated(tools=[TOOL, strict])["tools"]
    assert found == [
        {"type": "function", "name": "f", "description": "d", "parameters": {"type": "object"}, "strict": False},
        {"type": "function", "name": "g", "parameters": None, "strict": True},
    ]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("none", "none"),
        ("required", "required"),
        ({"type": "function", "function": {"name": "f"}}, {"type": "function", "name": "f"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "f"}]},
        ),
    ],
)
def test_every_form_of_tool_choice(choice: object, expected: object) -> None:
    assert _translated(tools=[TOOL], tool_choice=choice)["tool_choice"] == expected


def test_formats_of_text() -> None:
    schema = {"name": "n", "schema": {"type": "object"}, "strict": True, "description": "d"}
    found = _translated(response_format={"type": "json_schema", "json_schema": schema}, verbosity="low")
    assert found["text"] == {"format": {"type": "json_schema", **schema}, "verbosity": "low"}
    assert _translated(response_format={"type": "json_object"})["text"] == {"format": {"type": "json_object"}}


def test_what_changes_nothing_passes_by() -> None:
    found = _translated(
        n=1, stop=[], logit_bias={}, modalities=["text"], store=False, stream_options={"include_usage": True},
        audio=None, provider={"order": ["a"]}, include_reasoning=True, cache_control={"type": "ephemeral"},
    )  # fmt: skip
    assert found.keys() == {"model", "store", "input"}


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"stop": "x"}, "stop"),
        ({"stop": ["x"]}, "stop"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"store": True}, "store"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"functions": []}, "functions"),
        ({"something_new": 0}, "something_new"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": "yes"}, "logprobs"),
        ({"tools": [TOOL, {"type": "custom", "custom": {"name": "f"}}]}, "tools[1].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {"name": "f", "new": 1}}]}, "tools[0].function.new"),
        ({"tools": [TOOL], "tool_choice": "sometimes"}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "custom", "custom": {"name": "f"}}}, "tool_choice.type"),
        (
            {
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "auto", "tools": [{"type": "custom"}]},
                }
            },
            "tool_choice.allowed_tools.tools[0].type",
        ),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"reasoning": {"max_tokens": 5}}, "reasoning.max_tokens"),
        ({"reasoning": {"exclude": True}}, "reasoning.exclude"),
        ({"reasoning_effort": 5}, "reasoning_effort"),
        ({"messages": None}, "messages"),
        ({"messages": "x"}, "messages"),
    ],
)
def test_what_responses_cannot_carry_is_refused_by_its_path(request_: dict[str, object], param: str) -> None:
    with pytest.raises(Untranslatable) as refusal:
        _translated(**request_)
    assert refusal.value.param == param
    assert param in refusal.value.message


def test_the_names_of_those_who_speak_are_left_out_and_named() -> None:
    turns = [{"role": "user", "name": "critic", "content": "x"}, {"role": "assistant", "name": "b", "content": "y"}]
    found = translate_request(fields({"model": "m", "messages": turns, "seed": 1}), max_output_tokens=None)
    assert found.dropped == ("seed", "messages.name")
    assert b"critic" not in bytes(found.fields["input"])
    echo = {"role": "assistant", "content": "y", "provider_specific_fields": {"refusal": None}}
    assert translate_request(fields({"model": "m", "messages": [echo]}), max_output_tokens=None).dropped == ()
