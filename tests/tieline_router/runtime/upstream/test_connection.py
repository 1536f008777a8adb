"""Answers cut at every byte: whatever the network does to the pieces, the answer is the same."""

import asyncio
import gzip
from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.runtime.upstream import Answer, UpstreamFailure
from tieline_router.runtime.upstream.connection import Connection
from tieline_router.runtime.upstream.target import Origin

ORIGIN = Origin("http", "x.example", 80, None, None, None, None, "")
PACKED = gzip.compress(b"packed " * 50, mtime=0)
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
ANSWERS: dict[str, tuple[bytes, bytes]] = {
    "length": (b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nContent-Length: 5\r\n\r\nhello", b"hello"),
    "chunks": (
        CHUNKED + b"5;ext=1\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n",
        b"hello 0123456789",
    ),
    "interim": (
        INTERIM + b"HTTP/1.1 500 No\r\nContent-Length: 2\r\n\r\nno",
        b"no",
    ),
    "gzip": (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%b" % (len(PACKED), PACKED),
        b"packed " * 50,
    ),
}


class Wire:
    """A transport that only remembers."""

    def __init__(self) -> None:
        self.written = b""
        self.unsent = 0
        self.paused = self.closing = False

    def writelines(self, pieces: Iterable[bytes]) -> None:
        self.written += b"".join(pieces)

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def is_closing(self) -> bool:
        return self.closing

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False

    def abort(self) -> None:
        self.closing = True

    close = abort


class Owner:
    def __init__(self) -> None:
        self.events: list[str] = []

    def made(self, connection: Connection) -> None:
        self.events.append("made")

    def idle(self, connection: Connection) -> None:
        self.events.append("idle")

    def lost(self, connection: Connection) -> None:
        self.events.append("lost")

    def gone(self, connection: Connection) -> None:
        self.events.append("gone")


def connected() -> tuple[Connection, Owner, Wire]:
    owner, wire = Owner(), Wire()
    connection = Connection(owner, ORIGIN, asyncio.get_running_loop())
    connection.connection_made(wire)  # type: ignore[arg-type]
    return connection, owner, wire


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    edges = [0, *sorted({place % len(data) for place in places}), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


async def received(pieces: list[bytes], how: str) -> tuple[Answer, bytes, Owner]:
    connection, owner, _ = connected()
    answer = connection.ask(b"head", b"body")
    got: list[bytes] = []

    def sink(data: bytes) -> bool:
        got.append(data)
        return True

    async def take() -> None:
        await answer.started()
        if how == "pump":
            await answer.pump(sink)
        elif how == "whole":
            got.append(await answer.read_all(10_000))
        else:
            while data := await answer.read_some():
                got.append(data)

    task = asyncio.create_task(take())
    for piece in pieces:
        connection.data_received(piece)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await task
    return answer, b"".join(got), owner


@pytest.mark.parametrize("how", ["pump", "whole", "some"])
@pytest.mark.parametrize("case", ANSWERS)
async def test_one_cut_anywhere_changes_nothing(case: str, how: str) -> None:
    data, body = ANSWERS[case]
    for place in range(len(data)):
        answer, got, owner = await received(cut(data, [place]), how)
        assert got == body
        assert answer.status == (500 if case == "interim" else 200)
        assert owner.events == ["made", "idle"]


@given(
    case=st.sampled_from(sorted(ANSWERS)),
    places=st.lists(st.integers(0, 1000), max_size=40),
    how=st.sampled_from(["pump", "whole", "some"]),
)
def test_many_cuts_change_nothing(case: str, places: list[int], how: str) -> None:
    data, body = ANSWERS[case]
    _, got, owner = asyncio.run(received(cut(data, places), how))
    assert (got, owner.events) == (body, ["made", "idle"])


@given(st.binary(max_size=400), st.lists(st.integers(0, 1000), max_size=5), st.booleans())
def test_no_bytes_raise_anything_but_a_failure(data: bytes, places: list[int], head: bool) -> None:
    async def feed() -> None:
        connection, _, wire = connected()
        answer = connection.ask(b"head", b"body")
        start = CHUNKED if head else b""
        for piece in cut(start + data or b"\n", places):
            if not wire.closing:
                connection.data_received(piece)
        connection.connection_lost(None)
        try:
            await answer.read_all(100_000)
        except UpstreamFailure:
            assert wire.closing or not answer.over or answer.begun

    asyncio.run(feed())


async def test_what_is_held_for_nobody_stops_the_reading_and_starts_it_again() -> None:
    connection, _, wire = connected()
    answer = connection.ask(b"head", b"body")
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n")
    for _ in range(3):
        assert not wire.paused
        connection.data_received(bytes(100_000))
    assert wire.paused
    assert len(await answer.read_some()) == 300_000
    assert not wire.paused


async def test_both_reasons_to_stop_reading_must_end() -> None:
    connection, _, wire = connected()
    answer = connection.ask(b"head", b"body")
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n")
    connection.data_received(bytes(300_000))
    answer.pause_reading()
    answer.resume_reading()
    assert wire.paused, "much is held"
    answer.pause_reading()
    await answer.read_some()
    assert wire.paused, "the client is slow"
    answer.resume_reading()
    assert not wire.paused


async def test_a_connection_comes_back_reading() -> None:
    connection, owner, wire = connected()
    answer = connection.ask(b"head", b"body")
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no")
    answer.pause_reading()
    connection.data_received(b"k")
    assert owner.events == ["made", "idle"]
    assert not wire.paused
    answer.pause_reading()
    answer.close()
    assert not wire.paused, "the answer has let the connection go"
    assert not wire.closing


async def test_an_answer_to_a_request_that_is_not_sent_whole_ends_the_connection() -> None:
    connection, owner, wire = connected()
    answer = connection.ask(b"head", b"body")
    wire.unsent = 1
    connection.data_received(b"HTTP/1.1 413 No\r\nContent-Length: 2\r\n\r\nno")
    assert await answer.read_all(10) == b"no"
    assert (owner.events, wire.closing) == (["made", "lost"], True)


async def test_a_sink_may_close_its_answer() -> None:
    connection, owner, wire = connected()
    answer = connection.ask(b"head", b"body")
    connection.data_received(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")

    def sink(data: bytes) -> bool:
        answer.close()
        return True

    task = asyncio.create_task(answer.pump(sink))
    await asyncio.sleep(0)
    connection.data_received(b"ok")
    with pytest.raises(UpstreamFailure, match="closed here"):
        await task
    assert wire.closing
    assert "idle" not in owner.events
