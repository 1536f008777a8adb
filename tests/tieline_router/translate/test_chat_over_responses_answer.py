from __future__ import annotations

import json

import pytest
from tieline_router.streaming.form import Cost
from tieline_router.streaming.usage import Usage
from tieline_router.translate.chat_over_responses import translate_answer

from tests.support.openai_transcripts import Json, chat_stamp, completion

USAGE = {
    "input_tokens": 10,
    "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "output_tokens": 7,
    "output_tokens_details": {"reasoning_tokens": 3},
    "total_tokens": 17,
}
COUNTED = {
    "prompt_tokens": 10,
    "completion_tokens": 7,
    "total_tokens": 17,
    "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 3},
}


def _text(text: str, **more: object) -> Json:
    return {"type": "output_text", "text": text, "annotations": [], **more}


def _said(*parts: Json) -> Json:
    return {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": list(parts)}


def _answer(*output: Json, **response: object) -> bytes:
    found = {"id": "resp_1", "object": "response", "created_at": 50.0, "status": "completed", "output": list(output)}
    return json.dumps(found | {"usage": USAGE} | response).encode()


def _translated(*output: Json, **response: object) -> Json:
    return completion(translate_answer(chat_stamp(), _answer(*output, **response)).body)


def test_a_text() -> None:
    assert _translated(_said(_text("Hel"), _text("lo")), service_tier="default") == {
        "id": "gen-1",
        "object": "chat.completion",
        "created": 50,
        "model": "author/slug",
        "provider": "Pool",
        "system_fingerprint": None,
        "service_tier": "default",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "logprobs": None,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
            }
        ],
        "usage": COUNTED,
    }


def test_calls_and_the_message_beside_them() -> None:
    calls = [
        {"type": "function_call", "id": f"fc_{name}", "call_id": name, "name": "f", "arguments": "{}"} for name in "ab"
    ]
    (choice,) = _translated(_said(_text("wait")), *calls)["choices"]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] == "wait"
    assert choice["message"]["tool_calls"] == [
        {"id": name, "type": "function", "function": {"name": "f", "arguments": "{}"}} for name in "ab"
    ]


@pytest.mark.parametrize(
    ("reason", "expected"),
    [("max_output_tokens", "length"), ("content_filter", "content_filter"), ("steered", "length"), (None, "length")],
)
def test_what_was_cut_is_never_shown_as_whole(reason: str | None, expected: str) -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{"}
    found = _translated(call, status="incomplete", incomplete_details={"reason": reason})
    assert found["choices"][0]["finish_reason"] == expected


def test_refusals_citations_and_log_probabilities() -> None:
    citation = {"url": "https://a", "title": "A", "start_index": 0, "end_index": 3}
    annotations = [{"type": "url_citation", **citation}, {"type": "file_citation", "file_id": "f"}]
    logprob = {"token": "a", "logprob": -1.0}
    (choice,) = _translated(
        _said(_text("a", annotations=annotations, logprobs=[logprob]), {"type": "refusal", "refusal": "no"})
    )["choices"]
    assert choice["message"]["annotations"] == [{"type": "url_citation", "url_citation": citation}]
    assert choice["message"]["refusal"] == "no"
    assert choice["logprobs"] == {"content": [logprob | {"bytes": None, "top_logprobs": []}], "refusal": None}


def test_an_image() -> None:
    item = {"type": "image_generation_call", "id": "ig", "status": "completed", "result": "AAAA"}
    (choice,) = _translated(item)["choices"]
    assert choice["message"]["images"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]


def test_openrouter_s_fields() -> None:
    whole = translate_answer(chat_stamp("openrouter", cost=Cost(3.0, 1.0, 2.0)), _answer(_said(_text("a"))))
    found = completion(whole.body)
    assert found["choices"][0]["native_finish_reason"] == "completed"
    assert found["usage"] == COUNTED | {
        "cost": 3.0,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_prompt_cost": 1.0,
            "upstream_inference_completions_cost": 2.0,
        },
    }


def test_what_a_plain_answer_tells_the_router() -> None:
    cut = {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    whole = translate_answer(chat_stamp(), _answer(_said(_text("a")), **cut))
    assert whole.finish_reason == "max_output_tokens"
    assert whole.usage == Usage(prompt=10, completion=7, cached=4, reasoning=3, cache_write=1)


@pytest.mark.parametrize("created", [None, "yesterday", -1, 1e300, {}])
def test_a_time_that_is_none_is_ours(created: object) -> None:
    assert _translated(_said(_text("a")), created_at=created)["created"] == 1000
