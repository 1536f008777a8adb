"""HTTP as clients on bare sockets see it: versions, persistence, pipelining, and how soon leaving is noticed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from tieline_api.snapshot import Timeouts

from tests.support import frames, replies
from tests.support.gateway import MESSAGES, Gateway
from tests.support.openai_answers import GREETING
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


def request(*headers: str, stream: bool = False, version: str = "1.1", user: str = "") -> bytes:
    body = json.dumps({"model": frames.MODEL, "messages": MESSAGES, "stream": stream, "user": user}).encode()
    lines = [f"POST /v1/chat/completions HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def head(self) -> tuple[int, dict[str, str]]:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:-2])
        return int(lines[0].split(" ")[1]), headers

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """One whole answer with a length."""
        status, headers = await self.head()
        return status, headers, await self._reader.readexactly(int(headers["Content-Length"]))

    async def until(self, mark: bytes) -> bytes:
        return await self._reader.readuntil(mark)

    async def rest(self) -> bytes:
        """All that comes until the router closes."""
        return await asyncio.wait_for(self._reader.read(), 10)


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[Client]:
    client = Client(*await asyncio.open_connection("127.0.0.1", gateway.router.address[1]))
    yield client
    client.writer.close()


def content(body: bytes) -> str:
    return str(json.loads(body)["choices"][0]["message"]["content"])


async def test_one_connection_carries_many_requests(client: Client, upstream: Upstream) -> None:
    for _ in range(3):
        client.send(request())
        status, headers, body = await client.answer()
        assert (status, content(body)) == (200, GREETING)
        assert "Connection" not in headers
    client.send(request(stream=True))
    status, headers = await client.head()
    assert (status, headers["Transfer-Encoding"]) == (200, "chunked")
    assert (await client.until(b"0\r\n\r\n")).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    client.send(request())
    assert (await client.answer())[0] == 200


async def test_a_client_that_says_close_gets_it(client: Client) -> None:
    client.send(request("Connection: close"))
    status, headers, _ = await client.answer()
    assert (status, headers["Connection"]) == (200, "close")
    assert await client.rest() == b""


async def test_http_1_0_has_no_chunks_and_ends_with_the_connection(client: Client) -> None:
    client.send(request(version="1.0", stream=True))
    status, headers = await client.head()
    assert status == 200
    assert headers["Connection"] == "close"
    assert not {"Transfer-Encoding", "Content-Length"} & headers.keys()
    body = await client.rest()
    assert body.startswith(b"data: {")
    assert body.endswith(b"data: [DONE]\n\n")


async def test_http_1_0_keeps_the_connection_when_asked_to(client: Client) -> None:
    for _ in range(2):
        client.send(request("Connection: keep-alive", version="1.0"))
        status, headers, body = await client.answer()
        assert (status, headers["Connection"], content(body)) == (200, "keep-alive", GREETING)
    client.send(request(version="1.0"))
    assert (await client.answer())[0] == 200
    assert await client.rest() == b""


async def test_a_head_has_no_body(client: Client) -> None:
    client.send(b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    status, headers = await client.head()
    assert (status, headers["Content-Length"]) == (200, "15")
    assert (await client.answer())[2] == b'{"status":"ok"}'


async def test_a_client_that_waits_with_its_body_is_told_to_go_on(client: Client) -> None:
    head, _, body = request("Expect: 100-continue").partition(b"\r\n\r\n")
    client.send(head + b"\r\n\r\n")
    assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.send(body)
    assert (await client.answer())[0] == 200


async def test_pipelined_requests_are_answered_in_order(client: Client, upstream: Upstream) -> None:
    gate = asyncio.Event()
    upstream.script(replies.slow_headers(gate, "first"))
    client.send(request() + request()[:40])
    await upstream.seen()
    client.send(request()[40:] + request())
    gate.set()
    assert [content((await client.answer())[2]) for _ in range(3)] == ["first", GREETING, GREETING]


async def test_what_is_pipelined_into_a_stream_is_dropped_with_the_connection(
    client: Client, upstream: Upstream
) -> None:
    gate = asyncio.Event()
    upstream.script(replies.ok(gate=gate))
    client.send(request(stream=True))
    await client.until(b"data: {")
    client.send(request())
    await client.writer.drain()
    gate.set()
    assert (await client.rest()).endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert len(upstream.completions) == 1


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("size", [1, 100_000, 3_000_000])
@pytest.mark.parametrize("when", ["with the request", "before the answer"])
async def test_leaving_is_noticed_whatever_was_pipelined(
    gateway: Gateway, client: Client, upstream: Upstream, stream: bool, size: int, when: str
) -> None:
    upstream.script(replies.hang_before_headers())
    behind = request(user="x" * size)
    client.send(request(stream=stream) + (behind if when == "with the request" else b""))
    await upstream.seen()
    if when == "before the answer":
        client.send(behind)
    await asyncio.wait_for(client.writer.drain(), 10)
    client.writer.close()
    await upstream.disconnected()
    assert len(upstream.completions) == 1


async def test_many_small_requests_at_once_do_not_hide_that_the_client_left(client: Client, upstream: Upstream) -> None:
    upstream.script(replies.hang_before_headers())
    client.send(request() * 500)
    await upstream.seen()
    client.writer.close()
    await upstream.disconnected()


async def test_a_client_that_ends_its_side_has_left(client: Client, upstream: Upstream) -> None:
    upstream.script(replies.hang_mid_stream(1))
    client.send(request(stream=True))
    await client.until(b"data: {")
    client.writer.write_eof()
    await upstream.disconnected()


async def test_leaving_while_comments_are_written_and_not_read_is_noticed(upstream: Upstream) -> None:
    upstream.script(replies.hang_before_headers())
    async with Gateway() as gateway:
        routes = [frames.route("a", timeouts=Timeouts(keep_alive_after=0.01))]
        await gateway.configure([frames.own_pool("a")], routes, addresses={"a": [upstream.address]})
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.router.address[1])
        writer.write(request(stream=True) + b"GET /")
        await reader.readuntil(b"keep-alive\n\n")
        writer.close()
        await upstream.disconnected()
        await eventually(lambda: gateway.router.metrics.render().count(b"client_disconnected"), "the request to end")
