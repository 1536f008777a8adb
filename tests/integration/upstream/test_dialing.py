"""From a name to a connection: addresses, what is permitted, proxies, deadlines, and nothing left behind."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.runtime.addresses import AddressInfo, Reach
from tieline_router.runtime.upstream import Target, UpstreamClient, UpstreamFailure
from tieline_router.runtime.upstream.tls import trusting
from yarl import URL

from tests.integration.upstream.asking import BODY, OK, ask
from tests.support.operator_stub import certificate, server_context
from tests.support.raw_server import WAIT, Peer, RawServer, answering

BASIC = "Basic dXNlcjpwdw=="


def lines(*places: tuple[str, int]) -> list[AddressInfo]:
    """As `getaddrinfo` says it."""
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", place) for place in places]


def resolving(*places: tuple[str, int]) -> Callable[[str, int], Awaitable[Sequence[AddressInfo]]]:
    async def resolve(host: str, port: int) -> Sequence[AddressInfo]:
        return lines(*places)

    return resolve


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


async def failure(client: UpstreamClient, there: Target, seconds: float | None = WAIT) -> UpstreamFailure:
    with pytest.raises(UpstreamFailure) as failed:
        async with client.post(there, BODY, seconds):
            pass
    return failed.value


# -- addresses -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1"])
async def test_loopback_is_reached_by_any_name_and_only_where_it_is_permitted(
    client: UpstreamClient, host: str
) -> None:
    async with RawServer(answering(OK)) as server:
        url = URL(f"http://{host}:{server.port}/v1")
        async with client.post(Target(url, {}, reach=Reach.HOST), BODY, WAIT) as answer:
            assert await answer.read_all(10) == b"ok"
        for reach in (Reach.CLUSTER, Reach.PUBLIC):
            assert (await failure(client, Target(url, {}, reach=reach))).error is ErrorClass.ADDRESS_REFUSED
        assert len(server.requests) == 1


async def test_an_address_that_refuses_is_passed_over() -> None:
    async with RawServer(answering(OK)) as server:
        there = Target(URL(f"http://several.example:{server.port}/"), {}, reach=Reach.HOST)
        client = UpstreamClient(
            keepalive_timeout=30, resolve=resolving(("127.0.0.1", free_port()), ("127.0.0.1", server.port))
        )
        async with client.post(there, BODY, WAIT) as answer:
            assert await answer.read_all(10) == b"ok"
        await client.close()


async def test_addresses_that_are_not_permitted_are_not_tried() -> None:
    async with RawServer(answering(OK)) as server, RawServer(answering(OK)) as other:
        places = ("169.254.169.254", 80), ("127.0.0.1", server.port)
        client = UpstreamClient(keepalive_timeout=30, resolve=resolving(*places))
        there = Target(URL("http://rebinding.example/"), {}, reach=Reach.HOST)
        async with client.post(there, BODY, WAIT) as answer:
            assert await answer.read_all(10) == b"ok"
        refused = await failure(client, Target(URL("http://rebinding.example/"), {}, reach=Reach.PUBLIC))
        assert refused.error is ErrorClass.ADDRESS_REFUSED
        assert "169.254.169.254" in refused.detail
        assert not other.requests
        await client.close()


async def test_a_closed_port_is_told(client: UpstreamClient) -> None:
    there = Target(URL(f"http://127.0.0.1:{free_port()}/"), {}, reach=Reach.HOST)
    assert (await failure(client, there)).error is ErrorClass.CONNECT_REFUSED


@pytest.mark.parametrize("url", ["http://a..b/v1", f"http://{'a' * 90}.example/v1", "http:///v1", "http://x.invalid/"])
async def test_what_is_no_name_does_not_resolve(client: UpstreamClient, url: str) -> None:
    assert (await failure(client, Target(URL(url), {}))).error is ErrorClass.NAME_UNRESOLVED


@pytest.mark.parametrize("how", ["deadline", "cancelled"])
async def test_a_resolver_that_hangs_is_not_waited_for(how: str) -> None:
    asked = asyncio.Event()

    async def resolve(host: str, port: int) -> Sequence[AddressInfo]:
        asked.set()
        await asyncio.Event().wait()
        return []

    client = UpstreamClient(keepalive_timeout=30, resolve=resolve)
    there = Target(URL("http://slow.example/"), {})
    if how == "deadline":
        assert (await failure(client, there, 0.05)).error is ErrorClass.CONNECT_TIMEOUT
    else:
        task = asyncio.create_task(failure(client, there))
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    await client.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_sockets_send_at_once_and_notice_a_peer_that_vanished(client: UpstreamClient) -> None:
    async with RawServer(answering(OK)) as server:
        assert await ask(client, server) == (200, b"ok")
        (connection,) = client._open
        assert connection._transport is not None
        handle = connection._transport.get_extra_info("socket")
        assert handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert handle.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)


# -- proxies -------------------------------------------------------------------------------------------------------


def behind(proxy: RawServer, url: str, **more: object) -> Target:
    scheme = "https" if proxy.tls else "http"
    place = URL(f"{scheme}://127.0.0.1:{proxy.port}")
    return Target(URL(url), {"X-A": "b"}, proxy=place, proxy_authorization=BASIC, **more)  # type: ignore[arg-type]


async def tunnel(peer: Peer, port: int) -> None:
    """What a proxy does after CONNECT."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def copy(source: asyncio.StreamReader, to: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            to.write(data)
        to.close()

    try:
        await asyncio.gather(copy(peer.reader, writer), copy(reader, peer.writer))
    finally:
        writer.close()


async def test_a_proxy_gets_the_whole_url_of_what_is_not_encrypted(client: UpstreamClient) -> None:
    async with RawServer(answering(OK)) as proxy:
        for _ in range(2):
            there = behind(proxy, "http://api.example:8080/v1?x=y")
            async with client.post(there, BODY, WAIT) as answer:
                assert await answer.read_all(10) == b"ok"
        assert len(proxy.peers) == 1
        request = proxy.requests[0]
    assert request.line == "POST http://api.example:8080/v1?x=y HTTP/1.1"
    assert request.values("Host") == ["api.example:8080"]
    assert request.values("Proxy-Authorization") == [BASIC]


@pytest.mark.parametrize("encrypted", [False, True], ids=["http proxy", "https proxy"])
async def test_a_proxy_sees_nothing_of_what_is_encrypted(
    client: UpstreamClient, tmp_path: Path, encrypted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem, key = certificate("inner.example")
    if encrypted:
        bundle = tmp_path / "bundle.pem"
        bundle.write_bytes(pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
    context = server_context(tmp_path, pem, key)

    async def talk(peer: Peer) -> None:
        request = await peer.head()
        peer.requests.append(request)
        await peer.send(b"HTTP/1.1 200 Connection established\r\nX-A: b\r\n\r\n")
        await tunnel(peer, server.port)

    trust = trusting(pem.decode())
    async with RawServer(answering(OK), context) as server, RawServer(talk, context if encrypted else None) as proxy:
        for _ in range(2):
            there = behind(proxy, "https://api.example/v1", tls=trust, server_name="inner.example")
            async with client.post(there, BODY, WAIT) as answer:
                assert await answer.read_all(10) == b"ok"
        assert len(proxy.peers) == 1
        (connect,) = proxy.requests
        assert connect.line == "CONNECT api.example:443 HTTP/1.1"
        assert connect.headers == (("Host", "api.example:443"), ("Proxy-Authorization", BASIC))
        (first, second) = server.requests
        assert first.values("Proxy-Authorization") == []
        assert first.values("X-A") == second.values("X-A") == ["b"]
        await client.close()


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 502 Bad Gateway\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nand more",
        b"SSH-2.0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 5000,
        b"",
    ],
)
async def test_a_proxy_that_refuses_is_told(client: UpstreamClient, said: bytes) -> None:
    async def talk(peer: Peer) -> None:
        await peer.head()
        await peer.send(said)
        if said:
            await peer.left()

    async with RawServer(talk) as proxy:
        assert (await failure(client, behind(proxy, "https://api.example/v1"))).error is ErrorClass.CONNECT_REFUSED
        await proxy.open(0)


@pytest.mark.parametrize("stage", ["CONNECT", "TLS"])
async def test_a_proxy_that_hangs_leaves_nothing_behind(client: UpstreamClient, stage: str) -> None:
    reached = asyncio.Event()

    async def talk(peer: Peer) -> None:
        await peer.head()
        if stage == "TLS":
            await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
            await peer.reader.read(1)
        reached.set()
        await peer.left()

    async with RawServer(talk) as proxy:
        task = asyncio.create_task(failure(client, behind(proxy, "https://api.example/v1")))
        async with asyncio.timeout(WAIT):
            await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await proxy.open(0)
        assert not client._open


async def test_a_proxy_does_not_open_what_is_not_permitted(client: UpstreamClient) -> None:
    async with RawServer(answering(OK)) as proxy:
        refused = await failure(client, behind(proxy, "http://10.0.0.1/v1", reach=Reach.PUBLIC))
        assert refused.error is ErrorClass.ADDRESS_REFUSED
        assert not proxy.peers


async def test_a_proxy_of_another_kind_is_told(client: UpstreamClient) -> None:
    there = Target(URL("http://api.example/v1"), {}, proxy=URL("socks5://127.0.0.1:1080"))
    assert (await failure(client, there)).error is ErrorClass.CONNECT_REFUSED
