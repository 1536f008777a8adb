"""Requests of the tests in this folder."""

from __future__ import annotations

from typing import Any, Final

import pytest
from tieline_router.errors import ErrorClass
from tieline_router.runtime.addresses import Reach
from tieline_router.runtime.upstream import Target, UpstreamClient, UpstreamFailure
from yarl import URL

from tests.support.raw_server import WAIT, RawServer, Talk

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKED: Final = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BODY: Final = b'{"model": "m"}'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def target(server: RawServer, path: str = "/v1/chat/completions", **more: Any) -> Target:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer k"}
    scheme = "https" if server.tls else "http"
    return Target(URL(f"{scheme}://127.0.0.1:{server.port}{path}"), headers, **{"reach": Reach.HOST, **more})


async def ask(client: UpstreamClient, server: RawServer, body: bytes = BODY, **more: Any) -> tuple[int, bytes]:
    """Status and body of one answer."""
    async with client.post(target(server, **more), body, WAIT) as answer:
        return answer.status, await answer.read_all(1 << 20)


async def failing(client: UpstreamClient, talk: Talk) -> ErrorClass:
    """How a request fails, in its headers or in its body."""
    async with RawServer(talk) as server:
        with pytest.raises(UpstreamFailure) as failed:
            await ask(client, server)
    return failed.value.error
