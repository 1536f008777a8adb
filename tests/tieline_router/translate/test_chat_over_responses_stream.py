from __future__ import annotations

import pytest
from tieline_router.apis import PathTree
from tieline_router.streaming.form import Cost
from tieline_router.translate.chat_over_responses import EventTranslator

from tests.support.openai_transcripts import Json, chat_stamp, chunks, transcript

USAGE = {"input_tokens": 3, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}}
CREATED = {"type": "response.created", "response": {"id": "resp_1", "status": "in_progress", "created_at": 50}}


def _done(*output: Json, kind: str = "completed", **response: object) -> Json:
    return {
        "type": f"response.{kind}",
        "response": {"status": kind, "output": list(output), "usage": USAGE, **response},
    }


def _event(kind: str, **event: object) -> Json:
    return {"type": f"response.{kind}", "output_index": 0, "content_index": 0, **event}


def _stream(*events: Json, tree: PathTree = "openai", usage: bool = True, cost: Cost | None = None) -> list[Json]:
    return chunks(transcript(EventTranslator(chat_stamp(tree, usage=usage, cost=cost)), events))


def _deltas(*events: Json) -> list[Json]:
    """The deltas between the one with the role and the one with the finish reason."""
    found = [chunk["choices"][0]["delta"] for chunk in _stream(*events, usage=False)]
    assert (found[0], found[-1]) == ({"role": "assistant", "content": ""}, {})
    return found[1:-1]


def _said(text: str) -> Json:
    return {"type": "message", "content": [{"type": "output_text", "text": text}]}


def test_a_text_in_pieces() -> None:
    found = _stream(
        CREATED,
        _event("output_item.added", item={"type": "message", "content": []}),
        _event("content_part.added", part={}),
        _event("output_text.delta", delta="Hel", logprobs=[]),
        _event("output_text.delta", delta="lo", logprobs=[]),
        _event("output_text.done", text="Hello"),
        _event("output_item.done", item=_said("Hello")),
        _done(_said("Hello"), service_tier="default"),
    )
    base = {
        "id": "gen-1",
        "object": "chat.completion.chunk",
        "created": 50,
        "model": "author/slug",
        "provider": "Pool",
        "system_fingerprint": None,
    }

    def chunk(delta: Json, finish_reason: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "finish_reason": finish_reason, "logprobs": None}
        return base | {"choices": [choice]}

    usage = {
        "prompt_tokens": 3,
        "completion_tokens": 2,
        "total_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }
    tier = {"service_tier": "default"}
    assert found == [
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hel"}),
        chunk({"content": "lo"}),
        chunk({}, "stop") | tier,
        base | tier | {"choices": [], "usage": usage},
    ]


def test_parallel_calls_whose_pieces_alternate() -> None:
    def call(index: int) -> Json:
        return {"type": "function_call", "id": f"fc_{index}", "call_id": f"c{index}", "name": "f", "arguments": ""}

    def piece(index: int, delta: str) -> Json:
        return _event("function_call_arguments.delta", output_index=index, item_id=f"fc_{index}", delta=delta)

    events = [
        _event("output_item.added", output_index=1, item=call(1)),
        _event("output_item.added", output_index=2, item=call(2)),
        piece(2, "[1"),
        piece(1, "{}"),
        piece(2, "]"),
        _event("function_call_arguments.done", output_index=1, arguments="{}"),
        _event("output_item.done", output_index=1, item=call(1) | {"arguments": "{}"}),
        _event("output_item.done", output_index=2, item=call(2) | {"arguments": "[1]"}),
        _done(_said(""), call(1) | {"arguments": "{}"}, call(2) | {"arguments": "[1]"}),
    ]
    opened = {"type": "function", "function": {"name": "f", "arguments": ""}}
    assert [delta["tool_calls"][0] for delta in _deltas(*events)] == [
        {"index": 0, "id": "c1", **opened},
        {"index": 1, "id": "c2", **opened},
        {"index": 1, "function": {"arguments": "[1"}},
        {"index": 0, "function": {"arguments": "{}"}},
        {"index": 1, "function": {"arguments": "]"}},
    ]
    assert _stream(*events)[-2]["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    "output",
    [
        [_said("Hello")],
        [{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}],
        [{"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}],
        [{"type": "reasoning", "id": "rs", "summary": [{"text": "s"}], "encrypted_content": "E"}, _said("x")],
        [{"type": "image_generation_call", "result": "AAAA"}],
    ],
)
def test_what_no_delta_brought_is_sent_once(output: list[Json]) -> None:
    items = [_event("output_item.done", output_index=index, item=item) for index, item in enumerate(output)]
    assert _deltas(*items, _done(*output)) == _deltas(_done(*output)) == _deltas(*items, _done())
    assert _deltas(_done(*output))


def test_what_a_delta_brought_in_part_is_completed() -> None:
    deltas = _deltas(_event("output_text.delta", delta="Hel"), _event("output_text.done", text="Hello"), _done())
    assert deltas == [{"content": "Hel"}, {"content": "lo"}]


def test_refusals_citations_and_log_probabilities() -> None:
    citation = {"url": "https://a", "title": "A", "start_index": 0, "end_index": 3}
    item = {"type": "message", "content": [{"type": "output_text", "text": "a", "annotations": [citation]}]}
    found = _stream(
        _event("output_text.delta", delta="a", logprobs=[{"token": "a", "logprob": -1}]),
        _event("output_text.annotation.added", annotation={"type": "url_citation", **citation}),
        _event("refusal.delta", content_index=1, delta="no"),
        _event("output_item.done", item=item),
        _done(),
    )
    choices = [chunk["choices"][0] for chunk in found[1:-2]]
    assert [choice["delta"] for choice in choices] == [
        {"content": "a"},
        {"annotations": [{"type": "url_citation", "url_citation": citation}]},
        {"refusal": "no"},
    ]
    logprob = {"token": "a", "logprob": -1, "bytes": None, "top_logprobs": []}
    assert choices[0]["logprobs"] == {"content": [logprob], "refusal": None}


@pytest.mark.parametrize(
    ("reason", "expected"), [("max_output_tokens", "length"), ("content_filter", "content_filter")]
)
def test_what_was_cut_is_never_shown_as_whole(reason: str, expected: str) -> None:
    cut = _done(kind="incomplete", incomplete_details={"reason": reason})
    found = _stream(_event("output_text.delta", delta="a"), cut, tree="openrouter")
    choice = found[-2]["choices"][0]
    assert (choice["finish_reason"], choice["native_finish_reason"]) == (expected, reason)


def test_openrouter_s_fields() -> None:
    found = _stream(_event("output_text.delta", delta="a"), _done(), tree="openrouter", cost=Cost(3.0, 1.0, 2.0))
    natives = [chunk["choices"][0]["native_finish_reason"] for chunk in found[:-1]]
    assert natives == [None, None, "completed"]
    assert found[-1]["usage"]["cost"] == 3.0
    assert found[-1]["usage"]["cost_details"] == {
        "upstream_inference_cost": None,
        "upstream_inference_prompt_cost": 1.0,
        "upstream_inference_completions_cost": 2.0,
    }


def test_the_usage_goes_to_who_wants_it() -> None:
    assert "usage" not in _stream(_event("output_text.delta", delta="a"), _done(), usage=False)[-1]


def test_an_end_that_cannot_be_read_is_still_an_end() -> None:
    found = _stream(_event("output_text.delta", delta="a"), {"type": "response.incomplete", "response": {"output": 5}})
    assert found[-1]["choices"][0]["finish_reason"] == "length"


def test_a_final_output_that_counts_otherwise_repeats_nothing() -> None:
    deltas = _deltas(_event("output_text.delta", output_index=3, delta="Hello"), _done(_said("Hello")))
    assert deltas == [{"content": "Hello"}]
