"""From a target to an open connection: name, address, socket, proxy, TLS. Used by `client`.

Whatever ends it on the way, a deadline or a cancellation, leaves no socket behind.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Final, TypeVar, cast

from aiohappyeyeballs import start_connection
from yarl import URL

from tieline_router.errors import ErrorClass
from tieline_router.runtime.addresses import Reach, literal_address, permitted
from tieline_router.runtime.upstream.connection import Connection
from tieline_router.runtime.upstream.failure import UpstreamFailure, dialing_failure
from tieline_router.runtime.upstream.names import Names
from tieline_router.runtime.upstream.target import Target, encoded
from tieline_router.runtime.upstream.tls import trusting

P = TypeVar("P", bound=asyncio.BaseProtocol)

NEXT_ADDRESS_SECONDS: Final = 0.25
"""After so long without a connection the next address is tried beside (RFC 8305, section 5)."""
GOODBYE_SECONDS: Final = 1.0
"""How long the end of TLS may take on an idle connection that is closed."""
TUNNEL_BYTES: Final = 16 * 1024
"""Of a proxy's answer to CONNECT."""
KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 60), (socket.TCP_KEEPINTVL, 15), (socket.TCP_KEEPCNT, 4))
"""A peer that vanished is noticed after two minutes of silence, also where no timeout of the route ends the wait."""


class Dialing:
    """Makes connections."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._system_trust: ssl.SSLContext | None = None

    async def connect(self, target: Target, seconds: float | None, make: Callable[[], Connection]) -> Connection:
        """A new connection.

        Args:
            target: where to.
            seconds: for name, connection, proxy and TLS together; None = no limit.
            make: gives the connection that the socket is to have.

        Raises:
            UpstreamFailure: there is none, for a reason that its class names.
        """
        literal = literal_address(target.url.host or "")
        if literal is not None and not target.reach.permits(literal):
            raise UpstreamFailure(ErrorClass.ADDRESS_REFUSED, f"{literal} is {target.reach.value}")
        try:
            async with asyncio.timeout(seconds):
                return await self._connect(target, make)
        except (OSError, ValueError, OverflowError, RuntimeError) as error:  # uvloop says some as RuntimeError
            raise dialing_failure(error) from None

    async def _connect(self, target: Target, make: Callable[[], Connection]) -> Connection:
        origin = target.origin
        loop = asyncio.get_running_loop()
        context = self._context(target) if origin.scheme == "https" else None
        name = (origin.server_name or origin.host.rstrip(".")) if context else None
        if target.proxy is None:
            opened = await self._socket(origin.host, origin.port, target.reach)
            return await _attach(opened, make, context, name)
        # A proxy resolves the target's name itself; its own address is private as a rule, and our environment names it.
        host, port = target.proxy.raw_host, target.proxy.port
        if host is None or port is None or target.proxy.scheme not in {"http", "https"}:
            raise UpstreamFailure(
                ErrorClass.CONNECT_REFUSED, "the proxy of the environment is no http:// or https:// URL"
            )
        opened = await self._socket(host, port, Reach.ANYWHERE)
        proxy_context = self._trust() if target.proxy.scheme == "https" else None
        proxy_name = host if proxy_context else None
        if context is None:
            return await _attach(opened, make, proxy_context, proxy_name)
        tunnel = await _attach(opened, _Tunnel, proxy_context, proxy_name)
        try:
            await tunnel.open(target.url, target.proxy_authorization)
            connection = make()
            transport = await loop.start_tls(
                tunnel.transport, connection, context, server_hostname=name, ssl_shutdown_timeout=GOODBYE_SECONDS
            )
        except BaseException:
            tunnel.transport.abort()
            raise
        if transport is None:
            raise ConnectionResetError("the proxy closed the tunnel")
        connection.connection_made(transport)
        return connection

    async def _socket(self, host: str, port: int, reach: Reach) -> socket.socket:
        addresses = permitted(host, await self._names.addresses(host, port), reach)
        opened = await start_connection(addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS)
        try:
            opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in KEEPALIVE:
                opened.setsockopt(socket.IPPROTO_TCP, option, value)
        except OSError:
            opened.close()
            raise
        return opened

    def _context(self, target: Target) -> ssl.SSLContext:
        return target.tls if isinstance(target.tls, ssl.SSLContext) else self._trust()

    def _trust(self) -> ssl.SSLContext:
        if self._system_trust is None:  # reads the system's authorities: 20 ms, once, and only where they are needed
            self._system_trust = trusting()
        return self._system_trust


async def _attach(
    opened: socket.socket, make: Callable[[], P], context: ssl.SSLContext | None, server_name: str | None
) -> P:
    """Gives a connected socket to a protocol, after the TLS handshake if there is a context."""
    loop = asyncio.get_running_loop()
    try:
        if context is None:
            _, protocol = await loop.create_connection(make, sock=opened)
        else:
            _, protocol = await loop.create_connection(
                make, sock=opened, ssl=context, server_hostname=server_name, ssl_shutdown_timeout=GOODBYE_SECONDS
            )
    except BaseException:
        opened.close()  # the loop has closed it too where it had taken it; that harms nothing
        raise
    return protocol


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a connection to somewhere else (RFC 9110, section 9.3.6); TLS then goes on in its place."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._answer = b""
        self._answered = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop has classes of its own

    async def open(self, url: URL, authorization: str | None) -> None:
        """
        Raises:
            ConnectionError: the proxy refuses, or says what no proxy says.
        """
        authority = f"{url.host_subcomponent}:{url.port}"
        lines = [f"CONNECT {authority} HTTP/1.1\r\n".encode("ascii"), encoded("Host", authority)]
        if authorization is not None:
            lines.append(encoded("Proxy-Authorization", authorization))
        self.transport.write(b"".join(lines) + b"\r\n")
        await self._answered

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, rest = self._answer.partition(b"\r\n\r\n")
        if end:
            version, _, status = head.partition(b"\r\n")[0].partition(b" ")
            if not version.startswith(b"HTTP/1.") or not status[:3].isdigit():
                self._end(ConnectionError("the proxy answers what is no HTTP"))
            elif status[:1] == b"1" and rest:
                self._answer = rest
            elif status[:1] != b"2":
                self._end(ConnectionRefusedError(f"the proxy refuses with status {status[:3].decode()}"))
            else:
                self._end(None if not rest else ConnectionError("the proxy says more than it was asked"))
        elif len(self._answer) > TUNNEL_BYTES:
            self._end(ConnectionError(f"the proxy's answer has more than {TUNNEL_BYTES} bytes of headers"))

    def connection_lost(self, _exc: Exception | None) -> None:
        self._end(ConnectionResetError("the proxy closed the connection"))

    def _end(self, error: ConnectionError | None) -> None:
        if self._answered.done():
            return
        if error is None:
            self._answered.set_result(None)
        else:
            self._answered.set_exception(error)
