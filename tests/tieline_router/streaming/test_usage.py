import json

import pytest
from tieline_router.streaming.usage import Usage, parse_usage


def test_counts_and_their_parts() -> None:
    raw = {
        "prompt_tokens": 10,
        "completion_tokens": 7,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 1},
        "completion_tokens_details": {"reasoning_tokens": 3},
    }
    assert parse_usage(json.dumps(raw).encode()) == Usage(10, 7, 4, 3)


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
