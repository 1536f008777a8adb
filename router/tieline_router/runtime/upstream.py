"""The HTTP client towards model servers and providers: one POST, its answer as it comes, failures as error classes.

It knows no routes and no retries beyond one: a kept-alive connection that the server closed as we used it. Nothing of
one target reaches another: no cookies, no redirects, connections are shared only between equal TLS settings, and
headers come from the target alone. Closing an `Answer` cuts its connection at once, so that a model server stops.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Final, NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from tieline_router.errors import ErrorClass
from tieline_router.runtime.addresses import AddressRefused, CheckingResolver, Reach, literal_address

READ_BUFFER_BYTES: Final = 256 * 1024
DNS_CACHE_SECONDS: Final = 10
STALE_SECONDS: Final = 0.1
"""A kept connection that breaks so soon after the request was sent had been closed before; later, it is the server's
doing, which may have begun to work on the request."""


class Target(NamedTuple):
    """Where one attempt goes and what it carries."""

    url: URL
    headers: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    """What of the headers is secret: it must not come back in a provider's words."""
    tls: ssl.SSLContext | bool = True
    server_name: str | None = None
    reach: Reach = Reach.PUBLIC
    """Addresses that a connection may be made to."""
    proxy: URL | None = None
    proxy_auth: aiohttp.BasicAuth | None = None


class UpstreamFailure(Exception):
    """The attempt failed: `error` is its class, the message is for logs and never holds a secret."""

    def __init__(self, error: ErrorClass, detail: str) -> None:
        super().__init__(detail)
        self.error = error
        self.detail = detail


class Answer:
    """Status, headers and body of an answer whose headers have come."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.headers = response.headers

    async def read_some(self) -> bytes:
        """The bytes that have come, at least one; empty at the end of the body.

        Raises:
            UpstreamFailure: the connection broke inside the body.
        """
        try:
            return await self._response.content.readany()
        except aiohttp.ClientError as error:
            raise UpstreamFailure(ErrorClass.RESET_MID_STREAM, _words(error)) from None

    async def read_all(self, limit: int) -> bytes:
        """The whole body.

        Raises:
            UpstreamFailure: it is longer than `limit` bytes, or the connection broke inside it.
        """
        parts: list[bytes] = []
        size = 0
        while data := await self.read_some():
            size += len(data)
            if size > limit:
                raise UpstreamFailure(ErrorClass.ANSWER_TOO_LARGE, f"the answer is longer than {limit} bytes")
            parts.append(data)
        return b"".join(parts)

    def close(self) -> None:
        """Cuts the connection unless the body has been read to its end, in which case it is kept for the next use."""
        self._response.close()


class UpstreamClient:
    """One per process. Owns one connection pool for each `Reach`, so that none is used past its check."""

    def __init__(self, *, keepalive_timeout: float, resolver: AbstractResolver | None = None) -> None:
        self._sessions = {reach: _session(keepalive_timeout, CheckingResolver(reach, resolver)) for reach in Reach}

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()

    @asynccontextmanager
    async def post(self, target: Target, body: bytes, connect_timeout: float | None) -> AsyncIterator[Answer]:
        """Sends `body` and waits for the headers of the answer; leaving the context cuts what is unread.

        Args:
            target: where to, with which headers.
            body: JSON.
            connect_timeout: seconds for name, connection and TLS together; None = no limit.

        Raises:
            UpstreamFailure: no headers came, for a reason that its class names.
        """
        answer = await self._post(target, body, connect_timeout)
        try:
            yield answer
        finally:
            answer.close()

    async def _post(self, target: Target, body: bytes, connect_timeout: float | None) -> Answer:
        session = self._session_for(target)
        timeout = aiohttp.ClientTimeout(total=None, connect=connect_timeout, sock_connect=connect_timeout)
        now = asyncio.get_running_loop().time
        for last in (False, True):
            trace = SimpleNamespace(reused=False, sent=-math.inf)
            try:
                response = await session.post(
                    target.url,
                    data=body,
                    headers=target.headers,
                    ssl=target.tls,
                    server_hostname=target.server_name,
                    allow_redirects=False,
                    timeout=timeout,
                    proxy=target.proxy,
                    proxy_auth=target.proxy_auth,
                    trace_request_ctx=trace,
                )
                return Answer(response)
            except (aiohttp.ClientError, OSError, ValueError, OverflowError) as error:
                # Sent once more within the attempt, uncounted: only once, or a crash would pass for an old connection.
                stale = trace.reused and now() - trace.sent < STALE_SECONDS and _closed_silently(error)
                if last or not stale:
                    raise UpstreamFailure(_error_class(error), _words(error)) from None
        raise AssertionError("unreachable: the second try returns or raises")

    def _session_for(self, target: Target) -> aiohttp.ClientSession:
        literal = literal_address(target.url.host or "")
        if literal is not None and not target.reach.permits(literal):
            raise UpstreamFailure(ErrorClass.ADDRESS_REFUSED, f"{literal} is {target.reach.value}")
        # Behind a proxy the proxy resolves names; its own address is private as a rule, and named by our environment.
        return self._sessions[Reach.ANYWHERE if target.proxy is not None else target.reach]


async def _note_reuse(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.reused = True


async def _note_sent(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    context.trace_request_ctx.sent = asyncio.get_running_loop().time()


def _session(keepalive_timeout: float, resolver: AbstractResolver | None) -> aiohttp.ClientSession:
    trace = aiohttp.TraceConfig()
    trace.on_connection_reuseconn.append(_note_reuse)
    trace.on_request_headers_sent.append(_note_sent)
    trace.on_request_chunk_sent.append(_note_sent)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=0, keepalive_timeout=keepalive_timeout, ttl_dns_cache=DNS_CACHE_SECONDS, resolver=resolver
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        requote_redirect_url=False,
        read_bufsize=READ_BUFFER_BYTES,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding"),
        trace_configs=[trace],
    )


def _closed_silently(error: Exception) -> bool:
    """Whether the connection ended without a byte of an answer, as far as aiohttp tells."""
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # else: the part of a head that had come
    return _error_class(error) is ErrorClass.RESET_BEFORE_HEADERS


def _error_class(error: Exception) -> ErrorClass:
    match error:
        case aiohttp.ClientConnectorDNSError():
            refused = isinstance(error.os_error, AddressRefused)
            return ErrorClass.ADDRESS_REFUSED if refused else ErrorClass.NAME_UNRESOLVED
        case aiohttp.ClientSSLError() | ssl.SSLError() | aiohttp.ServerFingerprintMismatch():
            return ErrorClass.TLS
        case aiohttp.ServerTimeoutError() | asyncio.TimeoutError():
            return ErrorClass.CONNECT_TIMEOUT
        case aiohttp.ClientConnectorError() | aiohttp.ClientHttpProxyError():
            return ErrorClass.CONNECT_REFUSED
        case aiohttp.ClientResponseError():
            return ErrorClass.GARBAGE
        case ValueError() | OverflowError():  # no host for the resolver (`a..b`, a label of 90 characters), no port
            return ErrorClass.NAME_UNRESOLVED
        case _:
            return ErrorClass.RESET_BEFORE_HEADERS


def _words(error: Exception) -> str:
    """The error for a log. URLs and headers stay out: a base URL may carry what is secret to its owner."""
    match error:
        case aiohttp.ClientConnectorError():
            return f"{type(error).__name__}: {error.os_error}"
        case aiohttp.ClientResponseError():
            return f"{type(error).__name__}: {error.message}"
        case ValueError() | OverflowError():
            return f"no host or port that can be reached: {type(error).__name__}"
        case _:
            return f"{type(error).__name__}: {error}"
