"""Responses, natively: whose bytes are whose."""

import json
from typing import Any

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types.responses import Response, ResponseStreamEvent
from openrouter.components.openresponsesresult import OpenResponsesResult
from tieline_router.apis import RESPONSES, PathTree
from tieline_router.streaming.form import Whole
from tieline_router.streaming.responses import ResponsesObserver
from tieline_router.streaming.responses_native import ResponsesForm, ResponsesWriter
from tieline_router.streaming.sse import SseDecoder, encode_event
from tieline_router.streaming.stream import Stream
from tieline_router.streaming.usage import Usage

from tests.support.openai_answers import Asked, split
from tests.support.responses_answers import answer, failed, item, response
from tests.support.transcripts import LIMIT, relay, stamp

FORM = ResponsesForm()
ASKED = Asked(stream=True, model="m", prompt_characters=40)
GOOD = answer(ASKED, "Hé 😀", 3)
DATA = b"".join((*GOOD.opening, *GOOD.content, *GOOD.closing))
_event: pydantic.TypeAdapter[ResponseStreamEvent] = pydantic.TypeAdapter(ResponseStreamEvent)


def events(client: bytes) -> list[dict[str, Any]]:
    """The events, after seeing that names and numbers are right."""
    found = SseDecoder().feed(client)
    values = [json.loads(event.data) for event in found]
    assert [event.name for event in found] == [value["type"] for value in values]
    first = values[0]["sequence_number"] if values else 0
    assert [value["sequence_number"] for value in values] == list(range(first, first + len(values)))
    return values


def test_only_what_is_ours_changes() -> None:
    result = relay(FORM, stamp(RESPONSES), [DATA])
    assert result.failure is None
    pieces = [event + b"\n\n" for event in result.client.split(b"\n\n")[:-1]]
    assert pieces[2:-1] == [*GOOD.opening[2:], *GOOD.content, *GOOD.closing[:-1]]
    found = events(result.client)
    for value in found:
        _event.validate_python(value)
    ours = {"id": "gen-1", "model": "author/model", "provider": "Own"}
    assert found[0]["response"] == response(ASKED, "in_progress", []) | ours
    whole = response(ASKED, "completed", [item("Hé 😀")], 3)
    assert found[-1]["response"] == whole | ours | {"usage": whole["usage"] | {"cost": 3.0}}
    assert (result.usage, result.finish_reason) == (Usage(10, 3), "completed")


@pytest.mark.parametrize("first", [0, 1, 7])
def test_numbers_have_no_gap_wherever_the_provider_begins_to_count(first: int) -> None:
    def moved(number: int, data: bytes) -> bytes:
        value = json.loads(data)
        return encode_event(json.dumps(value | {"sequence_number": first + number + (number > 3)}).encode())

    data = b"".join(moved(number, event.data) for number, event in enumerate(SseDecoder().feed(DATA)))
    found = events(relay(FORM, stamp(RESPONSES), [data]).client)
    assert found[0]["sequence_number"] == (1 if first == 1 else 0)
    unnumbered = [json.loads(event.data) for event in SseDecoder().feed(DATA)]
    for value in unnumbered:
        del value["sequence_number"]
    data = b"".join(encode_event(json.dumps(value).encode()) for value in unnumbered)
    assert len(events(relay(FORM, stamp(RESPONSES), [data]).client)) == len(unnumbered)


def test_the_next_number_is_that_of_an_error_in_band() -> None:
    stream = FORM.stream(stamp(RESPONSES), LIMIT)
    out = b"".join(map(stream.feed, (*GOOD.opening, *GOOD.content)))
    assert stream.next_sequence == events(out)[-1]["sequence_number"] + 1
    stream.feed(failed(ASKED, "out of memory"))
    assert stream.failure is not None
    assert json.loads(stream.failure.body)["error"]["message"] == "out of memory"
    assert stream.next_sequence == events(out)[-1]["sequence_number"] + 1


def test_incomplete_is_complete_for_us_and_says_why() -> None:
    good = answer(ASKED, "Hi", 1, "length")
    result = relay(FORM, stamp(RESPONSES), [b"".join((*good.opening, *good.content, *good.closing))])
    assert (result.failure, result.finish_reason) == (None, "max_output_tokens")
    assert events(result.client)[-1]["type"] == "response.incomplete"


def test_pieces_of_output_take_the_quick_way() -> None:
    stream = FORM.stream(stamp(RESPONSES), LIMIT)
    assert isinstance(stream, Stream)
    stream.feed(b"".join((*GOOD.opening, GOOD.content[0])))
    assert stream._now is not None
    assert stream.feed(GOOD.content[1]) is GOOD.content[1], "not even copied"
    assert stream._now(GOOD.content[1]) is None, "its number has been given"


PIECE = GOOD.content[0]
NOT_DULL = {
    "another name": PIECE.replace(b"event: response.output_text", b"event: response.output_txet"),
    "another type": PIECE.replace(b'"response.output_text.delta"', b'"response.failed"'),
    "another number": PIECE.replace(b'"sequence_number":4', b'"sequence_number":5'),
    "no number": PIECE.replace(b'"sequence_number"', b'"number"'),
    "no blank line": PIECE[:-1],
    "no blank line yet": PIECE[:-1] + b" ",
    "two events": PIECE * 2,
    "two lines": PIECE.replace(b'"output_index":', b'"output_index":\n'),
    "a line that ends with CR": PIECE.replace(b'"output_index":', b'"output_index":\r'),
    "no UTF-8": PIECE.replace(b'"delta":"', b'"delta":"\xff'),
    "too long": PIECE.replace(b'"delta":"', b'"delta":"' + b"a" * 1000),
    "cut": PIECE[:-5] + b"\n\n",
    "an error": PIECE.replace(b'"output_index":0', b'"error":{}'),
    "a response": PIECE.replace(b'"output_index":0', b'"response":{"status":"failed"}'),
    "an item": PIECE.replace(b'"output_index":0', b'"item":7'),
    "a part": PIECE.replace(b'"output_index":0', b'"part":7'),
}


@pytest.mark.parametrize("change", NOT_DULL)
def test_whatever_is_not_dull_is_left_to_the_slow_way(change: str) -> None:
    writer = ResponsesWriter(stamp(RESPONSES), 1000)
    for event in SseDecoder().feed(b"".join((*GOOD.opening, numbered(PIECE, 3)))):
        writer.take(event)
    writer.next_sequence = 4
    assert writer.write_dull(NOT_DULL[change]) is None
    assert writer.write_dull(PIECE) is PIECE


def test_the_last_event_is_kept_for_the_end() -> None:
    stream = FORM.stream(stamp(RESPONSES), LIMIT)
    stream.feed(b"".join((*GOOD.opening, *GOOD.content, *GOOD.closing[:-1])))
    assert stream.feed(GOOD.closing[-1]) == b""
    assert stream.ended
    assert stream.end().startswith(b"event: response.completed\n")


def numbered(data: bytes, number: int) -> bytes:
    name, _, rest = data.partition(b"\n")
    value = json.loads(rest.removeprefix(b"data: "))
    return (
        name + b"\ndata: " + json.dumps(value | {"sequence_number": number}, separators=(",", ":")).encode() + b"\n\n"
    )


TEXT = GOOD.content[0]
SNIPPETS = st.sampled_from(
    [
        *GOOD.opening,
        TEXT,
        TEXT.replace(b"output_text", b"reasoning_text"),
        TEXT.replace(b"event: response.output_text.delta\n", b""),
        TEXT.replace(b"event: response.output_text.delta", b"event: other.delta"),
        TEXT.replace(b'"output_index":0', b'"item":{}'),
        TEXT.replace(b'"output_index":0', b'"item":7'),
        TEXT.replace(b'"output_index":0', b'"response":{"status":"failed"}'),
        TEXT.replace(b'"output_index":0', b'"type":"error"'),
        TEXT.replace(b'"output_index":0', b'"x":{}'),
        *GOOD.closing,
        b'event: keepalive\ndata: {"type":"keepalive"}\n\n',
    ]
)


@given(
    st.lists(SNIPPETS, max_size=10),
    st.booleans(),
    st.sampled_from(["openai", "openrouter"]),
    st.sampled_from([b"\n", b"\r\n", b"\r"]),
    st.sets(st.integers(1, 3000)),
)
def test_quick_and_slow_agree_on_every_stream(
    snippets: list[bytes], count: bool, tree: PathTree, end: bytes, cuts: set[int]
) -> None:
    if count:
        snippets = [numbered(one, n) if one.startswith(b"event") else one for n, one in enumerate(snippets)]
    data = b"".join(snippets)
    slow = Stream(ResponsesObserver(), ResponsesWriter(stamp(RESPONSES, tree), LIMIT), LIMIT)
    out = slow.feed(data) + (slow.end() if slow.failure is None else b"")
    quick = relay(FORM, stamp(RESPONSES, tree), [data])
    assert quick.client == out
    assert quick.failure is (slow.failure.error if slow.failure else None)
    assert relay(FORM, stamp(RESPONSES, tree), split(data.replace(b"\n", end), cuts)) == quick
    events(quick.client)


def test_a_whole_answer() -> None:
    told = response(ASKED, "completed", [item("hi")], 2)
    whole = FORM.whole(stamp(RESPONSES), json.dumps(told).encode())
    assert isinstance(whole, Whole)
    given = json.loads(whole.body)
    Response.model_validate(given)
    ours = {"id": "gen-1", "model": "author/model", "provider": "Own", "usage": told["usage"] | {"cost": 3.0}}
    assert given == told | ours
    assert (whole.usage, whole.finish_reason) == (Usage(10, 2), "completed")


def test_the_superset_as_openrouters_client_reads_it() -> None:
    told = response(ASKED, "completed", [item("hi")], 2)
    for key in ("error", "instructions", "metadata", "temperature", "top_p", "incomplete_details"):
        del told[key]
    whole = FORM.whole(stamp(RESPONSES, "openrouter"), json.dumps(told).encode())
    assert isinstance(whole, Whole)
    read = OpenResponsesResult.model_validate_json(whole.body)
    assert read.usage
    assert read.usage.cost == 3.0
    assert read.usage.cost_details
    assert read.usage.cost_details.upstream_inference_input_cost == 1.0
