"""Anthropic's Messages API for clients, from chat providers: streams, by transcripts."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from tieline_router.streaming.sse import Event
from tieline_router.translate.kept import Text
from tieline_router.translate.messages_over_chat import EventTranslator, translate_request

from tests.support.translated_streams import as_message, chat_stamp, chat_stream, events, messages_stamp, run


def delta(finish: str | None = None, **said: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


def call(index: int | None, arguments: str | None = None, name: str | None = None, call_id: str | None = None) -> Any:
    found = {"index": index, "id": call_id, "function": {"name": name, "arguments": arguments}}
    return delta(tool_calls=[found])


def usage(**counts: Any) -> dict[str, Any]:
    return {"choices": [], "usage": counts}


def translate(*chunks: dict[str, Any]) -> tuple[list[dict[str, Any]], Any]:
    return as_message(run(EventTranslator(messages_stamp()), [chat_stream(*chunks)]))


def returned(*content: Any) -> dict[str, Any]:
    """What the client's answer with these blocks is for the chat provider."""
    turn = {"role": "assistant", "content": [each.model_dump() for each in content]}
    body = {"max_tokens": 1, "messages": [turn, {"role": "user", "content": "on"}]}
    fields = msgspec.json.decode(json.dumps(body), type=dict[str, msgspec.Raw])
    found: dict[str, Any] = json.loads(bytes(translate_request(fields, max_output_tokens=None).fields["messages"]))[0]
    return found


def test_text_usage_and_the_terminator() -> None:
    counts = {
        "prompt_tokens": 33,
        "completion_tokens": 9,
        "prompt_tokens_details": {"cached_tokens": 20, "cache_write_tokens": 3},
        "completion_tokens_details": {"reasoning_tokens": 4},
    }
    found, message = translate(
        delta(role="assistant", content=""), delta(content="Hel"), delta(content="lo"), delta("stop"), usage(**counts)
    )
    assert found == [
        {
            "type": "message_start",
            "message": {
                "id": "gen-1",
                "type": "message",
                "role": "assistant",
                "model": "org/model",
                "provider": "Pool",
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {"input_tokens": 0, "output_tokens": 0},
            },
        },
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
        {"type": "content_block_stop", "index": 0},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": None},
            "usage": {
                "input_tokens": 10,
                "cache_creation_input_tokens": 3,
                "cache_read_input_tokens": 20,
                "output_tokens": 9,
                "output_tokens_details": {"thinking_tokens": 4},
            },
        },
        {"type": "message_stop"},
    ]
    assert message.content[0].text == "Hello"
    assert message.usage.cache_read_input_tokens == 20


def test_openrouters_contract_has_the_cost() -> None:
    stamp = chat_stamp("openrouter")._replace(dialect=messages_stamp("openrouter").dialect)
    chunks = chat_stream(delta("stop", content="x"), usage(prompt_tokens=1, completion_tokens=1))
    stream = run(EventTranslator(stamp), [chunks])
    assert json.loads(events(stream)[-2].data)["usage"]["cost"] == 0.5


def test_calls_one_after_the_other_go_out_as_they_come() -> None:
    translator = EventTranslator(messages_stamp())
    first = [call(0, "", "a", "functions.a:0"), call(0, '{"x":'), call(0, "1}")]
    run_so_far = [translator.take(Event(json.dumps(chunk).encode())) for chunk in first]
    assert all(run_so_far)
    opened = translator.take(Event(json.dumps(call(1, "", "b", "call_b")).encode()))
    assert [event.name for event in events(opened)] == ["content_block_stop", "content_block_start"]
    assert b'"partial_json":"{}"' in translator.take(Event(json.dumps(call(1, "{}")).encode()))


def test_interleaved_calls_become_blocks_in_a_row() -> None:
    _, message = translate(
        delta(content="ok"),
        call(0, '{"x"', "a", "call_a"),
        call(1, '{"y"', "b", "call_b"),
        call(0, ":1"),
        delta(content="meanwhile"),
        call(1, ":2}"),
        call(0, "}"),
        call(2, None, "c", None),
        delta("tool_calls"),
    )
    said = [(block.type, getattr(block, "input", None) or getattr(block, "text", None)) for block in message.content]
    assert said == [
        ("text", "ok"),
        ("tool_use", {"x": 1}),
        ("tool_use", {"y": 2}),
        ("text", "meanwhile"),
        ("tool_use", None),
    ]
    assert [block.id for block in message.content if block.type == "tool_use"] == ["call_a", "call_b", "call_gen-1_2"]
    assert message.stop_reason == "tool_use"


def test_calls_of_servers_that_leave_the_index_out() -> None:
    _, message = translate(
        call(None, '{"a":', "x", "1"), call(None, "1}"), call(None, "{}", "y", "2"), delta("tool_calls")
    )
    assert [(block.id, block.input) for block in message.content] == [("1", {"a": 1}), ("2", {})]


def test_an_id_that_anthropic_forbids_comes_back_as_it_was() -> None:
    _, message = translate(call(0, "{}", "x", "functions.x:0"), delta("tool_calls"))
    assert message.content[0].id.replace("_", "").isalnum()
    assert returned(*message.content)["tool_calls"][0]["id"] == "functions.x:0"


@pytest.mark.parametrize("field", ["reasoning", "reasoning_content"])
def test_plain_reasoning_comes_back_under_its_name(field: str) -> None:
    _, message = translate(delta(**{field: "h"}), delta(**{field: "m"}), delta(content="so"), delta("stop"))
    assert message.content[0].thinking == "hm"
    assert returned(*message.content) == {"role": "assistant", "content": "so", field: "hm"}


def test_reasoning_under_two_names_is_meant_once() -> None:
    _, message = translate(delta(reasoning="h", reasoning_content="h"), delta("stop"))
    assert message.content[0].thinking == "h"


def test_reasoning_of_every_format_comes_back_as_it_was() -> None:
    claude = {"type": "reasoning.text", "format": "anthropic-claude-v1", "index": 0}
    hidden = {"type": "reasoning.encrypted", "data": "D==", "format": "anthropic-claude-v1", "index": 1}
    summary = {"type": "reasoning.summary", "summary": "sum", "format": "openai-responses-v1", "id": "rs_1", "index": 2}
    sealed = {"type": "reasoning.encrypted", "data": "E", "format": "openai-responses-v1", "id": "rs_1", "index": 3}
    _, message = translate(
        delta(reasoning="h", reasoning_details=[claude | {"text": "h"}]),
        delta(reasoning_details=[claude | {"text": "m"}]),
        delta(reasoning_details=[claude | {"signature": "S+/="}]),
        delta(reasoning_details=[hidden, summary, sealed]),
        delta(reasoning_details=[{"type": "reasoning.text", "text": "w", "format": "google-gemini-v1", "index": 4}]),
        delta(
            reasoning_details=[{"type": "reasoning.text", "signature": "G", "format": "google-gemini-v1", "index": 4}]
        ),
        delta("stop", content="so"),
    )
    assert [block.type for block in message.content] == [
        "thinking",
        "redacted_thinking",
        "thinking",
        "redacted_thinking",
        "thinking",
        "text",
    ]
    assert (message.content[0].thinking, message.content[0].signature) == ("hm", "S+/=")
    assert message.content[1].data == "D=="
    assert returned(*message.content)["reasoning_details"] == [
        claude | {"text": "hm", "signature": "S+/="},
        hidden,
        summary,
        sealed,
        {"type": "reasoning.text", "text": "w", "signature": "G", "format": "google-gemini-v1", "index": 4},
    ]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("stop", "end_turn"),
        ("length", "max_tokens"),
        ("tool_calls", "tool_use"),
        ("function_call", "tool_use"),
        ("content_filter", "refusal"),
        ("eos", "end_turn"),
    ],
)
def test_stop_reasons(reason: str, expected: str) -> None:
    _, message = translate(delta(reason, content="x"))
    assert (message.stop_reason, message.stop_sequence) == (expected, None)


@pytest.mark.parametrize("field", ["stop_reason", "matched_stop"])
def test_the_stop_sequence_that_matched(field: str) -> None:
    chunk = delta("stop", content="x")
    chunk["choices"][0] |= {field: "END"}
    _, message = translate(chunk)
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "END")
    chunk["choices"][0] |= {field: 128001}
    assert translate(chunk)[1].stop_reason == "end_turn"


def test_a_call_wants_its_result_whatever_the_finish_reason_says() -> None:
    assert translate(call(0, "{}", "a", "1"), delta("stop"))[1].stop_reason == "tool_use"


def test_a_refusal_is_said() -> None:
    _, message = translate(delta(refusal="no"), delta("content_filter"))
    assert message.content[0].text == "no"
    assert message.stop_reason == "refusal"


def test_what_is_not_understood_is_skipped() -> None:
    other = {"choices": [{"index": 1, "delta": {"content": "other"}}]}
    odd = delta(content=[1], refusal="no", tool_calls=5, audio={})
    _, message = translate(other, odd, delta(reasoning_details=[5]), delta("stop", content="x"))
    assert message.content[0].text == "nox"


def test_an_answer_without_content_is_still_a_message() -> None:
    found, message = translate(delta("length"))
    assert message.content == []
    assert len(found) == 3


def test_a_call_that_grows_by_closing_braces_is_looked_at_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def look(text: Text) -> str:
        looked.append(len(text))
        return "}"

    monkeypatch.setattr(Text, "__str__", look)
    translator = EventTranslator(messages_stamp())
    for number in range(1, 600):
        for chunk in (call(0, "{}}", "a", "1"), call(number, "{", "b", str(number))):
            translator.take(Event(json.dumps(chunk).encode()))
    assert 0 < len(looked) < 40


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"null", b'{"choices":5}', b"\xff", b"[" * 5000])
def test_garbage_is_skipped(data: bytes) -> None:
    assert EventTranslator(messages_stamp()).take(Event(data)) == b""
