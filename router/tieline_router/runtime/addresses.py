"""Which network addresses a pool may reach. External: public ones, unless its manifest permits private ones. Own
servers: anything but the router's own loopback, link-local addresses (a cloud's metadata service) and multicast.

A name is judged by what it resolves to at every connection, so that a name which pointed outside yesterday cannot point
at the cluster's own services today (DNS rebinding). Used by `upstream`.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from enum import Enum
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any, Final, TypeAlias

AddressInfo: TypeAlias = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]
"""One line of `getaddrinfo`: family, type, protocol, canonical name, socket address."""

_NAT64: Final = ip_network("64:ff9b::/96")
_METADATA: Final = ip_address("fd00:ec2::254")
"""Of a cloud's metadata service over IPv6 (Amazon EC2, "Use the Instance Metadata Service"); not link-local."""


class Reach(Enum):
    """How far a pool reaches; the value says what another address is."""

    PUBLIC = "not public"
    """External pools without `allowPrivate`."""
    CLUSTER = "loopback, link-local or multicast"
    """Own servers."""
    HOST = "link-local or multicast"
    """Own servers beside the router (`tieline dev`)."""
    ANYWHERE = "nowhere"
    """External pools with `allowPrivate`."""

    def permits(self, address: str) -> bool:
        """Whether a connection may be made to this IP address."""
        match self:
            case Reach.PUBLIC:
                return is_public(address)
            case Reach.CLUSTER | Reach.HOST:
                return is_for_servers(address, loopback=self is Reach.HOST)
            case Reach.ANYWHERE:
                return True


class AddressRefused(OSError):
    """No address of a name is permitted; the message names them."""


def is_public(address: str) -> bool:
    """Whether an IP address is reachable from anywhere. IPv4 addresses wrapped into IPv6 count as what they wrap."""
    ip = ip_address(address.partition("%")[0])
    return all(_global(one) for one in (ip, *_wrapped(ip)))


def is_for_servers(address: str, *, loopback: bool) -> bool:
    """Whether an own server may stand at an IP address."""
    ip = ip_address(address.partition("%")[0])
    return (
        not any(
            one.is_link_local or one.is_multicast or one.is_unspecified or (one.is_loopback and not loopback)
            for one in (ip, *_wrapped(ip))
        )
        and ip != _METADATA
    )


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


def permitted(host: str, addresses: Iterable[AddressInfo], reach: Reach) -> list[AddressInfo]:
    """Those of a host's addresses that may be connected to.

    Raises:
        AddressRefused: none is.
    """
    found = list(addresses)
    allowed = [info for info in found if reach.permits(str(info[4][0]))]
    if not allowed:
        stated = ", ".join(sorted({str(info[4][0]) for info in found}))
        raise AddressRefused(f"{host} resolves to {stated}, which is {reach.value}")
    return allowed
