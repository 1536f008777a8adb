"""What is sent: heads, bodies of every size, and no more than the server takes."""

from __future__ import annotations

import asyncio

import pytest
from tieline_router.runtime.upstream import UpstreamClient, UpstreamFailure

from tests.integration.upstream.asking import BODY, OK, ask, target
from tests.support.raw_server import WAIT, Peer, RawServer, answering, at_rest
from tests.support.waiting import eventually


async def test_a_request_as_it_stands_on_the_wire(client: UpstreamClient) -> None:
    async with RawServer(answering(OK)) as server:
        extra = (("anthropic-beta", "a,b"), ("content-type", "multipart/form-data; boundary=x"))
        async with client.post(target(server, "/v1/x?y=%20z"), BODY, WAIT, extra) as answer:
            assert await answer.read_some() == b"ok"
            assert await answer.read_some() == b""
        (request,) = server.requests
    assert request.line == "POST /v1/x?y=%20z HTTP/1.1"
    assert request.headers == (
        ("Host", f"127.0.0.1:{server.port}"),
        ("Authorization", "Bearer k"),
        ("anthropic-beta", "a,b"),
        ("content-type", "multipart/form-data; boundary=x"),
        ("Content-Length", str(len(BODY))),
    )
    assert request.body == BODY


@pytest.mark.parametrize("size", [0, 1, 32 * 1024, 32 * 1024 + 1, 256 * 1024 + 1, 5_000_000])
async def test_bodies_of_every_size_arrive_whole(client: UpstreamClient, size: int) -> None:
    body = bytes(number % 251 for number in range(1000)) * (size // 1000 + 1)
    async with RawServer(answering(OK)) as server:
        for _ in range(2):
            assert await ask(client, server, body[:size]) == (200, b"ok")
        assert [request.body == body[:size] for request in server.requests] == [True, True]
        assert len(server.peers) == 1


async def test_a_slow_server_is_not_flooded(client: UpstreamClient) -> None:
    """Of a body that nobody reads, no more is handed to the system than it and the transport want."""
    gate = asyncio.Event()

    async def talk(peer: Peer) -> None:
        head = await peer.head()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await gate.wait()
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await peer.reader.readexactly(int(head.values("Content-Length")[0]))
        await peer.send(OK)

    async with RawServer(talk) as server:
        task = asyncio.create_task(ask(client, server, b"x" * 50_000_000))
        (connection,) = await eventually(lambda: client._open, "the connection", WAIT)

        await at_rest(lambda: connection.unsent)
        assert connection._transport is not None
        assert connection._transport.get_write_buffer_size() < 1_000_000
        gate.set()
        assert await task == (200, b"ok")
        assert connection.unsent == 0


@pytest.mark.parametrize("status", [401, 413])
async def test_an_answer_that_comes_before_the_body_was_sent_is_read(client: UpstreamClient, status: int) -> None:
    async def talk(peer: Peer) -> None:
        await peer.head()
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await peer.send(b"HTTP/1.1 %d No\r\nContent-Length: 4\r\n\r\nlong" % status)
        await asyncio.Event().wait()

    async with RawServer(talk) as server:
        assert await ask(client, server, b"x" * 50_000_000) == (status, b"long")
        await eventually(lambda: not client._open, "the connection to be cut", WAIT)


async def test_a_header_that_would_end_its_line_is_never_sent(client: UpstreamClient) -> None:
    async with RawServer(answering(OK)) as server:
        for header in (("x-a", "b\r\nx-c: d"), ("x-a\r\nx-c", "d"), ("x-a", "\0"), ("Content-Length", "5")):
            with pytest.raises(UpstreamFailure) as failed:
                async with client.post(target(server), BODY, WAIT, (header,)):
                    pass
            assert "x-c: d" not in failed.value.detail
        assert not server.requests
