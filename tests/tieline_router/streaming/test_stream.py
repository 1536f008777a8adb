"""What holds of every stream, whatever the APIs: hold-back, commit, failures, and indifference to cuts."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.apis import CHAT, COMPLETIONS, MESSAGES, RESPONSES, Operation
from tieline_router.errors import ErrorClass
from tieline_router.streaming.forms import form
from tieline_router.streaming.observe import Failure
from tieline_router.streaming.sse import Event, SseDecoder, encode_event
from tieline_router.streaming.stream import HOLD_BACK_BYTES, Stream
from tieline_router.streaming.usage import Usage

from tests.support import replies
from tests.support.answers import answer
from tests.support.openai_answers import Asked, split
from tests.support.transcripts import LIMIT, body, check_every_cut, relay, stamp

PAIRS = [
    (CHAT, CHAT),
    (COMPLETIONS, COMPLETIONS),
    (RESPONSES, RESPONSES),
    (MESSAGES, MESSAGES),
    (CHAT, MESSAGES),
    (CHAT, RESPONSES),
    (MESSAGES, CHAT),
    (RESPONSES, CHAT),
]
FAULTS = {
    "good": (replies.ok("Hé 😀 you"), None),
    "no terminator": (replies.missing_done(), None),
    "truncated": (replies.truncated(2), ErrorClass.TRUNCATED),
    "truncated at once": (replies.truncated(0), ErrorClass.TRUNCATED),
    "no finish": (replies.missing_finish_reason(), ErrorClass.MISSING_FINISH),
    "empty": (replies.empty_answer(), ErrorClass.EMPTY),
    "error before content": (replies.error_in_stream(0), ErrorClass.ERROR_EVENT),
    "error after content": (replies.error_in_stream(2), ErrorClass.ERROR_EVENT),
    "error as a body": (replies.error_in_ok(), ErrorClass.ERROR_EVENT),
    "garbage before content": (replies.garbage_event(0), ErrorClass.GARBAGE),
    "garbage after content": (replies.garbage_event(1), ErrorClass.GARBAGE),
    "JSON cut": (replies.cut_json_event(1), ErrorClass.TRUNCATED),
}


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0].path}<{pair[1].path}")
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_in_every_api_cut_at_every_byte(pair: tuple[Operation, Operation], fault: str) -> None:
    client, provider = pair
    reply, error = FAULTS[fault]
    data = body(reply, Asked(stream=True, path=provider.path, include_usage=True))
    if fault == "no finish" and provider is RESPONSES:
        error = ErrorClass.TRUNCATED  # its terminator is its finish
    if fault == "error as a body":
        data = b"data: " + body(reply, Asked(path=provider.path)) + b"\n\n"
    ours = stamp(client)
    result = check_every_cut(form(client, provider), ours, data)
    assert result.failure is error
    whole = relay(form(client, provider), ours, [body(FAULTS["good"][0], Asked(stream=True, path=provider.path))])
    terminator = whole.client.rstrip().rsplit(b"\n\n", 1)[-1].split(b"\n", 1)[0]
    assert (terminator in result.client) == (error is None), "a success terminator, and only after success"
    assert result.committed == (error is None or "after" in fault or fault in {"truncated", "no finish", "JSON cut"})
    if not result.committed:
        assert result.client == b""


@given(st.sampled_from(PAIRS), st.sampled_from(sorted(FAULTS)), st.sets(st.integers(1, 3000)), st.booleans())
def test_cut_anywhere_with_any_line_ends_the_client_sees_the_same(
    pair: tuple[Operation, Operation], fault: str, cuts: set[int], crlf: bool
) -> None:
    client, provider = pair
    data = body(FAULTS[fault][0], Asked(stream=True, path=provider.path, include_usage=True))
    expected = relay(form(client, provider), stamp(client), [data])
    if crlf:
        data = data.replace(b"\n", b"\r\n")
    assert relay(form(client, provider), stamp(client), split(data, cuts)) == expected


@given(
    st.sampled_from(PAIRS),
    st.lists(
        st.sampled_from([b"data: ", b"event: error\n", b"event: ping\n", b"\n\n", b"\r\n", b"\n", b": c\n", b"[DONE]"])
        | st.sampled_from([b'{"type":"message_stop"}', b'{"choices":[{"index":0,"delta":{"content":"a"}}]}', b"null"])
        | st.sampled_from([b'{"type":"response.completed","response":{}}', b'{"choices":[{"finish_reason":"stop"}]}'])
        | st.binary(max_size=20),
        max_size=30,
    ),
    st.sets(st.integers(1, 400)),
)
def test_nothing_that_a_provider_sends_raises(
    pair: tuple[Operation, Operation], parts: list[bytes], cuts: set[int]
) -> None:
    client, provider = pair
    data = b"".join(parts)
    expected = relay(form(client, provider), stamp(client), [data])
    assert relay(form(client, provider), stamp(client), split(data, cuts)) == expected


KEYS = """type choices delta index content text finish_reason usage error id model message stop_reason response item
part output status sequence_number prompt_tokens input_tokens content_block tool_calls"""
KINDS = """message_start message_delta message_stop content_block_start content_block_delta content_block_stop error
response.created response.completed response.failed response.output_item.added response.output_text.delta"""
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS.split()), inner, max_size=5),
    max_leaves=12,
)
TYPES = st.sampled_from(KINDS.split())


@given(st.sampled_from(PAIRS), st.lists(st.tuples(TYPES, st.dictionaries(st.text(), JSON) | JSON), max_size=6))
def test_no_json_raises(pair: tuple[Operation, Operation], values: list[tuple[str, object]]) -> None:
    client, provider = pair
    datas = [
        json.dumps({"type": kind} | value if isinstance(value, dict) else value).encode() for kind, value in values
    ]
    data = b"".join(encode_event(one) for one in datas)
    tested = form(client, provider)
    assert relay(tested, stamp(client), [data]) == relay(tested, stamp(client), split(data, range(0, len(data), 7)))
    for one in datas:
        tested.whole(stamp(client, "openrouter"), one)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0].path}<{pair[1].path}")
def test_pathological_input_is_bounded_and_raises_nothing(pair: tuple[Operation, Operation]) -> None:
    client, provider = pair
    deep = b'data: {"choices":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n\n"
    near = [b'data: {"type":"message_start","x":' + b"[" * n + b"]" * n + b"}\n\n" for n in range(100, 1100, 50)]
    tiny = b"data:\n" * 100_000 + b"\n" + b":\n" * 100_000 + b"\n" * 100_000 + b"\r" * 100_000
    for data in (deep, tiny, *near):
        result = relay(form(client, provider), stamp(client), [data])
        assert result.failure is not None
        tested = form(client, provider).whole(stamp(client), data[6:])
        assert isinstance(tested, Failure)


def test_lifecycle_is_held_back_and_then_given_at_once() -> None:
    for client, provider in PAIRS:
        good = answer(Asked(stream=True, path=provider.path))
        stream = form(client, provider).stream(stamp(client), LIMIT)
        for event in good.opening:
            assert (stream.feed(event), stream.committed, stream.opened) == (b"", False, False), event
        assert stream.feed(good.content[0])
        assert stream.committed
        assert stream.opened
        if client is provider is RESPONSES:
            assert stream.next_sequence == len(good.opening) + 1


def test_a_complete_event_is_never_held_back_after_the_commit() -> None:
    for client, provider in PAIRS:
        good = answer(Asked(stream=True, path=provider.path), "abcdefgh", 8)
        stream = form(client, provider).stream(stamp(client), LIMIT)
        for event in (*good.opening, good.content[0]):
            stream.feed(event)
        for number, event in enumerate(good.content[1:], 1):
            assert stream.feed(event[:-1]) == b""
            assert f'"{"abcdefgh"[number]}"'.encode() in stream.feed(event[-1:]), "with its very last byte"
        assert not stream.finished


class Lifecycle:
    """An observer that never sees content."""

    content = ended = finished = steady = False
    usage: Usage | None = None
    finish_reason: str | None = None

    def observe(self, event: Event) -> Failure | None:
        return Failure(ErrorClass.GARBAGE, "as asked") if event.data == b"fail" else None

    def end(self, *, terminated: bool) -> Failure | None:
        return None


class Echo:
    """A writer that passes everything on."""

    next_sequence = 7

    def take(self, event: Event) -> bytes:
        return encode_event(event.data)

    def end(self) -> bytes:
        return b"end"


def test_lifecycle_beyond_the_bound_is_let_go_without_a_commit() -> None:
    stream = Stream(Lifecycle(), Echo(), LIMIT)
    event = encode_event(b"x" * 992)
    fed, out = 0, b""
    while not stream.opened:
        assert fed <= HOLD_BACK_BYTES
        out = stream.feed(event)
        fed += len(event)
    assert out == event * (fed // 1000)
    assert fed == HOLD_BACK_BYTES // 1000 * 1000 + 1000
    assert (stream.committed, stream.next_sequence) == (False, 7)
    assert stream.feed(event) == event
    assert stream.feed(encode_event(b"fail")) == b""
    assert stream.failure is not None
    assert (stream.feed(event), stream.end()) == (b"", b""), "nothing more after a failure"


def test_what_was_held_back_comes_before_the_end() -> None:
    stream = Stream(Lifecycle(), Echo(), LIMIT)
    assert stream.feed(encode_event(b"a")) == b""
    assert stream.next_sequence == 0, "the client has seen no event yet"
    assert stream.end() == encode_event(b"a") + b"end"


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0].path}<{pair[1].path}")
@pytest.mark.parametrize("before", [0, 1, 3])
def test_an_event_beyond_the_bound_is_the_providers_failure(pair: tuple[Operation, Operation], before: int) -> None:
    client, provider = pair
    good = answer(Asked(stream=True, path=provider.path))
    data = b"".join((*good.opening, *good.content[:before]))
    long = b"data: {" + b" " * 2000 + b"}\n\n"
    whole = relay(form(client, provider), stamp(client), [data + long], 2000)
    assert whole.failure is ErrorClass.ANSWER_TOO_LARGE
    assert whole == relay(form(client, provider), stamp(client), split(data + long, range(0, len(data), 3)), 2000)
    assert whole.client == relay(form(client, provider), stamp(client), [data]).client


def test_what_is_broken_after_the_finish_takes_nothing_from_the_answer() -> None:
    for client, provider in PAIRS:
        data = body(replies.missing_done(), Asked(stream=True, path=provider.path))
        expected = relay(form(client, provider), stamp(client), [data])
        for broken in (b"data: {", b"data: <html>\n\n", b'event: error\ndata: {"error":1}\n\n'):
            assert relay(form(client, provider), stamp(client), [data + broken]) == expected


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: f"{pair[0].path}<{pair[1].path}")
def test_no_line_end_is_taken_for_another(pair: tuple[Operation, Operation]) -> None:
    """After the commit, where whole events with LF go the quick way."""
    client, provider = pair
    good = answer(Asked(stream=True, path=provider.path))
    before = b"".join((*good.opening, good.content[0]))
    piece, after = good.content[1], b"".join((*good.content[2:], *good.closing))
    windows = after.replace(b"\n", b"\r\n")
    expected = relay(form(client, provider), stamp(client), [before + piece + after])
    for written in ([piece[:-2] + b"\r\r\n" + windows], [piece[:-2] + b"\r", b"\r\n" + windows], [piece + windows]):
        assert relay(form(client, provider), stamp(client), [before, *written]) == expected, written
    head, tail = piece[:30], piece[30:]
    for written in (
        [piece.replace(b"\n", b"\r\n")],
        [piece.replace(b"\n", b"\r")],
        [b"\n", piece],
        [b"\r", b"\n", piece],
        [b"\r\r\n", piece],
        [b": comment\r\r\n" + piece.replace(b"\n", b"\r\n")],
        [head, tail.replace(b"\n", b"\r\n")],
        [piece[:-1], b"\r\n", b"\r\n"],
        [b": cut com", b"ment\r\n\r\n", piece],
        [piece[:-1], b"\n"],
        [b"id: 1\n" + piece],
        [b"\xef", b"\xbb\xbf: no mark here\n\n" + piece],
    ):
        assert relay(form(client, provider), stamp(client), [before, *written, after]) == expected, written


@pytest.mark.parametrize("operation", [CHAT, COMPLETIONS, RESPONSES, MESSAGES], ids=lambda operation: operation.path)
def test_nothing_is_given_after_a_failure_or_the_end(operation: Operation) -> None:
    good = answer(Asked(stream=True, path=operation.path))
    for last in (b"data: <html>\n\n", b"data: [DONE]\n\n"):
        stream = form(operation, operation).stream(stamp(operation), LIMIT)
        stream.feed(b"".join((*good.opening, good.content[0])))
        assert stream.feed(last) == b""
        assert stream.failure is not None or stream.ended
        assert [stream.feed(piece) for piece in good.content[1:]] == [b"", b""]
        assert stream.end() == b""
        assert stream.failure is not None, "it never finished"


@pytest.mark.parametrize("operation", [CHAT, COMPLETIONS, RESPONSES, MESSAGES], ids=lambda operation: operation.path)
def test_a_name_that_came_before_a_piece_belongs_to_it(operation: Operation) -> None:
    good = answer(Asked(stream=True, path=operation.path))
    stream = form(operation, operation).stream(stamp(operation), LIMIT)
    stream.feed(b"".join((*good.opening, good.content[0])))
    assert stream.feed(b"event: error\n") == b""
    assert stream.feed(b"data: " + good.content[1].partition(b"data: ")[2]) == b""
    assert stream.failure is not None
    assert stream.failure.error is ErrorClass.ERROR_EVENT


@pytest.mark.parametrize("operation", [CHAT, RESPONSES, MESSAGES], ids=lambda operation: operation.path)
def test_the_commit_is_seen_also_when_the_hold_back_was_full(operation: Operation) -> None:
    good = answer(Asked(stream=True, path=operation.path))
    stream = form(operation, operation).stream(stamp(operation), LIMIT)
    while not stream.opened:
        stream.feed(good.opening[0])
    assert not stream.committed
    assert stream.feed(good.content[0])
    assert stream.committed


def test_a_byte_order_mark_is_one_only_at_the_beginning() -> None:
    good = answer(Asked(stream=True))
    data = b"".join((*good.opening, *good.content, *good.closing))
    expected = relay(form(CHAT, CHAT), stamp(CHAT), [data])
    mark = b"\xef\xbb\xbf"
    assert relay(form(CHAT, CHAT), stamp(CHAT), [mark + data]) == expected
    later = relay(form(CHAT, CHAT), stamp(CHAT), [good.opening[0], mark + b"".join((*good.content, *good.closing))])
    assert b"Hello" not in later.client, "the first piece is a field that nobody knows"


def test_events_that_arrive_together_are_given_together() -> None:
    for operation in (CHAT, MESSAGES, RESPONSES):
        good = answer(Asked(stream=True, path=operation.path), "abcdefgh", 8)
        stream = form(operation, operation).stream(stamp(operation), LIMIT)
        stream.feed(b"".join((*good.opening, *good.content[:2])))
        rest = b"".join(good.content[2:])
        assert len(SseDecoder().feed(stream.feed(rest[:-5]))) == 5
        assert len(SseDecoder().feed(stream.feed(rest[-5:]))) == 1
