"""Messages, natively: whose bytes are whose."""

import json
from typing import Any

import pydantic
import pytest
from anthropic.types import Message, RawMessageStreamEvent
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.apis import MESSAGES, PathTree
from tieline_router.streaming.form import Whole
from tieline_router.streaming.messages import MessagesObserver
from tieline_router.streaming.messages_native import MessagesForm, MessagesWriter
from tieline_router.streaming.sse import SseDecoder, encode_event
from tieline_router.streaming.stream import Stream
from tieline_router.streaming.usage import Usage

from tests.support.anthropic_answers import answer, block, delta, message, named
from tests.support.openai_answers import Asked, split
from tests.support.transcripts import LIMIT, relay, stamp

FORM = MessagesForm()
GOOD = answer(Asked(stream=True, model="m", prompt_characters=40), "Hé 😀", 3)
DATA = b"".join((*GOOD.opening, *GOOD.content, *GOOD.closing))
_event: pydantic.TypeAdapter[RawMessageStreamEvent] = pydantic.TypeAdapter(RawMessageStreamEvent)


def events(client: bytes) -> list[dict[str, Any]]:
    found = SseDecoder().feed(client)
    values = [json.loads(event.data) for event in found]
    assert [event.name for event in found] == [value["type"] for value in values]
    for value in values:
        if value["type"] != "ping":
            _event.validate_python(value)
    return values


def test_only_what_is_ours_changes() -> None:
    result = relay(FORM, stamp(MESSAGES), [DATA])
    assert result.failure is None
    pieces = [event + b"\n\n" for event in result.client.split(b"\n\n")[:-1]]
    assert pieces[1:-2] == [*GOOD.opening[1:], *GOOD.content, GOOD.closing[0]]
    assert pieces[-1] == GOOD.closing[-1]
    start, final = events(pieces[0])[0]["message"], events(pieces[-2])[0]
    assert start == message(Asked(model="m", prompt_characters=40), [], None, 0) | {
        "id": "gen-1",
        "model": "author/model",
        "provider": "Own",
    }
    assert final["usage"] == {"output_tokens": 3, "cost": 3.0}
    assert (result.usage, result.finish_reason) == (Usage(10, 3), "end_turn")


def test_the_superset_tells_what_a_message_cost() -> None:
    usage = events(relay(FORM, stamp(MESSAGES, "openrouter"), [DATA]).client)[-2]["usage"]
    assert usage["is_byok"] is False
    assert usage["cost_details"] == {
        "upstream_inference_cost": None,
        "upstream_inference_input_cost": 1.0,
        "upstream_inference_output_cost": 2.0,
    }


def test_names_are_given_where_a_provider_leaves_them_out() -> None:
    unnamed = b"".join(encode_event(event.data) for event in SseDecoder().feed(DATA))
    assert relay(FORM, stamp(MESSAGES), [unnamed]) == relay(FORM, stamp(MESSAGES), [DATA])


def test_our_last_event_stands_in_for_a_missing_one_and_keeps_the_bytes_of_one_that_came() -> None:
    last = named({"type": "message_stop"})
    without = DATA.removesuffix(last)
    assert relay(FORM, stamp(MESSAGES), [without]).client.endswith(last)
    more = named({"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 8}})
    assert relay(FORM, stamp(MESSAGES), [without + more]).client.endswith(more)


def test_pieces_of_content_take_the_quick_way() -> None:
    stream = FORM.stream(stamp(MESSAGES), LIMIT)
    assert isinstance(stream, Stream)
    stream.feed(b"".join((*GOOD.opening, GOOD.content[0])))
    assert stream._now is not None
    assert stream._now(GOOD.content[1]) == GOOD.content[1]
    assert stream.feed(GOOD.content[1]) is GOOD.content[1], "not even copied"


PIECE = delta("a")
NOT_DULL = {
    "another name": PIECE.replace(b"event: content_block_delta", b"event: content_block_delte"),
    "another type": PIECE.replace(b'"content_block_delta"', b'"error"'),
    "no type": PIECE.replace(b'"type":"content_block_delta",', b""),
    "no blank line": PIECE[:-1],
    "no blank line yet": PIECE[:-1] + b" ",
    "two events": PIECE * 2,
    "two lines": PIECE.replace(b'"index":', b'"index":\n'),
    "a line that ends with CR": PIECE.replace(b'"index":', b'"index":\r'),
    "no UTF-8": PIECE.replace(b'"a"', b'"\xff"'),
    "too long": delta("a" * 1000),
    "cut": PIECE[:-5] + b"\n\n",
    "an error": PIECE.replace(b'"index":0', b'"error":{}'),
    "a message": PIECE.replace(b'"index":0', b'"message":1'),
    "a block": PIECE.replace(b'"index":0', b'"content_block":1'),
    "a delta that is none": PIECE.replace(b'"delta":{', b'"delta":7,"x":{'),
    "a kind that is none": PIECE.replace(b'"text_delta"', b"7"),
    "a stop reason that is none": PIECE.replace(b'"text_delta"', b'"text_delta","stop_reason":7'),
}


@pytest.mark.parametrize("change", NOT_DULL)
def test_whatever_is_not_dull_is_left_to_the_slow_way(change: str) -> None:
    writer = MessagesWriter(stamp(MESSAGES), MessagesObserver(), 1000)
    assert writer.write_dull(NOT_DULL[change]) is None
    assert writer.write_dull(PIECE) is PIECE


SNIPPETS = st.sampled_from(
    [
        *GOOD.opening,
        *GOOD.content,
        *GOOD.closing[:2],
        delta("").replace(b'"type":"content_block_delta",', b""),
        delta("a").replace(b"event: content_block_delta", b"event: other"),
        delta("a").replace(b'"index":0', b'"error":{"message":"no"}'),
        delta("a").replace(b'"index":0', b'"message":1'),
        delta("a").replace(b'"index":0', b'"type":"message_delta"'),
        delta("a").replace(b'"text_delta"', b"7"),
        delta("a")[:-5] + b"\n\n",
        delta("a").replace(b",", b",\t"),
        delta("a").replace(b"data: ", b"data:"),
        named({"type": "content_block_start", "index": 0, "content_block": block("a")}),
        named({"type": "future"}),
    ]
)


@given(
    st.lists(SNIPPETS, max_size=10),
    st.sampled_from(["openai", "openrouter"]),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sets(st.integers(1, 2000)),
)
def test_quick_and_slow_agree_on_every_stream(
    snippets: list[bytes], tree: PathTree, end: bytes, cuts: set[int]
) -> None:
    data = b"".join(snippets)
    observer = MessagesObserver()
    slow = Stream(observer, MessagesWriter(stamp(MESSAGES, tree), observer, LIMIT), LIMIT)
    out = slow.feed(data) + (slow.end() if slow.failure is None else b"")
    quick = relay(FORM, stamp(MESSAGES, tree), [data])
    assert quick.client == out
    assert quick.failure is (slow.failure.error if slow.failure else None)
    assert relay(FORM, stamp(MESSAGES, tree), split(data.replace(b"\n", end), cuts)) == quick


@pytest.mark.parametrize("tree", ["openai", "openrouter"])
def test_a_whole_answer(tree: PathTree) -> None:
    told = message(Asked(model="m", prompt_characters=40), [block("hi")], "max_tokens", 2)
    whole = FORM.whole(stamp(MESSAGES, tree), json.dumps(told).encode())
    assert isinstance(whole, Whole)
    given = json.loads(whole.body)
    Message.model_validate(given)
    assert given["usage"].pop("cost") == 3.0
    assert (given.pop("provider"), given["usage"]["output_tokens"]) == ("Own", 2)
    if tree == "openai":
        assert given == told | {"id": "gen-1", "model": "author/model"}
    assert (whole.usage, whole.finish_reason) == (Usage(10, 2), "max_tokens")
