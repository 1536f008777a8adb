"""Where a pool's servers are: endpoints from EndpointSlices or stated addresses, and what is permitted there. Pure.

An author must not be able to point a pool at the router's own loopback (its admin port), at a cloud's metadata service
(link-local) or, as an External provider, into the cluster, unless the operator's settings permit it. Names are resolved
by the router, which checks the result by the same rule. Called by `checks` and `evaluate`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final
from urllib.parse import urlsplit

from tieline_api.conditions import Reason
from tieline_api.names import Key, key
from tieline_api.snapshot import Endpoint, PoolEndpoints
from tieline_api.v1alpha1.capacity import SelfHosted

from tieline_operator.objects import EndpointSliceView, EndpointView, ServiceView
from tieline_operator.verdicts import EndpointsVerdict, Finding, Problem
from tieline_operator.world import Options

_NUMBER: Final = re.compile(r"(.*\.)?(0x[0-9a-f]*|[0-9]+)", re.IGNORECASE)


def host_of(base_url: str) -> str:
    """Host name or address of a URL, in lower case, without brackets; empty when it has none that can be read."""
    try:
        host = urlsplit(base_url).hostname or ""
    except ValueError:
        return ""
    return host if is_readable(host) else ""


def is_readable(host: str) -> bool:
    """Whether a host is an IP address or can be a name. Numbers that only some resolvers read (127.1) are neither."""
    try:
        ip_address(host)
    except ValueError:
        return bool(host) and ":" not in host and not _NUMBER.fullmatch(host.rstrip("."))
    return True


def _address(host: str) -> IPv4Address | IPv6Address | None:
    """The address that a host is written as; None for names. `localhost` counts as loopback."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return IPv4Address("127.0.0.1")
    try:
        address = ip_address(name)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_private(host: str) -> bool:
    """Whether a host is written as an address that is not public: private, loopback, link-local, multicast."""
    address = _address(host)
    return address is not None and (not address.is_global or address.is_multicast)


def is_forbidden(host: str, options: Options) -> bool:
    """Whether an own server may not stand there: loopback unless the options permit it; link-local, multicast and
    unspecified addresses never."""
    address = _address(host)
    if address is None:
        return False
    if address.is_loopback:
        return not options.loopback_addresses
    return address.is_link_local or address.is_multicast or address.is_unspecified


def split(address: str) -> tuple[str, str]:
    """Host (without brackets) and port of `host:port`."""
    host, _, port = address.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), port


def join(host: str, port: int) -> str:
    """`host:port`, IPv6 in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def service_key(namespace: str, hosted: SelfHosted) -> Key | None:
    """The Service that a pool refers to; None when it states addresses."""
    return None if hosted.service_ref is None else key(namespace, hosted.service_ref.name)


def endpoints(
    namespace: str,
    hosted: SelfHosted,
    services: Mapping[Key, ServiceView],
    slices: Mapping[Key, tuple[EndpointSliceView, ...]],
    options: Options,
) -> EndpointsVerdict:
    """Addresses of a SelfHosted pool, in order of address."""
    if hosted.service_ref is None:
        stated = tuple(Endpoint(address=address) for address in sorted(hosted.addresses or ()))
        return EndpointsVerdict(PoolEndpoints(endpoints=stated), observed=False)
    name, port = hosted.service_ref.name, hosted.service_ref.port
    service, views = services.get(key(namespace, name)), slices.get(key(namespace, name), ())
    if service is None and not views:
        problem = Problem(
            "spec.selfHosted.serviceRef",
            f"Service {namespace}/{name} does not exist",
            "create it, or correct the name",
        )
        return EndpointsVerdict(PoolEndpoints(), True, Finding.of(Reason.SERVICE_NOT_FOUND, problem))
    names = None if service is None else {item.name for item in service.ports if item.port == port}
    if service is not None and not names:
        has = ", ".join(str(item.port) for item in service.ports) or "none"
        problem = Problem(
            "spec.selfHosted.serviceRef.port",
            f"Service {namespace}/{name} has no port {port} (its ports: {has})",
            "write the port of the Service, not that of its pods",
        )
        return EndpointsVerdict(PoolEndpoints(), True, Finding.of(Reason.SERVICE_NOT_FOUND, problem))
    found = _gather(views, names, port, options)
    address = None if service is None else f"{name}.{namespace}.svc:{port}"
    return EndpointsVerdict(PoolEndpoints(endpoints=found, service_address=address), observed=True)


def _gather(
    views: Iterable[EndpointSliceView], names: set[str] | None, port: int, options: Options
) -> tuple[Endpoint, ...]:
    """One endpoint for each address; a pod that stands in slices of two address families counts once, as IPv4."""
    found: dict[str, Endpoint] = {}
    seen: dict[tuple[str, int], str] = {}
    for view in sorted(views, key=lambda view: (view.address_type, view.name)):
        number = _port_of(view, names, port)
        for item in view.endpoints if number is not None else ():
            assert number is not None  # noqa: S101 - the line above; told to mypy
            if is_forbidden(item.address, options):
                continue
            if item.target and seen.setdefault((item.target, number), view.address_type) != view.address_type:
                continue
            address = join(item.address, number)
            found[address] = _merge(found.get(address), address, item)
    return tuple(found[address] for address in sorted(found))


def _merge(old: Endpoint | None, address: str, item: EndpointView) -> Endpoint:
    """While a pod moves between two slices it may stand in both: ready in either is ready."""
    ready = item.ready and not item.terminating
    if old is not None and (old.ready or not ready):
        return old
    return Endpoint(address=address, ready=ready, terminating=item.terminating, zone=item.zone)


def _port_of(view: EndpointSliceView, names: set[str] | None, port: int) -> int | None:
    """Port of the pods in this slice: by the name that the Service gives its port; without a Service, the slice's only
    port, or the one with the wanted number. A slice port without number means every port."""
    if not view.ports:
        return None
    if names is not None:
        matching = [item for item in view.ports if item.name in names]
    elif len(view.ports) == 1:
        matching = list(view.ports)
    else:
        matching = [item for item in view.ports if item.port == port]
    return None if not matching else matching[0].port or port
