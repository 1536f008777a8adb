"""What no honest client sends, against the listening socket: refused in words or cut, and the router goes on serving.

Every test ends in the same look at the router: it still answers, it logged no fault of its own, and nothing of what was
sent stands in the log.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
from collections.abc import AsyncIterator

import pytest
from tieline_router.runtime import reply as replying

from tests.support import frames, replies
from tests.support.gateway import MESSAGES, Gateway
from tests.support.openai_answers import GREETING
from tests.support.upstream import Upstream

SECRET = "sk-secret-of-a-client"
WITHIN = 10.0
BODY = json.dumps({"model": frames.MODEL, "messages": MESSAGES}).encode()
STREAM = json.dumps({"model": frames.MODEL, "messages": MESSAGES, "stream": True}).encode()
LINE = b"POST /v1/chat/completions HTTP/1.1\r\n"
HOST = b"Host: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %b\r\n" % SECRET.encode()
LENGTH = b"Content-Length: %d\r\n" % len(BODY)
GOOD = LINE + HOST + LENGTH + b"\r\n" + BODY
HEAD = LINE + HOST
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n"


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway(upstream: Upstream, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Gateway]:
    caplog.set_level("DEBUG")
    async with Gateway(auth="Required", head_seconds=0.3, body_seconds=0.3, max_body_bytes=100_000) as gateway:
        consumers = [frames.consumer("team", SECRET)]
        addresses = {"a": [upstream.address]}
        await gateway.configure([frames.own_pool("a")], [frames.route("a")], consumers, addresses=addresses)
        yield gateway
        upstream.default = replies.ok()
        after = await gateway.chat(headers={"Authorization": f"Bearer {SECRET}"})
        assert (after.status, after.text) == (200, GREETING)
        assert SECRET not in caplog.text
        assert "Traceback" not in caplog.text
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]


async def talk(gateway: Gateway, *sent: bytes, half_close: bool = False) -> bytes:
    """All that comes back until the router ends the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.router.address[1])
    try:
        for piece in sent:
            writer.write(piece)
            await writer.drain()
        if half_close:
            writer.write_eof()
        async with asyncio.timeout(WITHIN):
            return await reader.read(-1)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def answered(gateway: Gateway, sent: bytes) -> tuple[int, bytes]:
    """The one answer to something, read to the end of its length; the connection may stay open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.router.address[1])
    try:
        writer.write(sent)
        async with asyncio.timeout(WITHIN):
            return await one_answer(reader)
    finally:
        writer.transport.abort()


async def one_answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    (length,) = re.findall(rb"(?i)content-length: (\d+)", head)
    return int(head.split()[1]), await reader.readexactly(int(length))


def check_refused(received: bytes) -> None:
    """Nothing at all, or one answer: a 4xx with JSON that says what was wrong, and the end of the connection."""
    if not received:
        return
    head, _, body = received.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    assert 400 <= status < 500, received[:300]
    assert b"application/json" in head
    assert b"connection: close" in head.lower() or head.startswith(b"HTTP/1.0")
    assert len(json.loads(body)["error"]["message"]) > 10
    assert SECRET.encode() not in received


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
NO_HTTP = {
    "length and chunks": HEAD + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "chunks and length": CHUNKED + LENGTH + b"\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": HEAD + LENGTH + b"Content-Length: 5\r\n\r\n" + BODY,
    "a list of lengths": HEAD + b"Content-Length: %d, 5\r\n\r\n" % len(BODY) + BODY,
    "negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "signed length": HEAD + b"Content-Length: +%d\r\n\r\n" % len(BODY) + BODY,
    "length in hex": HEAD + b"Content-Length: 0x10\r\n\r\n" + BODY,
    "length beyond all bounds": HEAD + b"Content-Length: %d\r\n\r\n" % 10**30,
    "length with underscore": HEAD + b"Content-Length: 1_0\r\n\r\n" + BODY,
    "folded header": HEAD + b"X-A: b\r\n c\r\n" + LENGTH + b"\r\n" + BODY,
    "folded coding": HEAD + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "coding twice": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "coding not last": HEAD + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "space before colon": HEAD + b"Content-Length : 5\r\n\r\n12345",
    "bare CR in a header": HEAD + b"X-A: b\rContent-Length: 5\r\n\r\n12345",
    "NUL in a header": HEAD + b"X-A: b\x00c\r\n\r\n",
    "control sign in a header": HEAD + b"X-A: b\x01c\r\n\r\n",
    "NUL in the path": b"POST /v1/\x00chat HTTP/1.1\r\n" + HOST + b"\r\n",
    "space in the path": b"POST /v1/chat completions HTTP/1.1\r\n" + HOST + b"\r\n",
    "no colon": HEAD + b"Header\r\n\r\n",
    "no name": HEAD + b": value\r\n\r\n",
    "no host": LINE + LENGTH + b"\r\n" + BODY,
    "two hosts": HEAD + b"Host: y\r\n\r\n",
    "chunk size with a minus": CHUNKED + b"\r\n-1\r\n" + BODY,
    "chunk size beyond all bounds": CHUNKED + b"\r\n" + b"f" * 17 + b"\r\n" + BODY,
    "chunk size with 0x": CHUNKED + b"\r\n0x5\r\n12345\r\n0\r\n\r\n",
    "chunk size with a space": CHUNKED + b"\r\n 5\r\n12345\r\n0\r\n\r\n",
    "chunk without its end": CHUNKED + b"\r\n5\r\n12345XX0\r\n\r\n",
    "no chunk size": CHUNKED + b"\r\n\r\n0\r\n\r\n",
    "huge header": HEAD + b"X-A: " + b"a" * 70_000 + b"\r\n\r\n",
    "huge path": b"GET /v1/" + b"a" * 70_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "many headers": HEAD + b"".join(b"X-%d: b\r\n" % number for number in range(50_000)) + b"\r\n",
    "HTTP/0.9": b"GET /v1/models\r\n\r\n",
    "HTTP/3 in name": b"GET /v1/models HTTP/3.0\r\n" + HOST + b"\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "TLS": bytes.fromhex("160301020001000100020303") + bytes(500),
    "SSH": b"SSH-2.0-OpenSSH_9.9\r\n",
    "a proxy's line": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n" + GOOD,
}


@pytest.mark.parametrize("case", NO_HTTP)
async def test_what_is_no_http_is_refused_and_ends_the_connection(
    gateway: Gateway, upstream: Upstream, case: str
) -> None:
    received = await talk(gateway, NO_HTTP[case])
    check_refused(received)
    assert received or case == "many headers", "who still sends may lose the answer, nobody else"
    assert len(re.findall(rb"HTTP/1\.[01] \d{3} ", received)) <= 1, "what follows is no request"
    assert not upstream.requests


ODD_BUT_GOOD = {
    "chunk extension": CHUNKED + b"\r\n%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "trailers": CHUNKED + b"\r\n%x\r\n%b\r\n0\r\nX-A: b\r\n\r\n" % (len(BODY), BODY),
    "a chunk for each byte": CHUNKED + b"\r\n" + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
    "absolute form": GOOD.replace(b"POST /v1", b"POST http://x/v1"),
    "empty lines first": b"\r\n" + GOOD,
    "expect": HEAD + LENGTH + b"Expect: 100-continue\r\n\r\n" + BODY,
}


@pytest.mark.parametrize("case", ODD_BUT_GOOD)
async def test_what_is_odd_but_good_is_served(gateway: Gateway, upstream: Upstream, case: str) -> None:
    head = ODD_BUT_GOOD[case].replace(HOST, HOST + b"Connection: close\r\n")
    received = (await talk(gateway, head)).removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200 "), received[:300]
    assert GREETING.encode() in received
    assert len(upstream.completions) == 1


async def test_bare_line_feeds_are_refused_or_one_request(gateway: Gateway, upstream: Upstream) -> None:
    received = await talk(gateway, GOOD.replace(b"\r\n", b"\n"))
    assert received.count(b"HTTP/1.1 ") <= 1
    assert len(upstream.completions) <= 1


@pytest.mark.parametrize("expected", [b"200-ok", b"nothing", b"100-continue, more"])
async def test_an_unknown_expectation_is_passed_over(gateway: Gateway, upstream: Upstream, expected: bytes) -> None:
    received = await talk(gateway, HEAD + LENGTH + b"Connection: close\r\nExpect: " + expected + b"\r\n\r\n" + BODY)
    assert received.startswith(b"HTTP/1.1 200 ")  # as RFC 9110, section 10.1.1, permits
    assert len(upstream.completions) == 1


@pytest.mark.parametrize("sent", [b"", b"P", LINE, HEAD])
async def test_a_head_that_does_not_come_is_given_up(gateway: Gateway, sent: bytes) -> None:
    assert await talk(gateway, sent) == b""


async def test_a_head_that_drips_is_given_up(gateway: Gateway) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.router.address[1])
    gone = asyncio.create_task(reader.read(-1))

    async def drip() -> None:
        for byte in HEAD * 1000:
            writer.write(bytes([byte]))
            await asyncio.wait({gone}, timeout=0.01)
            if gone.done():
                return

    async with asyncio.timeout(WITHIN):
        await drip()
        with contextlib.suppress(ConnectionError):
            assert await gone == b""
    writer.transport.abort()


@pytest.mark.parametrize("sent", [HEAD + LENGTH + b"\r\n" + BODY[:-1], CHUNKED + b"\r\n5\r\n123"])
async def test_a_body_that_does_not_come_is_given_up(gateway: Gateway, upstream: Upstream, sent: bytes) -> None:
    status, body = await answered(gateway, sent)
    assert (status, json.loads(body)["error"]["code"]) == (408, "body_timeout")
    assert not upstream.requests


async def test_requests_in_one_segment_are_answered_in_order(gateway: Gateway, upstream: Upstream) -> None:
    upstream.script(*(replies.ok(f"answer {number}") for number in range(3)))
    last = GOOD.replace(HOST, HOST + b"Connection: close\r\n")
    received = await talk(gateway, GOOD + GOOD + last)
    places = [received.index(f"answer {number}".encode()) for number in range(3)]
    assert places == sorted(places)
    assert received.count(b"HTTP/1.1 200 OK") == 3


async def test_a_request_behind_a_stream_ends_the_connection(gateway: Gateway, upstream: Upstream) -> None:
    gate = asyncio.Event()
    upstream.script(replies.ok(gate=gate))
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.router.address[1])
    writer.write(HEAD + b"Content-Length: %d\r\n\r\n" % len(STREAM) + STREAM)
    async with asyncio.timeout(WITHIN):
        received = await reader.readuntil(b"\n\n")
        writer.write(GOOD)
        await writer.drain()
        gate.set()
        received += await reader.read(-1)
    writer.transport.abort()
    assert received.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert received.count(b"HTTP/1.1 ") == 1
    assert len(upstream.completions) == 1


@pytest.mark.parametrize("body", [BODY, STREAM], ids=["plain", "stream"])
async def test_http_1_0_gets_no_chunks(gateway: Gateway, body: bytes) -> None:
    head = HEAD.replace(b"HTTP/1.1", b"HTTP/1.0") + b"Content-Length: %d\r\n\r\n" % len(body)
    received = await talk(gateway, head + body)
    answer_head, _, content = received.partition(b"\r\n\r\n")
    assert b"200" in answer_head
    assert b"transfer-encoding" not in answer_head.lower()
    assert content.endswith(b"data: [DONE]\n\n") if body is STREAM else json.loads(content)


async def test_a_websocket_is_refused_in_words(gateway: Gateway) -> None:
    upgrade = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n"
    status, body = await answered(gateway, b"GET /v1/realtime HTTP/1.1\r\n" + HOST + upgrade)
    assert status == 404
    assert "WebSockets" in json.loads(body)["error"]["message"]


@pytest.mark.parametrize("method", [b"CONNECT x:443", b"OPTIONS *", b"TRACE /v1/models", b"FOO /v1/models"])
async def test_odd_methods_are_refused(gateway: Gateway, method: bytes) -> None:
    received = await talk(gateway, method + b" HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
    check_refused(received)


async def test_a_client_may_leave_after_any_byte(gateway: Gateway, upstream: Upstream) -> None:
    port = gateway.router.address[1]
    for end in range(len(GOOD)):
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setblocking(False)
            await asyncio.get_running_loop().sock_sendall(connection, GOOD[:end])
            await asyncio.sleep(0)
    api = gateway.router._api
    assert api is not None
    async with asyncio.timeout(WITHIN):
        while api.in_flight:  # noqa: ASYNC110 - the router has no event for it
            await asyncio.sleep(0.01)
    assert not upstream.completions


async def test_a_client_that_never_reads_is_cut_and_takes_no_memory(
    gateway: Gateway, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replying, "WRITE_SECONDS", 0.5)
    upstream.script(replies.huge_answer(64 * 1024 * 1024, chunks=8192))
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(connection, ("127.0.0.1", gateway.router.address[1]))
        await loop.sock_sendall(connection, HEAD + b"Content-Length: %d\r\n\r\n" % len(STREAM) + STREAM)
        left = await upstream.disconnected()
        taken = sum(map(len, left.writes))
    assert taken < 32 * 1024 * 1024, "the provider was not read on for a client that does not read"
