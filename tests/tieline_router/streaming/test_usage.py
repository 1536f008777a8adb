import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.streaming.usage import (
    MessagesCounts,
    Usage,
    parse_messages_counts,
    parse_responses_usage,
    parse_usage,
)


def test_counts_and_their_parts() -> None:
    raw = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 5, "audio_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert parse_usage(json.dumps(raw).encode()) == Usage(10, 7, cached=4, reasoning=3, cache_write=5)


@pytest.mark.parametrize("raw", ["null", "{}", '"many"', '{"prompt_tokens": "10"}', '{"prompt_tokens": null}', "{"])
def test_what_holds_no_counts_is_unknown_and_not_zero(raw: str) -> None:
    assert parse_usage(raw.encode()) is None


def test_one_count_is_enough() -> None:
    assert parse_usage(b'{"completion_tokens": 3, "prompt_tokens_details": null}') == Usage(0, 3)


def test_impossible_counts_are_cut_to_what_is_possible() -> None:
    raw = b'{"prompt_tokens": -5, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 9}}'
    assert parse_usage(raw) == Usage(0, 2, 0, 2)


def test_a_count_beyond_any_generation_is_no_count() -> None:
    assert parse_usage(b'{"prompt_tokens":1,"completion_tokens":' + b"9" * 400 + b"}") is None


def test_responses_name_the_counts_otherwise() -> None:
    raw = b'{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":7,"output_tokens_details":'
    assert parse_responses_usage(raw + b'{"reasoning_tokens":3}}') == Usage(10, 7, cached=4, reasoning=3)
    assert parse_responses_usage(b'{"prompt_tokens":10}') is None
    assert parse_responses_usage(b"[") is None


def test_anthropics_prompt_leaves_out_the_cache_and_ours_does_not() -> None:
    raw = b'{"input_tokens":10,"cache_read_input_tokens":100,"cache_creation_input_tokens":50,"output_tokens":7}'
    assert parse_messages_counts(raw).usage() == Usage(160, 7, cached=100, cache_write=50)
    assert parse_messages_counts(b'{"output_tokens":7,"output_tokens_details":{"thinking_tokens":9}}').usage() == Usage(
        0, 7, reasoning=7
    )
    for unknown in (b"null", b"{}", b'{"input_tokens":"1"}', b"{"):
        assert parse_messages_counts(unknown).usage() is None


def test_later_counts_replace_those_that_they_name() -> None:
    first = MessagesCounts(input_tokens=10, cache_read_input_tokens=3, output_tokens=1)
    joined = first.later(MessagesCounts(output_tokens=5, cache_read_input_tokens=0))
    assert joined == MessagesCounts(input_tokens=10, cache_read_input_tokens=0, output_tokens=5)


@given(*[st.none() | st.integers(-(2**60), 2**60)] * 4)
def test_no_part_is_larger_than_its_whole(
    one: int | None, two: int | None, three: int | None, four: int | None
) -> None:
    details = {"prompt_tokens_details": {"cached_tokens": three, "cache_write_tokens": four}}
    raw = json.dumps({"prompt_tokens": one, "completion_tokens": two, **details})
    for usage in (parse_usage(raw.encode()), MessagesCounts(one, two, three, four).usage()):
        if usage is not None:
            assert 0 <= usage.cached + usage.cache_write <= usage.prompt
            assert 0 <= usage.reasoning <= usage.completion
