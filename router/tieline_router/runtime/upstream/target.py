"""Where one attempt goes, and the head of its request as bytes. No sockets.

Everything that does not change from request to request is encoded once. Names and values are checked as they are
encoded: nothing that a manifest, a Secret or a client holds can end a header line. Built by `targets`.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, NamedTuple, TypeAlias

from yarl import URL

from tieline_router.errors import ErrorClass
from tieline_router.runtime.addresses import Reach
from tieline_router.runtime.upstream.failure import UpstreamFailure

Headers: TypeAlias = tuple[tuple[str, str], ...]
"""Headers of one request, beside and before those of its target."""

_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # a token: RFC 9110, section 5.6.2
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")  # RFC 9110, section 5.5, and what lies above ASCII
_FRAMING: Final = frozenset({"connection", "content-length", "expect", "host", "te", "trailer", "transfer-encoding"})
"""What frames the request is written here alone."""
_HEADER_SETS: Final = 64
"""Sets of names that requests add: they follow from our code, not from clients."""


class Origin(NamedTuple):
    """What two requests must have in common to go over one connection."""

    scheme: str
    host: str
    port: int
    tls: ssl.SSLContext | None
    """The private trust; None = the system's, or no TLS."""
    server_name: str | None
    proxy: str | None
    proxy_authorization: str | None
    reach: str

    @property
    def secure(self) -> bool:
        """The connection, or the way to its proxy, is encrypted."""
        return self.scheme == "https" or (self.proxy is not None and self.proxy.startswith("https:"))


@dataclass(frozen=True, eq=False)
class Target:
    """Where one attempt goes and what it carries. Kept and used again: equal only to itself."""

    url: URL
    headers: Mapping[str, str]
    secrets: tuple[str, ...] = ()
    """What of the headers is secret: it must not come back in a provider's words."""
    tls: ssl.SSLContext | bool = True
    """Whom https trusts; True = the system's authorities."""
    server_name: str | None = None
    reach: Reach = Reach.PUBLIC
    """Addresses that a connection may be made to."""
    proxy: URL | None = None
    """A forward proxy, without user and password."""
    proxy_authorization: str | None = None
    """What the proxy wants to see: `Basic …`."""
    _starts: dict[tuple[str, ...], bytes] = field(default_factory=dict, init=False, repr=False)

    @property
    def tunnelled(self) -> bool:
        """A proxy stands between, and sees no more than where to."""
        return self.proxy is not None and self.url.scheme == "https"

    @cached_property
    def origin(self) -> Origin:
        """
        Raises:
            UpstreamFailure: the URL names no host or port.
        """
        url = self.url
        if not url.raw_host or not url.port or url.scheme not in {"http", "https"}:
            raise UpstreamFailure(ErrorClass.NAME_UNRESOLVED, "the URL names no host or port that can be reached")
        return Origin(
            url.scheme,
            url.raw_host,
            url.port,
            self.tls if isinstance(self.tls, ssl.SSLContext) else None,
            self.server_name,
            str(self.proxy) if self.proxy else None,
            self.proxy_authorization,
            self.reach.value,
        )

    def head(self, length: int, headers: Headers = ()) -> bytes:
        """The request line and all headers.

        Args:
            length: of the body, in bytes.
            headers: of this request alone; they replace those of the target that have the same name.

        Raises:
            UpstreamFailure: a header cannot be sent.
        """
        if not headers:
            return b"%bContent-Length: %d\r\n\r\n" % (self._start(()), length)
        start = self._start(tuple([name for name, _ in headers]))
        try:
            lines = b"".join([encoded(name, value) for name, value in headers])
        except ValueError as error:
            raise UpstreamFailure(ErrorClass.BAD_REQUEST, str(error)) from None
        return b"%b%bContent-Length: %d\r\n\r\n" % (start, lines, length)

    def _start(self, names: tuple[str, ...]) -> bytes:
        """The request line and the target's headers but those `names`."""
        known = self._starts.get(names)
        if known is None:
            if len(self._starts) >= _HEADER_SETS:
                self._starts.clear()
            known = self._starts[names] = self._encode({name.lower() for name in names})
        return known

    def _encode(self, without: set[str]) -> bytes:
        path, proxy_lines = self.url.raw_path_qs, b""
        try:
            if self.proxy is not None and not self.tunnelled:
                path = f"{self.url.scheme}://{self.url.host_port_subcomponent}{path}"  # absolute-form
                if self.proxy_authorization is not None:
                    proxy_lines = encoded("Proxy-Authorization", self.proxy_authorization)
            lines = [encoded("Host", self.url.host_port_subcomponent or "")]
            lines += [
                encoded(name, value)
                for name, value in self.headers.items()
                if name.lower() not in without and name.lower() not in _FRAMING
            ]
        except ValueError as error:
            raise UpstreamFailure(ErrorClass.CREDENTIALS_UNAVAILABLE, str(error)) from None
        if without & _FRAMING:
            raise UpstreamFailure(ErrorClass.INTERNAL, f"{without & _FRAMING} is no request's own header")
        return b"POST %b HTTP/1.1\r\n%b%b" % (path.encode("ascii"), b"".join(lines), proxy_lines)


def encoded(name: str, value: str) -> bytes:
    """One header line.

    Raises:
        ValueError: it holds what no header line can carry; the words name the header, not its value.
    """
    if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
        raise ValueError(f"header {name!r} holds characters that no header can carry")
    return f"{name}: {value}\r\n".encode("utf-8", "surrogateescape")
