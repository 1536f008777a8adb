import json

import msgspec
import pytest
from tieline_router.apis import CHAT, PathTree
from tieline_router.streaming.usage import Usage
from tieline_router.wire.answer import RESPONSES_COST, finished_choices, normal_finish, ours, priced, raw, read_fields

from tests.support.transcripts import stamp


def test_what_is_ours_is_escaped() -> None:
    fields = ours(stamp(CHAT)._replace(provider='Own "GPU"'))
    assert json.loads(msgspec.json.encode(fields)) == {"id": "gen-1", "model": "author/model", "provider": 'Own "GPU"'}


def test_values_keep_their_bytes_and_the_last_of_a_repeated_key_stands() -> None:
    assert bytes(raw(read_fields(b'{"a":1,"b":[ 1.0e0 ],"a":{"x": 2}}'))) == b'{"a":{"x": 2},"b":[ 1.0e0 ]}'


@pytest.mark.parametrize(
    ("native", "normal"),
    [
        ("stop", "stop"),
        ("end_turn", "stop"),
        ("eos", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("tool_use", "tool_calls"),
        ("content_filter", "content_filter"),
        ("refusal", "content_filter"),
        ("error", "error"),
    ],
)
def test_finish_reasons_in_five_words(native: str, normal: str) -> None:
    assert normal_finish(native) == normal
    choices = json.dumps([{"index": 0, "finish_reason": native}]).encode()
    expected = {"index": 0, "finish_reason": normal, "native_finish_reason": native}
    assert json.loads(bytes(finished_choices(choices))) == [expected]


def test_the_native_reason_of_a_provider_that_knows_it_is_kept() -> None:
    choices = (
        b'[{"finish_reason":"stop","native_finish_reason":"eos"},{"finish_reason":"stop","native_finish_reason":null}]'
    )
    assert [one["native_finish_reason"] for one in json.loads(bytes(finished_choices(choices)))] == ["eos", "stop"]
    assert bytes(finished_choices(b'[{"index":0}]')) == b'[{"index":0,"native_finish_reason":null}]'


USAGE = b'{"prompt_tokens": 1,"cost":9,"cost_details":{"x":1}}'


def test_a_price_of_ours_replaces_the_providers() -> None:
    assert json.loads(bytes(priced(stamp(CHAT), USAGE, Usage(1)))) == json.loads(USAGE) | {"cost": 3.0}
    told = json.loads(bytes(priced(stamp(CHAT, "openrouter"), USAGE, Usage(1), RESPONSES_COST)))
    assert told == {
        "prompt_tokens": 1,
        "cost": 3.0,
        "is_byok": False,
        "cost_details": {
            "upstream_inference_cost": None,
            "upstream_inference_input_cost": 1.0,
            "upstream_inference_output_cost": 2.0,
        },
    }


@pytest.mark.parametrize(
    ("tree", "expected"),
    [("openai", json.loads(USAGE)), ("openrouter", {"prompt_tokens": 1, "cost": None, "is_byok": False})],
)
def test_without_a_price_none_is_told(tree: PathTree, expected: object) -> None:
    unpriced = stamp(CHAT, tree)._replace(cost=lambda _usage: None)
    assert json.loads(bytes(priced(unpriced, USAGE, Usage(1)))) == expected
    assert json.loads(bytes(priced(stamp(CHAT, tree), USAGE, None))) == expected, "nor where the counts are unknown"
