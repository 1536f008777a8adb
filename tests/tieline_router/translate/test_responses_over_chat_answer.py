from __future__ import annotations

import json

import pytest
from tieline_router.streaming.form import Cost
from tieline_router.streaming.sse import Event
from tieline_router.streaming.usage import Usage
from tieline_router.translate.responses_over_chat import EventTranslator, translate_answer

from tests.support.openai_transcripts import Json, response, response_events, responses_stamp, transcript

USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 7,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
COUNTED = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 17,
}
LOGPROB = {"token": "é", "logprob": -0.5, "bytes": None, "top_logprobs": [{"token": "e", "logprob": -1.5}]}
SPOKEN = {
    "token": "é",
    "logprob": -0.5,
    "bytes": [195, 169],
    "top_logprobs": [{"token": "e", "logprob": -1.5, "bytes": [101]}],
}


def _chunk(finish_reason: str | None = None, **delta: object) -> Json:
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}],
    }


def _stream(*chunks: Json) -> list[Json]:
    return response_events(transcript(EventTranslator(responses_stamp({"model": "m"})), chunks))


def _told(events: list[Json]) -> list[str]:
    """The events by type, without what every stream has."""
    kinds = [event["type"].removeprefix("response.") for event in events]
    assert kinds[:2] == ["created", "in_progress"]
    return kinds[2:]


def _whole(finish_reason: str = "stop", request: Json | None = None, **message: object) -> Json:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish_reason}
    answer = {"id": "x", "object": "chat.completion", "choices": [choice], "usage": USAGE}
    return response(translate_answer(responses_stamp(request), json.dumps(answer).encode()).body)


def test_a_text_in_pieces() -> None:
    events = _stream(
        _chunk(role="assistant", content=""),
        _chunk(content="Hel"),
        _chunk(content="lo"),
        _chunk("stop"),
        {"choices": [], "usage": USAGE},
    )
    assert _told(events) == [
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    part = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
    item = {"id": "msg_gen-1_0", "type": "message", "role": "assistant", "status": "completed", "content": [part]}
    assert events[-2]["item"] == item
    assert events[2]["item"] == item | {"status": "in_progress", "content": []}
    assert events[3]["part"] == part | {"text": ""}
    final = events[-1]["response"]
    assert (final["id"], final["model"], final["status"], final["output"]) == (
        "gen-1",
        "author/slug",
        "completed",
        [item],
    )
    assert final["usage"] == COUNTED


def test_the_end_comes_at_the_finish_reason_and_only_the_answer_waits_for_the_usage() -> None:
    translator = EventTranslator(responses_stamp())
    translator.take(Event(json.dumps(_chunk(content="a")).encode()))
    closing = translator.take(Event(json.dumps(_chunk("stop")).encode()))
    assert b"response.output_item.done" in closing
    assert translator.take(Event(json.dumps(_chunk(content="late")).encode())) == b""
    before = translator.next_sequence
    assert f'"sequence_number":{before}'.encode() in translator.end()


@pytest.mark.parametrize(
    ("finish_reason", "status", "reason"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", "max_output_tokens"),
        ("content_filter", "incomplete", "content_filter"),
        ("something_else", "completed", None),
    ],
)
def test_finish_reasons(finish_reason: str, status: str, reason: str | None) -> None:
    final = _stream(_chunk(content="a"), _chunk(finish_reason))[-1]
    assert final["type"] == f"response.{status}"
    found = final["response"]
    assert (found["status"], found["output"][0]["status"]) == (status, status)
    assert found["incomplete_details"] == (reason and {"reason": reason})
    plain = _whole(finish_reason, content="a")
    assert (plain["status"], plain["incomplete_details"]) == (status, found["incomplete_details"])


def test_parallel_calls_whose_pieces_alternate() -> None:
    def piece(index: int, **call: object) -> Json:
        return _chunk(tool_calls=[{"index": index, **call}])

    events = _stream(
        piece(0, id="c1", type="function", function={"name": "f", "arguments": ""}),
        piece(1, id="c2", type="function", function={"name": "g", "arguments": "[1"}),
        piece(0, function={"arguments": '{"a"'}),
        piece(1, function={"arguments": "]"}),
        piece(0, function={"arguments": ":1}"}),
        _chunk("tool_calls"),
    )
    assert _told(events) == [
        *["output_item.added"] * 2,
        *["function_call_arguments.delta"] * 4,
        *["function_call_arguments.done", "output_item.done"] * 2,
        "completed",
    ]
    assert [
        (event["output_index"], event["item_id"], event["delta"]) for event in events if event["type"].endswith("delta")
    ] == [(1, "fc_gen-1_1", "[1"), (0, "fc_gen-1_0", '{"a"'), (1, "fc_gen-1_1", "]"), (0, "fc_gen-1_0", ":1}")]
    assert [(item["call_id"], item["name"], item["arguments"]) for item in events[-1]["response"]["output"]] == [
        ("c1", "f", '{"a":1}'),
        ("c2", "g", "[1]"),
    ]


def test_a_call_without_id_or_with_arguments_that_are_no_string_is_still_a_call() -> None:
    found = _whole("tool_calls", tool_calls=[{"function": {"name": "f", "arguments": {"a": 1}}}])["output"]
    assert [(item["call_id"], item["arguments"]) for item in found] == [("call_gen-1_0", '{"a": 1}')]


def test_thought_comes_before_speech_and_speech_before_calls() -> None:
    events = _stream(
        _chunk(reasoning="th", reasoning_content="th"),
        _chunk(reasoning_content="ink"),
        _chunk(content="say"),
        _chunk(tool_calls=[{"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}]),
        _chunk("tool_calls"),
    )
    assert _told(events)[:7] == [
        "output_item.added",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
    ]
    output = events[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message", "function_call"]
    assert output[0] == {
        "id": "rs_gen-1_0",
        "type": "reasoning",
        "summary": [],
        "content": [{"type": "reasoning_text", "text": "think"}],
        "status": "completed",
    }


def test_encrypted_reasoning_of_a_responses_provider_keeps_its_id_and_its_bytes() -> None:
    shared = {"id": "rs_abc", "format": "openai-responses-v1"}
    summary = {"type": "reasoning.summary", "index": 0, **shared}
    sealed = {"type": "reasoning.encrypted", "data": "gAAA=/+", "index": 1, **shared}
    pieces = [summary | {"summary": "Look"}, summary | {"summary": "ing"}, sealed]
    expected = {
        "id": "rs_abc",
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "Looking"}],
        "encrypted_content": "gAAA=/+",
        "status": "completed",
    }
    events = _stream(
        *(_chunk(reasoning=piece.get("summary"), reasoning_details=[piece]) for piece in pieces), _chunk("stop")
    )
    assert _told(events) == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "completed",
    ]
    assert events[-1]["response"]["output"] == [expected]
    joined = [summary | {"summary": "Looking"}, sealed]
    assert _whole(reasoning="Looking", reasoning_details=joined)["output"] == [expected]


def test_several_reasoning_items_stay_apart() -> None:
    details = [
        {"type": "reasoning.encrypted", "data": data, "id": item_id, "format": "openai-responses-v1", "index": 0}
        for item_id, data in (("rs_a", "A"), ("rs_b", "B"))
    ]
    found = _whole(reasoning_details=details)["output"]
    assert [(item["id"], item["encrypted_content"]) for item in found] == [("rs_a", "A"), ("rs_b", "B")]


def test_a_refusal_is_a_part_of_its_own() -> None:
    events = _stream(_chunk(content="Well,"), _chunk(refusal="I can"), _chunk(refusal="not"), _chunk("stop"))
    assert _told(events)[2:] == [
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "content_part.added",
        "refusal.delta",
        "refusal.delta",
        "refusal.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert [event["content_index"] for event in events if "refusal" in event["type"]] == [1, 1, 1]
    (item,) = events[-1]["response"]["output"]
    assert item["content"][1] == {"type": "refusal", "refusal": "I cannot"}


def test_log_probabilities_have_all_their_keys() -> None:
    chunk = _chunk(content="é")
    chunk["choices"][0]["logprobs"] = {"content": [LOGPROB], "refusal": None}
    events = _stream(chunk, chunk, _chunk("stop"))
    assert next(event for event in events if event["type"].endswith("delta"))["logprobs"] == [SPOKEN]
    assert events[-1]["response"]["output"][0]["content"][0]["logprobs"] == [SPOKEN, SPOKEN]


def test_citations() -> None:
    citation = {"url": "https://a", "title": "A", "start_index": 0, "end_index": 3}
    annotation = {"type": "url_citation", "url_citation": citation}
    events = _stream(_chunk(content="see"), _chunk(annotations=[annotation, {"type": "file"}]), _chunk("stop"))
    added = next(event for event in events if event["type"].endswith("annotation.added"))
    assert added["annotation"] == {"type": "url_citation", **citation}
    assert events[-1]["response"]["output"][0]["content"][0]["annotations"] == [{"type": "url_citation", **citation}]


def test_an_image_is_an_item() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    (item,) = _whole(images=[image], content=None)["output"]
    assert (item["type"], item["status"], item["result"]) == ("image_generation_call", "completed", "AAAA")


def test_content_may_be_a_list_of_parts() -> None:
    (item,) = _whole(content=[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])["output"]
    assert item["content"][0]["text"] == "ab"


def test_the_answer_repeats_the_request_byte_for_byte() -> None:
    request = {
        "model": "alias",
        "instructions": "be",
        "tools": [{"type": "function", "name": "f", "parameters": {}, "strict": True}],
        "tool_choice": {"type": "function", "name": "f"},
        "temperature": 0.5,
        "metadata": {"a": "b"},
        "reasoning": {"effort": "low"},
        "text": {"format": {"type": "json_object"}},
        "top_p": None,
        "input": "not repeated",
    }
    found = _whole(request=request, content="a")
    for name in request.keys() - {"model", "input", "top_p"}:
        assert found[name] == request[name]
    assert found["parallel_tool_calls"] is True
    assert (found["store"], found["previous_response_id"], found["error"]) == (False, None, None)
    assert "input" not in found


def test_the_cost_stands_in_the_usage_under_the_contract_s_own_names() -> None:
    answer = json.dumps({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": USAGE}).encode()
    priced = response(translate_answer(responses_stamp(None, "openrouter", Cost(3.0, 1.0, 2.0)), answer).body)
    assert priced["usage"] == COUNTED | {
        "cost": 3.0,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_input_cost": 1.0,
            "upstream_inference_output_cost": 2.0,
        },
    }
    free = response(translate_answer(responses_stamp(None, "openrouter"), answer).body)
    assert free["usage"] == COUNTED | {"cost": None, "is_byok": False}


def test_what_a_plain_answer_tells_the_router() -> None:
    answer = {"choices": [{"message": {"content": "a"}, "finish_reason": "length"}], "usage": USAGE}
    whole = translate_answer(responses_stamp(), json.dumps(answer).encode())
    assert whole.finish_reason == "length"
    assert whole.usage == Usage(prompt=10, completion=7, cached=4, reasoning=3, cache_write=1)


def test_the_service_tier_is_the_provider_s() -> None:
    assert (
        _stream(_chunk(content="a") | {"service_tier": "flex"}, _chunk("stop"))[-1]["response"]["service_tier"]
        == "flex"
    )


CUSTOM: Json = {"model": "m", "tools": [{"type": "custom", "name": "patch"}, {"type": "function", "name": "f"}]}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [('{"input":"a\\nb"}', "a\nb"), ("*** Begin", "*** Begin"), ('{"patch":1}', '{"patch":1}'), ("", "")],
)
def test_a_call_of_a_custom_tool_is_told_as_one(arguments: str, text: str) -> None:
    half = len(arguments) // 2
    calls = [
        {"index": 0, "id": "c", "function": {"name": "patch", "arguments": arguments[:half]}},
        {"index": 0, "function": {"arguments": arguments[half:]}},
    ]
    chunks = [*(_chunk(tool_calls=[call]) for call in calls), _chunk("tool_calls")]
    events = response_events(transcript(EventTranslator(responses_stamp(CUSTOM)), chunks))
    said = ["custom_tool_call_input.delta"] if text else []
    told = ["output_item.added", *said, "custom_tool_call_input.done", "output_item.done", "completed"]
    assert _told(events) == told
    item = {"id": "ctc_gen-1_0", "type": "custom_tool_call", "call_id": "c", "name": "patch", "input": text}
    assert events[-2]["item"] == item
    assert events[-1]["response"]["output"] == [item]
    call = {"id": "c", "type": "function", "function": {"name": "patch", "arguments": arguments}}
    assert _whole("tool_calls", CUSTOM, tool_calls=[call])["output"] == [item]
    assert _whole("tool_calls", tool_calls=[call])["output"][0]["type"] == "function_call"


def test_calls_of_servers_that_leave_the_index_out() -> None:
    pieces: list[Json] = [
        {"id": "a", "function": {"name": "f", "arguments": "{"}},
        {"function": {"arguments": "}"}},
        {"id": "b", "function": {"name": "f", "arguments": "[]"}},
    ]
    output = _stream(*(_chunk(tool_calls=[piece]) for piece in pieces), _chunk("tool_calls"))[-1]["response"]["output"]
    assert [(item["call_id"], item["arguments"]) for item in output] == [("a", "{}"), ("b", "[]")]
    nameless = [{"function": {"name": name, "arguments": "{}"}} for name in "fg"]
    assert [item["name"] for item in _whole("tool_calls", tool_calls=nameless)["output"]] == ["f", "g"]
