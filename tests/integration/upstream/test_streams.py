"""Bodies as they come: sinks, slow readers, breaks."""

from __future__ import annotations

import asyncio

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream import UpstreamClient, UpstreamFailure

from tests.integration.upstream.asking import BODY, CHUNKED, chunk, target
from tests.support.raw_server import WAIT, Peer, RawServer, at_rest


async def test_a_sink_gets_each_piece_as_it_comes(client: UpstreamClient) -> None:
    got: list[bytes] = []
    arrived = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED)
        for number in range(5):
            arrived.clear()
            await peer.send(chunk(b"%d" % number) + chunk(b"!"))
            await arrived.wait()
        await peer.send(b"0\r\n\r\n")

    def sink(data: bytes) -> bool:
        got.append(data)
        arrived.set()
        return True

    async with RawServer(talk) as server:
        async with client.post(target(server), BODY, WAIT) as answer:
            before = asyncio.get_running_loop().time()
            await answer.pump(sink)
            assert answer.last_byte_at >= before
            assert await answer.read_some() == b""
        assert got == [b"0!", b"1!", b"2!", b"3!", b"4!"], "bytes that come together are given together"


async def test_what_a_sink_does_not_want_is_left_for_others(client: UpstreamClient) -> None:
    more = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + chunk(b"first"))
        await more.wait()
        await peer.send(chunk(b"second") + b"0\r\n\r\n")

    async with RawServer(talk) as server, client.post(target(server), BODY, WAIT) as answer:
        await answer.pump(lambda data: data != b"first")
        more.set()
        assert await answer.read_all(100) == b"second"


async def test_a_mistake_of_a_sink_ends_its_request_alone(client: UpstreamClient) -> None:
    gate = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + chunk(b"first"))
        await gate.wait()
        await peer.send(chunk(b"second") + b"0\r\n\r\n")
        await peer.left()

    def broken(data: bytes) -> bool:
        if data == b"second":
            raise ZeroDivisionError
        gate.set()
        return True

    async def pump() -> None:
        async with client.post(target(server), BODY, WAIT) as answer:
            await answer.pump(broken)

    async with RawServer(talk) as server:
        other = client.post(target(server), BODY, WAIT)
        answer = await other.__aenter__()
        with pytest.raises(ZeroDivisionError):
            await pump()
        assert await answer.read_all(100) == b"firstsecond"
        await other.__aexit__(None, None, None)


async def test_a_break_reaches_whoever_pumps_after_all_bytes(client: UpstreamClient) -> None:
    got: list[bytes] = []

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + chunk(b"first"), chunk(b"second") + b"zz")

    async with RawServer(talk) as server:
        with pytest.raises(UpstreamFailure) as failed:
            async with client.post(target(server), BODY, WAIT) as answer:
                await answer.pump(lambda data: not got.append(data))  # type: ignore[func-returns-value]
    assert b"".join(got) == b"firstsecond"
    assert failed.value.error is ErrorClass.GARBAGE


@pytest.mark.parametrize("how", ["nobody reads", "paused"])
async def test_a_slow_reader_slows_the_server(client: UpstreamClient, how: str) -> None:
    total = 60_000_000
    sent = 0

    async def talk(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        for _ in range(total // 100_000):
            await peer.send(bytes(100_000))
            sent += 100_000

    async with RawServer(talk) as server, client.post(target(server), BODY, WAIT) as answer:
        got = 0

        def sink(data: bytes) -> bool:
            nonlocal got
            got += len(data)
            if got == len(data):
                answer.pause_reading()
            return True

        if how == "paused":
            pumping = asyncio.create_task(answer.pump(sink))
            await at_rest(lambda: sent)
            assert sent < total
            assert 0 < got < 1_000_000
            answer.resume_reading()
            await pumping
        else:
            await at_rest(lambda: sent)
            assert sent < total
            assert answer._held < 1_000_000
            while data := await answer.read_some():
                got += len(data)
        assert got == total
