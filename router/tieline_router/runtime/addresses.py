"""Which network addresses an External pool may reach: public ones, unless its manifest permits private ones.

A name is judged by what it resolves to at every connection, so that a name which pointed outside yesterday cannot point
at the cluster's own services today (DNS rebinding). Used by `upstream`.
"""

from __future__ import annotations

import socket
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

_NAT64: Final = ip_network("64:ff9b::/96")


class AddressRefused(OSError):
    """Every address of a name is private; the message names them."""


def is_public(address: str) -> bool:
    """Whether an IP address is reachable from anywhere. IPv4 addresses wrapped into IPv6 count as what they wrap."""
    ip = ip_address(address.partition("%")[0])
    return all(_global(one) for one in (ip, *_wrapped(ip)))


def _global(ip: IPv4Address | IPv6Address) -> bool:
    wrapper = isinstance(ip, IPv6Address) and bool(_wrapped(ip))
    return wrapper or (ip.is_global and not ip.is_multicast)


def _wrapped(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    if isinstance(ip, IPv4Address):
        return []
    inner = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        inner.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return [one for one in inner if one is not None]


def literal_address(host: str) -> str | None:
    """The IP address that a URL's host is, if it is one and no name."""
    try:
        return str(ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        return None


class PublicResolver(AbstractResolver):
    """Resolves names and leaves out addresses that are not public.

    Raises:
        AddressRefused: nothing is left.
    """

    def __init__(self, inner: AbstractResolver | None = None) -> None:
        self._inner = inner or ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        results = await self._inner.resolve(host, port, family)
        public = [result for result in results if is_public(result["host"])]
        if not public:
            found = ", ".join(sorted({result["host"] for result in results}))
            raise AddressRefused(f"{host} resolves to {found}, which is not public")
        return public

    async def close(self) -> None:
        await self._inner.close()
