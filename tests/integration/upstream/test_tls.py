"""TLS to servers: verified, told apart by trust, resumed; and the ways in which it ends."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.runtime.upstream import UpstreamClient, UpstreamFailure
from tieline_router.runtime.upstream.tls import Trust, trusting

from tests.integration.upstream.asking import BODY, CHUNKED, ask, chunk, target
from tests.support.operator_stub import certificate, server_context
from tests.support.raw_server import WAIT, Peer, RawServer, answering
from tests.support.waiting import eventually

NAME = "inner.example"


@pytest.fixture(scope="module")
def pem_and_key() -> tuple[bytes, bytes]:
    return certificate(NAME)


@pytest.fixture
def context(tmp_path: Path, pem_and_key: tuple[bytes, bytes]) -> ssl.SSLContext:
    return server_context(tmp_path, *pem_and_key)


@pytest.fixture
def trust(pem_and_key: tuple[bytes, bytes]) -> Trust:
    return trusting(pem_and_key[0].decode())


@pytest.fixture
async def server(context: ssl.SSLContext) -> AsyncIterator[RawServer]:
    async with RawServer(answering([CHUNKED, chunk(b"o"), chunk(b"k") + b"0\r\n\r\n"]), context) as server:
        yield server


async def test_connections_are_verified_and_kept(client: UpstreamClient, server: RawServer, trust: Trust) -> None:
    for _ in range(3):
        assert await ask(client, server, tls=trust, server_name=NAME) == (200, b"ok")
        assert await ask(client, server, tls=trust) == (200, b"ok"), "the address stands in the certificate"
    assert len(server.peers) == 2, "one for each name that was verified"


@pytest.mark.parametrize("case", ["another name", "the system's authorities", "another bundle"])
async def test_who_is_not_trusted_gets_no_request(
    client: UpstreamClient, server: RawServer, trust: Trust, case: str
) -> None:
    more: dict[str, Any] = {
        "another name": {"tls": trust, "server_name": "other.example"},
        "the system's authorities": {"tls": True, "server_name": NAME},
        "another bundle": {"tls": trusting(certificate(NAME)[0].decode()), "server_name": NAME},
    }[case]
    with pytest.raises(UpstreamFailure) as failed:
        await ask(client, server, **more)
    assert failed.value.error is ErrorClass.TLS
    assert not server.requests
    await server.open(0)
    assert not client._open


async def test_trusts_share_no_connection(client: UpstreamClient, server: RawServer, trust: Trust) -> None:
    assert await ask(client, server, tls=trust, server_name=NAME) == (200, b"ok")
    with pytest.raises(UpstreamFailure):
        await ask(client, server, tls=trusting(certificate(NAME)[0].decode()), server_name=NAME)


async def test_a_second_connection_resumes_the_session(
    server: RawServer, trust: Trust, context: ssl.SSLContext
) -> None:
    for name in (NAME, NAME, None):
        client = UpstreamClient(keepalive_timeout=30)
        assert await ask(client, server, tls=trust, server_name=name) == (200, b"ok")
        await client.close()
    assert context.session_stats()["hits"] == 1, "the second of three: under another name nothing is resumed"


async def test_a_server_without_tls_is_told(client: UpstreamClient, trust: Trust) -> None:
    async def talk(peer: Peer) -> None:
        await peer.reader.read(100)
        await peer.send(b"HTTP/1.1 400 This is no TLS\r\n\r\n")
        await peer.left()

    async with RawServer(talk) as plain:
        plain.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # for the URL alone
        with pytest.raises(UpstreamFailure) as failed:
            await ask(client, plain, tls=trust)
        assert failed.value.error is ErrorClass.TLS
        await plain.open(0)


@pytest.mark.parametrize("how", ["deadline", "cancelled"])
async def test_a_handshake_that_hangs_leaves_nothing_behind(client: UpstreamClient, trust: Trust, how: str) -> None:
    async def talk(peer: Peer) -> None:
        await peer.left()

    async with RawServer(talk) as plain:
        plain.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # for the URL alone
        seconds = 0.1 if how == "deadline" else WAIT

        async def enter() -> None:
            async with client.post(target(plain, tls=trust), BODY, seconds):
                pass

        task = asyncio.create_task(enter())
        await eventually(lambda: plain.peers, "the connection", WAIT)
        if how == "cancelled":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:
            with pytest.raises(UpstreamFailure) as failed:
                await task
            assert failed.value.error is ErrorClass.CONNECT_TIMEOUT
        await plain.open(0)


async def test_large_bodies_go_both_ways(client: UpstreamClient, context: ssl.SSLContext, trust: Trust) -> None:
    body = bytes(range(256)) * 12_000

    async def talk(peer: Peer) -> None:
        request = await peer.request()
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(request.body)
        await peer.send(head + request.body)
        await peer.left()

    async with RawServer(talk, context) as server, client.post(target(server, tls=trust), body, WAIT) as answer:
        assert await answer.read_all(len(body)) == body


async def test_a_body_that_ends_with_the_connection_is_whole_when_tls_says_so(
    client: UpstreamClient, context: ssl.SSLContext, trust: Trust
) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n\r\nok")

    async with RawServer(talk, context) as server:
        assert await ask(client, server, tls=trust) == (200, b"ok")


async def test_closing_an_answer_does_not_wait_for_the_servers_goodbye(
    client: UpstreamClient, context: ssl.SSLContext, trust: Trust
) -> None:
    async def talk(peer: Peer) -> None:
        await peer.request()
        await peer.send(CHUNKED + chunk(b"x"))
        await peer.left()

    async with RawServer(talk, context) as server:
        async with client.post(target(server, tls=trust), BODY, WAIT) as answer:
            assert await answer.read_some() == b"x"
        await server.open(0)
        assert not client._open
