import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.streaming.sse import Event, SseDecoder, encode_comment, encode_event

from tests.support.openai_answers import split

TRANSCRIPT = (
    b"\xef\xbb\xbfdata: first\n\n"
    b": a comment\n\n"
    b"data:no space\r\n\r\n"
    b"event: named\rdata: a\rdata: b\r\r"
    b"event: windows\r\ndata: c\r\n\r\n"
    b"id: 7\nretry: 100\nunknown: field\ndata\n\n"
    b"data: \xc3\xbcml\xc3\xa4ut \xf0\x9f\x98\x80\r\n\n"
    b"event: dropped\n\n"
    b"data:  two spaces\n\n"
)
EVENTS = [
    Event(b"first"),
    Event(b"no space"),
    Event(b"a\nb", "named"),
    Event(b"c", "windows"),
    Event(b""),
    Event("ümläut 😀".encode()),
    Event(b" two spaces"),
]


def decode(*chunks: bytes, limit: int = 1 << 20) -> list[Event]:
    decoder = SseDecoder(limit)
    events = [event for chunk in chunks for event in decoder.feed(chunk)]
    return events + decoder.close()


def test_the_transcript_reads_as_the_standard_says() -> None:
    assert decode(TRANSCRIPT) == EVENTS


@pytest.mark.parametrize("cut", range(1, len(TRANSCRIPT)))
def test_a_cut_at_any_byte_changes_nothing(cut: int) -> None:
    assert decode(TRANSCRIPT[:cut], TRANSCRIPT[cut:]) == EVENTS


@given(st.sets(st.integers(1, len(TRANSCRIPT) - 1)))
def test_many_cuts_change_nothing(cuts: set[int]) -> None:
    assert decode(*split(TRANSCRIPT, cuts)) == EVENTS


@given(st.binary(max_size=300).map(lambda data: data.replace(b"\0", b"\n")), st.sets(st.integers(1, 299)))
def test_cuts_change_nothing_of_garbage_either(data: bytes, cuts: set[int]) -> None:
    assert decode(*split(data, cuts)) == decode(data)


def test_a_complete_event_is_never_held_back() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\r\n\r") == [Event(b"a")]
    assert decoder.feed(b"\ndata: b\n\n") == [Event(b"b")]


def test_an_event_without_its_blank_line_comes_at_the_end() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: last") == []
    assert decoder.close() == [Event(b"last")]
    assert decoder.close() == []


@given(st.lists(st.sampled_from([b"x" * 40, b"data: ", b"\n", b"\n" + b"x" * 150]), max_size=60))
def test_the_buffer_has_a_bound(chunks: list[bytes]) -> None:
    decoder = SseDecoder(100)
    for chunk in chunks:
        decoder.feed(chunk)
        if decoder.too_long:
            break
        assert len(decoder._line) <= 100
        assert len(decoder._data or b"") <= 100


@pytest.mark.parametrize("endless", [b"data: x\n", b"x"])
def test_an_endless_event_is_refused(endless: bytes) -> None:
    decoder = SseDecoder(1000)
    assert [event for _ in range(2000) for event in decoder.feed(endless)] == []
    assert decoder.too_long
    assert decoder.feed(b"\n\ndata: a\n\n") == []


@given(st.sets(st.integers(1, 199)))
def test_what_came_before_a_line_that_is_too_long_is_given_wherever_it_is_cut(cuts: set[int]) -> None:
    decoder = SseDecoder(100)
    pieces = split(b"data: a\n\ndata: " + b"x" * 150 + b"\n\ndata: b\n\n", cuts)
    assert [event for piece in pieces for event in decoder.feed(piece)] == [Event(b"a")]
    assert decoder.too_long


@given(st.text(), st.sampled_from(["", "error"]))
def test_what_is_encoded_decodes_to_itself(text: str, name: str) -> None:
    data = text.encode("utf-8", "surrogatepass").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    assert decode(encode_event(data, name)) == [Event(data, name)]


def test_a_comment_is_no_event() -> None:
    assert decode(encode_comment("keep-alive"), encode_event(b"a")) == [Event(b"a")]
