"""The whole router on a socket: any request and any answer of a provider end in an answer that the contract knows.

Router, client and provider share one event loop. An input holds a client's request (an operation with any headers and
body, or any bytes at all) and, after a separator, what the provider sends on every connection before it closes it.
"""

from __future__ import annotations

import asyncio
import atexit
import json
import logging
from collections.abc import Iterator
from typing import Final

from httptools import HttpResponseParser
from tieline_api.snapshot import Protocol, Retries
from tieline_router.apis import OPERATIONS
from tieline_router.errors import ERRORS

from tests.fuzz import requests as request_seeds
from tests.fuzz.choices import Choices, made
from tests.support import frames, replies
from tests.support.gateway import Gateway
from tests.support.openai_answers import Asked
from tests.support.transcripts import body

SEPARATOR: Final = b"\n=====\n"
SECONDS: Final = 10.0
"""Nobody here waits, so an answer that takes so long never comes."""
_TREES: Final = ("/v1", "/api/v1", "")
_PATHS: Final = (*OPERATIONS, "/models", "/key", "/credits", "/generation?id=x", "/providers", "/%0a", "/realtime")
_KINDS: Final = (b"application/json", b"text/event-stream", b"audio/mpeg", b"text/html; charset=\xc3\xa9")
_APIS: Final = ("ChatCompletions", "Completions", "Responses", "Messages", "Embeddings", "Audio", "Images")
_STATUSES: Final = {status for error in ERRORS.values() for status in (error.status, 400, 404)}


class _Provider(asyncio.Protocol):
    """Sends `Bed.answer` when a request begins, and ends the connection."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(self._bed.answer)
            self._transport.close()


class _Complaints(logging.Handler):
    """What the router logs as its own fault."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno >= logging.ERROR or record.exc_info:
            self.found.append(logging.Formatter().format(record))


class Bed:
    """Router and provider, kept over executions."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.gateway = Gateway(max_body_bytes=100_000, body_seconds=SECONDS / 2)
        self.answer = b""
        self.complaints = _Complaints()
        self._executions = 0
        self._stale = False
        """A pool has failed or asked to wait: the next execution gets pools of new names, so that none depends on what
        came before it."""
        self.loop.run_until_complete(self._start())

    async def _start(self) -> None:
        logging.getLogger().addHandler(self.complaints)
        server = await asyncio.get_running_loop().create_server(lambda: _Provider(self), "127.0.0.1", 0)
        self._provider = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._server = server
        await self.gateway.__aenter__()
        self.loop.set_exception_handler(self._escaped)
        await self._configure()

    def _escaped(self, _: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        self.complaints.found.append(f"escaped into the event loop: {context}")

    async def _configure(self) -> None:
        """Two models: one speaks all that OpenAI does, one all that Anthropic does."""
        name = f"p{self._executions}"
        retries = Retries(attempts=1)
        pools = [
            frames.own_pool(f"{name}o", [frames.model("m", apis=_APIS[:3] + _APIS[4:])]),
            frames.own_pool(
                f"{name}a", [frames.model("c", apis=("Messages",))], protocols=(Protocol(type="Anthropic", path="/v1"),)
            ),
            frames.own_pool(f"{name}x", [frames.model("x", apis=("ChatCompletions",))]),
        ]
        routes = [
            frames.route(pool.slug, name=pool.slug, models=(pool.models[0].name,), retries=retries) for pool in pools
        ]
        await self.gateway.configure(pools, routes, addresses={pool.slug: [self._provider] for pool in pools})

    def close(self) -> None:
        self._server.close()
        self.loop.run_until_complete(self.gateway.__aexit__())
        logging.getLogger().removeHandler(self.complaints)
        self.loop.close()

    def run(self, sent: bytes, answer: bytes, *, whole: bool) -> bytes:
        """What the client got for these bytes. `whole`: they are a request, which is answered."""
        self._executions += 1
        self.answer = answer
        self.complaints.found.clear()
        received = self.loop.run_until_complete(self._ask(sent, whole=whole))
        assert not self.complaints.found, "\n".join(self.complaints.found)
        return received

    async def _ask(self, sent: bytes, *, whole: bool) -> bytes:
        if self._stale:
            self._stale = False
            await self._configure()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.gateway.router.address[1])
        try:
            writer.write(sent)
            if not whole:  # whatever it is: it is read, and perhaps answered
                self._stale = True
                for _ in range(20):
                    await asyncio.sleep(0)
                return b""
            async with asyncio.timeout(SECONDS):
                received = await reader.read(-1)
            self._stale = not received.startswith(b"HTTP/1.1 200 ")
            return received
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()
            while self._busy():  # noqa: ASYNC110 - the router has no event for it, and needs no more than a turn or two
                await asyncio.sleep(0)

    def _busy(self) -> bool:
        api = self.gateway.router._api
        return api is not None and bool(api.in_flight)


_beds: Final[list[Bed]] = []


def _bed() -> Bed:
    if not _beds:
        _beds.append(Bed())
        atexit.register(_beds[0].close)
    return _beds[0]


class _Read:
    """What httptools makes of an answer."""

    def __init__(self) -> None:
        self.body = b""
        self.whole = False

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_message_complete(self) -> None:
        self.whole = True


def socket(data: bytes) -> None:
    """One request over a connection of its own."""
    choices = Choices(data)
    kind, tree, path = choices.number(), choices.pick(_TREES), choices.pick(_PATHS)
    provider_kind, status = choices.pick(_KINDS), choices.number()
    sent, _, answer = choices.payload.partition(SEPARATOR)
    if kind % 4 == 3:
        _bed().run(sent, answer, whole=False)
        return
    head, _, content = sent.partition(b"\n\n")
    lines = [line for line in head.split(b"\n") if _harmless(line)]
    get = path not in OPERATIONS
    request = b"%b %b%b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%bContent-Length: %d\r\n\r\n%b" % (
        b"GET" if get else b"POST", tree.encode(), path.encode(), b"".join(line + b"\r\n" for line in lines),
        0 if get else len(content), b"" if get else content,
    )  # fmt: skip
    if kind % 4:  # a good head, so that the body is what is fuzzed
        code = 200 if status < 200 else 400 + status - 200
        head = b"HTTP/1.1 %d X\r\nContent-Type: %b\r\nConnection: close\r\n\r\n" % (code, provider_kind)
        answer = head + answer
    check(_bed().run(request, answer, whole=True))


def _harmless(line: bytes) -> bool:
    """A header that does not change how the request is framed or when it ends."""
    name = line.partition(b":")[0].strip().lower()
    framing = {b"", b"host", b"connection", b"content-length", b"transfer-encoding", b"expect", b"upgrade"}
    return b"\r" not in line and name not in framing and not line[:1].isspace()


def check(received: bytes) -> None:
    """The answer is HTTP, of a status that we declare, and its body is what the type says."""
    assert received, "a whole request got no answer"
    head, _, _ = received.partition(b"\r\n\r\n")
    status = int(head.split()[1])
    read = _Read()
    parser = HttpResponseParser(read)
    parser.feed_data(received)
    if status == 200:
        return
    assert read.whole, "an error is told whole"
    assert status in _STATUSES, f"status {status} is no error of ours: {received[:500]!r}"
    assert status != 500, f"a mistake of ours: {received[:500]!r}"
    assert "error" in json.loads(read.body)


def seeds() -> Iterator[bytes]:
    """Good requests of every operation, answered well, and with a fault."""
    paths = list(OPERATIONS)
    for path, fields in request_seeds.EXAMPLES.items():
        for model in ("m", "c", "x"):
            told = json.dumps({"model": model, **fields}).encode()
            streams = bool(fields.get("stream"))
            for provider in ("/chat/completions", "/messages") if path != "/embeddings" else ("/embeddings",):
                asked = Asked(model, stream=streams, include_usage=True, path=provider)
                payload = b"anthropic-beta: a\n\n" + told + SEPARATOR + body(replies.ok(), asked)
                yield made(payload, 1, paths.index(path) % 2, paths.index(path), int(streams))
    yield made(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 3)
    yield made(b"POST /v1/chat/completions HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 3)
    head = b"HTTP/1.1 429 No\r\nRetry-After: 1\r\nContent-Length: 2\r\n\r\n{}"
    yield made(b"x: y\n\n" + b'{"model":"m","input":"i"}' + SEPARATOR + head, 0, 0, paths.index("/embeddings"))
    head = b'HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename="\xe6\x97\xa5"\r\n'
    file = head + b"Content-Type: audio/mpeg\r\n\r\nID3"
    yield made(b'\n\n{"model":"m","input":"i","voice":"v"}' + SEPARATOR + file, 0, 0, paths.index("/audio/speech"))
