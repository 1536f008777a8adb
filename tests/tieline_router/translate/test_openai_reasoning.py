"""Reasoning on its way through a client and back to its provider."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.translate import chat_over_responses, responses_over_chat
from tieline_router.translate.kept import Kept
from tieline_router.translate.openai_reasoning import Joiner, read_details
from tieline_router.translate.translated import Untranslatable

from tests.support.openai_transcripts import (
    Json,
    body,
    chat_stamp,
    chunks,
    completion,
    fields,
    response,
    responses_stamp,
    transcript,
)

CLAUDE = [
    {"type": "reasoning.text", "text": "hm", "signature": "sig/+=", "format": "anthropic-claude-v1", "index": 0},
    {"type": "reasoning.encrypted", "data": "AA", "id": None, "format": "anthropic-claude-v1", "index": 1},
]
GEMINI = [{"type": "reasoning.encrypted", "data": "AA", "id": "c1", "format": "google-gemini-v1", "index": 0}]
TOOLS = [{"type": "reasoning.server_tool_call", "tool_name": "t", "arguments": "{}", "result": {"a": [1.5]}}]


def _returned(output: list[Json]) -> list[Json]:
    """What a chat provider gets back when a Responses client sends an answer's items again."""
    request = fields({"model": "m", "input": [{"role": "user", "content": "q"}, *output]})
    messages: list[Json] = body(responses_over_chat.translate_request(request, max_output_tokens=None))["messages"]
    return messages[1:]


@pytest.mark.parametrize("details", [CLAUDE, GEMINI, TOOLS, CLAUDE + GEMINI])
def test_what_a_chat_provider_signed_or_encrypted_comes_back_unchanged(details: list[Json]) -> None:
    message: Json = {"content": "a", "reasoning_details": details}
    answer: Json = {"choices": [{"message": message, "finish_reason": "stop"}]}
    found = response(responses_over_chat.translate_answer(responses_stamp(), json.dumps(answer).encode()).body)
    (returned,) = _returned(found["output"])
    assert returned["reasoning_details"] == details
    assert returned["content"] == "a"


def test_a_signature_that_ends_a_stream_comes_back_with_its_joined_text() -> None:
    pieces = [
        {"type": "reasoning.text", "text": "h", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.text", "text": "m", "format": "anthropic-claude-v1", "index": 0},
        {"type": "reasoning.text", "signature": "sig/+=", "format": "anthropic-claude-v1", "index": 0},
        CLAUDE[1],
    ]
    events: list[Json] = [{"choices": [{"delta": {"reasoning_details": [piece]}}]} for piece in pieces]
    events += [{"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}]}]
    stream = transcript(responses_over_chat.EventTranslator(responses_stamp()), events)
    final = json.loads(stream.rpartition(b"data: ")[2])["response"]
    (returned,) = _returned(final["output"])
    assert returned["reasoning_details"] == CLAUDE
    assert returned["reasoning"] == "hm"


def test_a_broken_mark_is_encrypted_content_of_somebody_else() -> None:
    (message,) = _returned(
        [{"type": "reasoning", "id": "x", "summary": [], "encrypted_content": "tieline.reasoning:?"}]
    )
    assert message["reasoning_details"][0]["data"] == "tieline.reasoning:?"


REASONING = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "s"}, {"type": "summary_text", "text": "t"}],
    "encrypted_content": "gAAA=/+",
}


def _sent_back(message: Json) -> list[Json]:
    """What a Responses provider gets when a chat client sends an answer's message again."""
    request = fields({"model": "m", "messages": [message]})
    items: list[Json] = body(chat_over_responses.translate_request(request, max_output_tokens=None))["input"]
    return items


def test_encrypted_reasoning_of_a_responses_provider_comes_back_as_the_same_item() -> None:
    answer = {"status": "completed", "output": [REASONING, REASONING | {"id": "rs_2"}]}
    whole = completion(chat_over_responses.translate_answer(chat_stamp(), json.dumps(answer).encode()).body)
    message = whole["choices"][0]["message"]
    assert message["reasoning"] == "s\n\nt\n\ns\n\nt"
    assert _sent_back(message) == [REASONING, REASONING | {"id": "rs_2"}]


def test_the_same_through_a_stream_whose_pieces_the_client_joins() -> None:
    events: list[Json] = [
        {"type": "response.output_item.added", "output_index": 0, "item": REASONING | {"summary": []}},
        *(
            {
                "type": "response.reasoning_summary_text.delta",
                "output_index": 0,
                "summary_index": index,
                "item_id": "rs_1",
                "delta": text,
            }
            for index, text in enumerate("st")
        ),
        {"type": "response.output_item.done", "output_index": 0, "item": REASONING},
        {"type": "response.completed", "response": {"status": "completed", "output": [REASONING]}},
    ]
    details = Joiner(Kept())
    found = chunks(transcript(chat_over_responses.EventTranslator(chat_stamp()), events))
    deltas = [chunk["choices"][0]["delta"] for chunk in found]
    for delta in deltas:
        for detail in delta.get("reasoning_details", ()):
            details.add(detail)
    assert "".join(delta.get("reasoning", "") for delta in deltas) == "s\n\nt"
    assert _sent_back({"role": "assistant", "content": None, "reasoning_details": details.joined()}) == [REASONING]


def test_a_summary_alone_was_for_the_reader_and_other_providers_secrets_stay_away() -> None:
    summary = {"type": "reasoning.summary", "summary": "s", "id": "rs_1", "format": "openai-responses-v1", "index": 0}
    assert _sent_back({"role": "assistant", "content": "a", "reasoning_details": [summary]}) == [
        {"type": "message", "role": "assistant", "content": "a"}
    ]
    (item,) = _sent_back({"role": "assistant", "content": None, "reasoning_details": CLAUDE})
    assert item == {
        "type": "reasoning",
        "id": "rs_0",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "hm"}],
    }


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_plain_reasoning_is_text(name: str) -> None:
    (item, _) = _sent_back({"role": "assistant", "content": "a", name: "hm"})
    assert item["content"] == [{"type": "reasoning_text", "text": "hm"}]


def test_details_that_are_no_list_of_objects_are_refused() -> None:
    with pytest.raises(Untranslatable) as refusal:
        _sent_back({"role": "assistant", "content": "a", "reasoning_details": [5]})
    assert refusal.value.param == "messages[0].reasoning_details"


@given(
    st.lists(
        st.dictionaries(
            st.sampled_from(["type", "text", "summary", "data", "signature", "format", "index", "id"]),
            st.sampled_from(
                [
                    "",
                    "x",
                    None,
                    1,
                    [],
                    {},
                    "reasoning.text",
                    "reasoning.summary",
                    "reasoning.encrypted",
                    "openai-responses-v1",
                ]
            ),
        ),
        max_size=6,
    )
)
def test_odd_details_break_nothing_and_those_that_say_something_with_a_state_come_back(details: list[Json]) -> None:
    answer = {"choices": [{"message": {"content": "a", "reasoning_details": details}, "finish_reason": "stop"}]}
    found = response(responses_over_chat.translate_answer(responses_stamp(), json.dumps(answer).encode()).body)
    returned = _returned(found["output"])[0].get("reasoning_details", [])
    said = read_details(msgspec.Raw(json.dumps(details).encode()))
    assert _states(returned) == _states(said)


def _states(details: list[Json]) -> list[object]:
    sealed = [detail for detail in details if detail.get("type") == "reasoning.encrypted"]
    return [detail["data"] for detail in sealed if "data" in detail]
