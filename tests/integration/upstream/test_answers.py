"""What is taken for an answer, what ends a connection, and what is refused."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream import UpstreamClient, UpstreamFailure

from tests.integration.upstream.asking import BODY, CHUNKED, OK, ask, failing, target
from tests.support.raw_server import WAIT, Peer, RawServer, answering
from tests.support.waiting import eventually

ANSWERS: dict[str, tuple[Iterable[bytes], bytes]] = {
    "length": ((OK,), b"ok"),
    "length, byte by byte": ([OK[at : at + 1] for at in range(len(OK))], b"ok"),
    "no body": ((b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",), b""),
    "no content": ((b"HTTP/1.1 204 No\r\n\r\n",), b""),
    "chunks": ((CHUNKED, b"1\r\na\r\n", b"2;x=y\r\nbc\r\n", b"0\r\n\r\n"), b"abc"),
    "trailers": ((CHUNKED, b"1\r\na\r\n0\r\nX-Sum: 1\r\nX-More: 7\r\n\r\n"), b"a"),
    "interim": (
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\n", b"HTTP/1.1 102 P\r\n\r\n", OK),
        b"ok",
    ),
    "1.0, kept": ((b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok",), b"ok"),
}


@pytest.mark.parametrize("case", ANSWERS)
async def test_answers_whose_end_is_known_leave_the_connection_in_use(client: UpstreamClient, case: str) -> None:
    pieces, body = ANSWERS[case]
    async with RawServer(answering(pieces)) as server:
        for _ in range(3):
            assert (await ask(client, server))[1] == body
        assert len(server.peers) == 1


ENDING: dict[str, tuple[bytes, bytes]] = {
    "closed at the end": (b"HTTP/1.1 200 OK\r\n\r\nok", b"ok"),
    "1.0": (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    "Connection: close": (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", b"ok"),
    "bytes behind the end": (OK + b"more", b"ok"),
    "an answer behind the end": (OK + OK, b"ok"),
    "an answer behind the last chunk": (CHUNKED + b"2\r\nok\r\n0\r\n\r\n" + OK, b"ok"),
}


@pytest.mark.parametrize("case", ENDING)
async def test_a_connection_that_is_not_clean_is_not_used_again(client: UpstreamClient, case: str) -> None:
    sent, body = ENDING[case]

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        if case != "closed at the end":
            await peer.left()

    async with RawServer(talk) as server:
        assert await ask(client, server) == (200, body)
        assert await ask(client, server) == (200, body)
        assert len(server.peers) == 2


async def test_what_comes_while_nobody_asked_ends_the_connection(client: UpstreamClient) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await eventually(lambda: client._idle.due is not None, "the connection to be kept", WAIT)
        await peer.send(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
        await peer.left()

    async with RawServer(talk) as server:
        assert await ask(client, server) == (200, b"ok")
        await eventually(lambda: not client._open, "the connection to be cut", WAIT)
        assert client._idle.due is None


HEAD = b"HTTP/1.1 200 OK\r\n"
OK_CHUNK = b"2\r\nok\r\n0\r\n\r\n"
GARBAGE: dict[str, bytes] = {
    "no HTTP": b"SSH-2.0-OpenSSH_9\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
    "the same length twice": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "a length of two": b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    "no number": b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    "length and chunks": HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + OK_CHUNK,
    "chunks and length": HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n" + OK_CHUNK,
    "an unknown transfer": HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n" + OK_CHUNK,
    "two transfers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
    "a bad chunk": CHUNKED + b"2\r\nok\r\nxx\r\n",
    "a chunk longer than it says": CHUNKED + b"2\r\nokay\r\n0\r\n\r\n",
    "a chunk of a negative size": CHUNKED + b"-2\r\nok\r\n0\r\n\r\n",
    "a bare line feed": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "a NUL in a header": b"HTTP/1.1 200 OK\r\nX-A: \0\r\nContent-Length: 2\r\n\r\nok",
    "a folded header": b"HTTP/1.1 200 OK\r\nX-A: b\r\n c\r\nContent-Length: 2\r\n\r\nok",
    "a space before the colon": b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    "another protocol": b"HTTP/1.1 101 Switching\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    "a long header": b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 70_000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "headers without end": b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 400_000,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 257 + b"Content-Length: 2\r\n\r\nok",
    "interim answers without end": b"HTTP/1.1 102 Processing\r\n\r\n" * 20_000,
    "an extension without end": CHUNKED + b"2;" + b"x" * 400_000,
    "trailers without end": CHUNKED + b"2\r\nok\r\n0\r\n" + b"a: b\r\n" * 100_000,
}


@pytest.mark.parametrize("case", GARBAGE)
async def test_what_http_does_not_allow_is_refused(client: UpstreamClient, case: str) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(GARBAGE[case])
        await peer.left()

    assert await failing(client, talk) is ErrorClass.GARBAGE
    assert not client._open


async def read_through(client: UpstreamClient, server: RawServer, read: asyncio.Event) -> None:
    """`read` is set when the headers are here."""
    async with client.post(target(server), BODY, WAIT) as answer:
        read.set()
        while await answer.read_some():
            pass


@pytest.mark.parametrize(
    ("sent", "reset", "error"),
    [
        (b"", False, ErrorClass.RESET_BEFORE_HEADERS),
        (b"", True, ErrorClass.RESET_BEFORE_HEADERS),
        (b"HTTP/1.1 20", False, ErrorClass.RESET_BEFORE_HEADERS),
        (b"HTTP/1.1 100 Continue\r\n\r\n", False, ErrorClass.RESET_BEFORE_HEADERS),
        (OK[:-1], False, ErrorClass.RESET_MID_STREAM),
        (OK[:-1], True, ErrorClass.RESET_MID_STREAM),
        (CHUNKED + b"2\r\nok\r\n", False, ErrorClass.RESET_MID_STREAM),
        (CHUNKED + b"2\r\nok\r\n0\r\n", False, ErrorClass.RESET_MID_STREAM),
        (b"HTTP/1.1 200 OK\r\n\r\nok", True, ErrorClass.RESET_MID_STREAM),
    ],
)
async def test_a_connection_that_ends_too_early(
    client: UpstreamClient, sent: bytes, reset: bool, error: ErrorClass
) -> None:
    read = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(sent)
        if reset:
            if sent:
                await read.wait()  # a reset may overtake what was sent
            peer.reset()

    async with RawServer(talk) as server:
        with pytest.raises(UpstreamFailure) as failed:
            await read_through(client, server, read)
    assert failed.value.error is error


async def test_redirects_and_errors_are_passed_up(client: UpstreamClient) -> None:
    for status in (301, 307, 404, 429, 500):
        said = b"HTTP/1.1 %d X\r\nLocation: /elsewhere\r\nSet-Cookie: a=b\r\nContent-Length: 2\r\n\r\nno" % status
        async with RawServer(answering(said)) as server:
            async with client.post(target(server), BODY, WAIT) as answer:
                assert answer.headers["location"] == answer.headers["LOCATION"] == "/elsewhere"
                assert (answer.status, await answer.read_all(100)) == (status, b"no")
            assert len(server.requests) == 1


async def test_an_encoded_body_is_decoded_and_says_so_no_more(client: UpstreamClient) -> None:
    text = b"data: x\n\n" * 1000
    body = gzip.compress(text)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nX-A: b\r\nContent-Length: %d\r\n\r\n" % len(body)
    talk = answering([head, *[body[at : at + 7] for at in range(0, len(body), 7)]])
    async with RawServer(talk) as server, client.post(target(server), BODY, WAIT) as answer:
        assert dict(answer.headers) == {"X-A": "b", "Content-Length": str(len(body))}
        assert await answer.read_all(1 << 20) == text


async def test_a_bomb_is_stopped(client: UpstreamClient) -> None:
    body = gzip.compress(bytes(100_000_000))
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(head + body)
        await peer.left()

    assert await failing(client, talk) is ErrorClass.ANSWER_TOO_LARGE


async def test_an_answer_over_the_limit_is_given_up(client: UpstreamClient) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n", bytes(10_000_000))

    async with RawServer(talk) as server:
        with pytest.raises(UpstreamFailure) as failed:
            async with client.post(target(server), BODY, WAIT) as answer:
                await answer.read_all(1_000_000)
        assert failed.value.error is ErrorClass.ANSWER_TOO_LARGE
        await eventually(lambda: not client._open, "the connection to be cut", WAIT)
