"""Which connections are used again, and that none is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream import UpstreamClient, UpstreamFailure

from tests.integration.upstream.asking import BODY, CHUNKED, OK, ask, chunk, target
from tests.support.raw_server import WAIT, Peer, RawServer, Talk, answering
from tests.support.waiting import eventually


async def test_idle_connections_have_an_end() -> None:
    client = UpstreamClient(keepalive_timeout=0.2)
    async with RawServer(answering(OK)) as server:
        assert await ask(client, server) == (200, b"ok")
        await server.open(1)
        await server.open(0)
    await client.close()


async def test_nothing_is_kept_where_nothing_shall_be() -> None:
    client = UpstreamClient(keepalive_timeout=0)
    async with RawServer(answering(OK)) as server:
        for _ in range(2):
            assert await ask(client, server) == (200, b"ok")
        assert len(server.peers) == 2
        await server.open(0)
    await client.close()


async def test_a_connection_that_the_server_closed_is_dropped_at_once(client: UpstreamClient) -> None:
    gate = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await gate.wait()

    async with RawServer(talk) as server:
        assert await ask(client, server) == (200, b"ok")
        assert client._idle.due is not None
        gate.set()
        await eventually(lambda: not client._open, "the end to be noticed", WAIT)
        assert client._idle.due is None


async def test_closing_an_answer_ends_its_connection(client: UpstreamClient) -> None:
    left = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + chunk(b"x"))
        await peer.left()
        left.set()

    async with RawServer(talk) as server:
        async with client.post(target(server), BODY, WAIT) as answer:
            assert await answer.read_some() == b"x"
        async with asyncio.timeout(WAIT):
            await left.wait()
        with pytest.raises(UpstreamFailure):
            await answer.read_some()


async def test_closing_the_client_ends_all() -> None:
    client = UpstreamClient(keepalive_timeout=30)

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + chunk(b"x"))
        await peer.left()

    async with RawServer(talk) as server, RawServer(answering(OK)) as other:
        assert await ask(client, other) == (200, b"ok")
        posting = client.post(target(server), BODY, WAIT)
        answer = await posting.__aenter__()
        await client.close()
        await server.open(0)
        await other.open(0)
        with pytest.raises(UpstreamFailure):
            await answer.read_all(100)
        await posting.__aexit__(None, None, None)


async def test_a_kept_connection_that_breaks_is_excused_once(client: UpstreamClient) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        if len(server.peers) == 1:
            await peer.send(OK)
            await peer.request()
        # closes: the first connection under its second request, the others at once

    async with RawServer(talk) as server:
        assert await ask(client, server) == (200, b"ok")
        with pytest.raises(UpstreamFailure) as failed:
            await ask(client, server)
        assert failed.value.error is ErrorClass.RESET_BEFORE_HEADERS
        assert [len(peer.requests) for peer in server.peers] == [2, 1]


@pytest.mark.parametrize("how", ["late", "after a byte"])
async def test_a_kept_connection_that_may_have_worked_on_the_request_is_not_excused(
    client: UpstreamClient, how: str
) -> None:
    under_way, ending = asyncio.Event(), asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        under_way.set()
        await ending.wait()
        if how == "after a byte":
            await peer.send(b"H")

    async with RawServer(talk) as server:
        assert await ask(client, server) == (200, b"ok")
        (kept,) = client._open
        task = asyncio.create_task(ask(client, server))
        async with asyncio.timeout(WAIT):
            await under_way.wait()
        if how == "late":
            kept.sent_at -= 60
        else:
            kept.sent_at += 60
        ending.set()
        with pytest.raises(UpstreamFailure) as failed:
            await task
        assert failed.value.error is ErrorClass.RESET_BEFORE_HEADERS
        assert len(server.peers) == 1


async def test_a_kept_connection_that_is_known_to_be_gone_costs_nothing(client: UpstreamClient) -> None:
    async with RawServer(answering(OK)) as server:
        assert await ask(client, server) == (200, b"ok")
        (kept,) = client._open
        assert kept._transport is not None
        kept.sent_at -= 60
        kept._transport.abort()  # `connection_lost` comes in a later step of the loop
        assert await ask(client, server) == (200, b"ok")
        assert len(server.peers) == 2


# -- cancellation --------------------------------------------------------------------------------------------------


async def silent(peer: Peer) -> None:
    await peer.left()


async def stuck_in_body(peer: Peer) -> None:
    await peer.request()
    await peer.send(CHUNKED)
    await peer.left()


async def stuck_in_sending(peer: Peer) -> None:
    await peer.head()
    peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
    await asyncio.Event().wait()


@pytest.mark.parametrize(
    ("talk", "size", "reached"),
    [
        (silent, 10, lambda client, server: bool(server.peers)),
        (stuck_in_body, 10, lambda client, server: bool(server.requests)),
        (stuck_in_sending, 50_000_000, lambda client, server: any(one.unsent for one in client._open)),
    ],
    ids=["headers", "body", "sending"],
)
async def test_a_cancelled_request_leaves_nothing_behind(
    client: UpstreamClient, talk: Talk, size: int, reached: Callable[[UpstreamClient, RawServer], bool]
) -> None:
    async with RawServer(talk) as server:
        task = asyncio.create_task(ask(client, server, bytes(size)))
        await eventually(lambda: reached(client, server), "the request to be under way", WAIT)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: not client._open, "the connection to be cut", WAIT)
