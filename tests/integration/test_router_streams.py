"""Clients that leave or read slowly, TLS to providers, and what two streams share: nothing."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from tieline_api.snapshot import FirstToken, SecretRef, Timeouts, Tls
from tieline_router.runtime import reply

from tests.support import frames, replies
from tests.support.gateway import MESSAGES, Gateway
from tests.support.openai_answers import GREETING
from tests.support.operator_stub import certificate, server_context
from tests.support.upstream import Upstream
from tests.support.waiting import eventually


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with Gateway() as gateway:
        await gateway.configure([frames.own_pool("a")], [frames.route("a")], addresses={"a": [upstream.address]})
        yield gateway


def body(*, stream: bool) -> dict[str, object]:
    return {"model": frames.MODEL, "messages": MESSAGES, "stream": stream}


def in_flight(gateway: Gateway) -> int:
    return sum(endpoint.in_flight for endpoint in gateway.router.live.all_endpoints(0))


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_client_that_leaves_before_the_answer_stops_the_server(
    gateway: Gateway, upstream: Upstream, stream: bool
) -> None:
    upstream.script(replies.hang_before_headers())
    asking = asyncio.create_task(gateway.chat(stream=stream))
    await upstream.seen()
    assert in_flight(gateway) == 1
    asking.cancel()
    await upstream.disconnected()
    await eventually(lambda: in_flight(gateway) == 0, "the attempt to end")
    metrics = await gateway.admin("/metrics")
    assert 'tieline_router_attempts_total{outcome="client_disconnected",pool="default/a"} 1.0' in metrics
    assert 'tieline_router_requests_total{outcome="client_disconnected",route="default/chat"} 1.0' in metrics
    assert "tieline_router_in_flight_requests 0.0" in metrics


async def test_a_client_that_leaves_in_the_stream_stops_the_server(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(replies.hang_mid_stream(2))
    async with gateway.session.post(gateway.url + "/v1/chat/completions", json=body(stream=True)) as response:
        await response.content.readuntil(b"\n\n")
    await upstream.disconnected()
    assert (await gateway.chat()).status == 200
    endpoint = (await gateway.admin("/admin/endpoints"))["endpoints"][0]
    assert (endpoint["breaker"], endpoint["consecutiveFailures"]) == ("closed", 0)


async def test_a_client_that_leaves_while_comments_are_written_stops_the_server(upstream: Upstream) -> None:
    upstream.script(replies.hang_before_headers())
    async with Gateway() as gateway:
        routes = [frames.route("a", timeouts=Timeouts(keep_alive_after=0.05))]
        await gateway.configure([frames.own_pool("a")], routes, addresses={"a": [upstream.address]})
        async with gateway.session.post(gateway.url + "/v1/chat/completions", json=body(stream=True)) as response:
            assert await response.content.readuntil(b"\n\n") == b": tieline keep-alive\n\n"
        await upstream.disconnected()


async def test_content_is_passed_on_as_it_comes(gateway: Gateway, upstream: Upstream) -> None:
    gate = asyncio.Event()
    upstream.script(replies.ok(gate=gate, gate_after=2))
    async with gateway.session.post(gateway.url + "/v1/chat/completions", json=body(stream=True)) as response:
        begun = b"".join([await response.content.readuntil(b"\n\n") for _ in range(3)])
        assert b'"content":"om the u"' in begun
        gate.set()
        rest = await response.content.read()
    assert rest.endswith(b"data: [DONE]\n\n")


async def test_a_slow_reader_slows_the_server_and_loses_nothing(gateway: Gateway, upstream: Upstream) -> None:
    size = 40_000_000
    upstream.script(replies.huge_answer(size, chunks=400))
    async with gateway.session.post(gateway.url + "/v1/chat/completions", json=body(stream=True)) as response:
        await response.content.readuntil(b"\n\n")
        looks: list[int] = []

        def still() -> bool:
            looks.append(len(upstream.completions[0].writes))
            return len(looks) >= 8 and len(set(looks[-8:])) == 1

        await eventually(still, "the server to be held up")
        assert looks[-1] < 400, "the whole answer went into buffers"
        read = 0
        async for part in response.content.iter_any():
            read += len(part)
    assert read > size


class SlowClient:
    """A connection that reads nothing unless it is told to, and whose buffer is small."""

    def __init__(self, gateway: Gateway) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        self._socket.setblocking(False)
        self._address = gateway.router.address

    async def ask(self, *, stream: bool) -> None:
        data = json.dumps(body(stream=stream)).encode()
        head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(data)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._socket, self._address)
        await loop.sock_sendall(self._socket, head + data)

    async def read(self, size: int) -> bytes:
        return await asyncio.get_running_loop().sock_recv(self._socket, size)

    async def rest(self) -> bytes:
        """All that still comes, also before a reset."""
        data = bytearray()
        with contextlib.suppress(ConnectionError):
            while part := await self.read(1 << 20):
                data += part
        return bytes(data)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
async def slow(gateway: Gateway) -> AsyncIterator[SlowClient]:
    client = SlowClient(gateway)
    yield client
    client.close()


async def test_a_drain_waits_for_a_plain_answer_that_is_read_slowly(
    gateway: Gateway, upstream: Upstream, slow: SlowClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    size = 7_000_000
    upstream.script(replies.huge_answer(size, chunks=10))
    await slow.ask(stream=False)
    begun = await slow.read(500)
    assert "tieline_router_in_flight_requests 1.0" in await gateway.admin("/metrics")
    assert "outcome=ok" not in caplog.text
    draining = asyncio.create_task(gateway.router.drain())
    await eventually(lambda: "draining: 1 requests" in caplog.text, "the drain to begin")
    data = bytearray(begun)
    head, _, _ = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"Content-Length: (\d+)", head)[1])  # type: ignore[index]
    assert length > size
    while len(data) < len(head) + 4 + length:
        part = await slow.read(1 << 20)
        assert part, "the answer was cut"
        data += part
    await draining
    assert "are cut" not in caplog.text


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_client_that_takes_nothing_is_cut_and_gets_no_second_head(
    gateway: Gateway, upstream: Upstream, slow: SlowClient, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply, "WRITE_SECONDS", 0.2)
    upstream.script(replies.huge_answer(40_000_000, chunks=400))
    await slow.ask(stream=stream)
    outcome = b'tieline_router_requests_total{outcome="stalled_client",route="default/chat"} 1.0'

    await eventually(lambda: outcome in gateway.router.metrics.render(), "the request to end")
    assert (await slow.rest()).count(b"HTTP/1.1") == 1


async def test_what_a_drain_cuts_is_told_from_what_its_client_left(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(replies.hang_mid_stream(2))
    async with gateway.session.post(gateway.url + "/v1/chat/completions", json=body(stream=True)) as response:
        await response.content.readuntil(b"\n\n")
        metrics = gateway.router.metrics
        await gateway.router.stop()
        assert b'tieline_router_requests_total{outcome="draining",route="default/chat"} 1.0' in metrics.render()


async def test_the_breaker_opens_and_lets_one_probe_through(upstream: Upstream) -> None:
    async with Gateway() as gateway, Upstream() as other:
        pools = [frames.own_pool("a"), frames.own_pool("b")]
        await gateway.configure(
            pools, [frames.route("a", "b")], addresses={"a": [upstream.address], "b": [other.address]}
        )
        upstream.default = replies.server_error()
        for _ in range(8):
            assert (await gateway.chat()).status == 200
        assert len(upstream.completions) == 5, "five failures in a row open it"
        endpoints = {one["pool"]: one for one in (await gateway.admin("/admin/endpoints"))["endpoints"]}
        assert endpoints["default/a"]["breaker"] == "open"
        metrics = await gateway.admin("/metrics")
        assert f'tieline_router_endpoint_ejected{{endpoint="{upstream.address}",pool="default/a"}} 1.0' in metrics


# -- TLS -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def secure(tmp_path: Path) -> AsyncIterator[tuple[Upstream, str]]:
    """A server with a certificate of its own for `inner.example`, and its PEM."""
    pem, key = certificate("inner.example")
    async with Upstream(tls=server_context(tmp_path, pem, key)) as upstream:
        yield upstream, pem.decode()


@pytest.mark.parametrize(
    ("ca", "name", "works"),
    [
        ("right", "inner.example", True),
        ("right", "other.example", False),
        ("wrong", "inner.example", False),
        (None, None, False),
    ],
)
async def test_tls_to_own_servers(secure: tuple[Upstream, str], ca: str | None, name: str | None, works: bool) -> None:
    upstream, pem = secure
    bundles = {"right": pem, "wrong": certificate("inner.example")[0].decode()}
    tls = Tls(server_name=name, ca=SecretRef(id="ca", version="1") if ca else None)
    async with Gateway() as gateway:
        await gateway.configure(
            [frames.own_pool("a", scheme="https", tls=tls)],
            [frames.route("a")],
            addresses={"a": [upstream.address]},
            secrets={"ca": bundles[ca]} if ca else {},
        )
        answer = await gateway.chat()
    if works:
        assert answer.text == GREETING
    else:
        assert (answer.status, answer.error["code"]) == (502, "tls")
        assert not upstream.completions


async def test_pools_with_other_trust_share_no_connection(secure: tuple[Upstream, str]) -> None:
    upstream, pem = secure
    trusting = Tls(server_name="inner.example", ca=SecretRef(id="ca", version="1"))
    pools = [
        frames.own_pool("a", scheme="https", tls=trusting),
        frames.own_pool("b", [frames.model("acme/b")], scheme="https"),
    ]
    routes = [frames.route("a"), frames.route("b", name="b", models=["acme/b"])]
    addresses = {"a": [upstream.address], "b": [upstream.address]}
    async with Gateway() as gateway:
        await gateway.configure(pools, routes, addresses=addresses, secrets={"ca": pem})
        assert (await gateway.chat()).status == 200
        assert (await gateway.chat(model="acme/b")).error["code"] == "tls"


async def test_a_server_that_does_not_accept_is_given_up(upstream: Upstream) -> None:
    """192.0.2.0/24 is for documentation: packets go nowhere, or come back as unreachable."""
    async with Gateway() as gateway:
        await gateway.configure(
            [frames.own_pool("nowhere"), frames.own_pool("a")],
            [frames.route("nowhere", "a", timeouts=Timeouts(connect=0.2, first_token=FirstToken(base=5)))],
            addresses={"nowhere": ["192.0.2.1:9"], "a": [upstream.address]},
        )
        assert (await gateway.chat(stream=True)).text == GREETING


async def test_a_name_that_does_not_resolve_is_given_up(upstream: Upstream) -> None:
    async with Gateway() as gateway:
        await gateway.configure(
            [frames.external_pool("b", "http://name.invalid"), frames.own_pool("a")],
            [frames.route("b", "a")],
            addresses={"a": [upstream.address]},
            secrets={"b_key": "k"},
        )
        assert (await gateway.chat()).text == GREETING


async def test_many_at_once(gateway: Gateway, upstream: Upstream) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def one(stream: bool) -> bytes:
            async with session.post(gateway.url + "/v1/chat/completions", json=body(stream=stream)) as response:
                return await response.read()

        answers = await asyncio.gather(*(one(number % 2 == 0) for number in range(200)))
    assert all(b"upstream" in answer or b"pstream" in answer for answer in answers)
    assert sum(answer.endswith(b"data: [DONE]\n\n") for answer in answers) == 100
    assert len(upstream.completions) == 200


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_request_leaves_nothing_to_the_cycle_collector(gateway: Gateway, stream: bool) -> None:
    """Its looks are seldom and long: what it has to free stops every stream of the process for that time."""
    for _ in range(3):
        assert (await gateway.chat(stream=stream)).status == 200
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(3):
            assert (await gateway.chat(stream=stream)).status == 200
        gc.collect()
        left = {type(one).__qualname__ for one in gc.garbage if type(one).__module__.startswith("tieline_router")}
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert not left
