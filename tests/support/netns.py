"""A network namespace in which every pod and Service address is local, so that tests can serve at them.

EndpointSlices refuse loopback addresses, and kwok's pods have addresses at which nobody listens. Inside this namespace
any process may bind any address of the pod and Service networks; nothing leaves the machine and nothing comes in.

    python -m tests.support.netns -- COMMAND…     run a command in it

`enter()` moves the calling process itself; the cluster floor and the demonstration do that before they start anything.
Needs Linux, and root or permitted user namespaces.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import ipaddress
import os
import socket
import struct
import sys
from pathlib import Path

from tests.support.tools import Unavailable

POD_NETWORK = "10.244.0.0/16"
"""Addresses that kwok gives to pods."""

SERVICE_NETWORK = "10.96.0.0/16"
"""Cluster addresses of Services."""

CLONE_NEWUSER = 0x10000000
CLONE_NEWNET = 0x40000000
"""linux/sched.h"""

SIOCSIFFLAGS, SIOCSIFADDR, SIOCSIFNETMASK = 0x8914, 0x8916, 0x891C
"""linux/sockios.h"""

IFF_UP = 1

REMEDY = (
    "run as root, or permit user namespaces (sysctl user.max_user_namespaces and kernel.unprivileged_userns_clone); "
    "in a container even root needs the capability SYS_ADMIN (docker run --cap-add=SYS_ADMIN)"
)


def is_inside() -> bool:
    """Whether any pod address is local and reachable here.

    Both are asked: a namespace without any address lets everything be bound, and elsewhere a default route leads out.
    """
    somewhere = str(ipaddress.ip_network(POD_NETWORK)[-2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.bind((somewhere, 0))
        probe.connect((somewhere, 9))
        return True
    return False


def enter(*, anew: bool = False) -> None:
    """Move this process into a fresh namespace and make pod and Service addresses local; a second call does nothing.

    `anew`: into another one even if pod addresses are local already, for whoever must not share them with a parent.
    Call it from the main thread before sockets and threads are made: those that exist stay in the old network. Raises
    `Unavailable` where the kernel does not permit it.
    """
    if is_inside() and not anew:
        return
    if sys.platform != "linux":
        raise Unavailable("network namespaces exist on Linux alone", "run the cluster floor on Linux")
    if os.geteuid() == 0:
        _unshare(CLONE_NEWNET)
    else:
        _unshare_as_user(CLONE_NEWNET)
    _bring_up("lo")
    for index, network in enumerate((POD_NETWORK, SERVICE_NETWORK)):
        _add_address(f"lo:{index}", network)


def _unshare_as_user(flags: int) -> None:
    """An ordinary user has a namespace's rights as root of a user namespace, in which it alone is mapped."""
    user, group = os.geteuid(), os.getegid()
    _unshare(CLONE_NEWUSER | flags)
    own = Path("/proc/self")
    (own / "setgroups").write_text("deny")  # the kernel demands it before a group may be mapped
    (own / "uid_map").write_text(f"0 {user} 1")
    (own / "gid_map").write_text(f"0 {group} 1")


def _unshare(flags: int) -> None:
    if ctypes.CDLL(None, use_errno=True).unshare(flags) == 0:
        return
    problem = os.strerror(ctypes.get_errno())
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208  a count is wanted, not paths
    many = f" with {threads} threads running (a user namespace wants one)" if threads > 1 else ""
    raise Unavailable(f"no network namespace can be made: {problem}{many}", REMEDY)


def _bring_up(interface: str) -> None:
    _ioctl(SIOCSIFFLAGS, struct.pack("16sH14x", interface.encode(), IFF_UP))


def _add_address(label: str, network: str) -> None:
    """Give the loopback interface the network's first address; the kernel then takes the whole network as its own."""
    mask = str(ipaddress.ip_network(network).netmask)
    for request, value in ((SIOCSIFADDR, _first_address(network)), (SIOCSIFNETMASK, mask)):
        address = struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(value))
        _ioctl(request, struct.pack("16s16s", label.encode(), address))


def _ioctl(request: int, argument: bytes) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        try:
            fcntl.ioctl(channel, request, argument)
        except OSError as error:
            raise Unavailable(f"addresses cannot be set in a network namespace ({error})", REMEDY) from error


def _first_address(network: str) -> str:
    return str(next(ipaddress.ip_network(network).hosts()))


def main() -> None:
    """`python -m tests.support.netns -- COMMAND…`: enter, then become the command."""
    command = sys.argv[1:]
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        sys.exit("usage: python -m tests.support.netns -- COMMAND [ARGUMENT…]")
    try:
        enter()
    except Unavailable as error:
        sys.exit(f"netns: {error}")
    os.execvp(command[0], command)  # noqa: S606  the command is the caller's own


if __name__ == "__main__":
    main()
