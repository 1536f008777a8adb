"""Names of Services for processes of the cluster floor, which has no cluster DNS: a hosts file of their own.

The calling thread moves into a mount namespace whose /etc/hosts is a copy, so nothing of the machine changes; processes
started from then on resolve what was added. Main thread only. Used where the router must reach a Service by its name.
"""

from __future__ import annotations

import ctypes
import os
import tempfile
from pathlib import Path

from tests.support.tools import Unavailable

HOSTS = Path("/etc/hosts")
MARK = "# names of the cluster floor\n"
"""First line of the copy: only a file that has it is ever written."""

CLONE_NEWNS = 0x00020000
"""linux/sched.h"""
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
"""linux/mount.h"""

REMEDY = "run as root where mounts are permitted (in a container, seccomp and AppArmor must allow unshare and mount)"

_libc = ctypes.CDLL(None, use_errno=True)


def add(name: str, address: str) -> None:
    """Let `name` resolve to `address` for processes started from now on.

    Raises:
        Unavailable: the kernel does not permit a mount namespace.
    """
    if not HOSTS.read_text().startswith(MARK):
        _cover()
    with HOSTS.open("a") as hosts:
        hosts.write(f"{address} {name}\n")


def _cover() -> None:
    """Put a copy over /etc/hosts, for this thread and its descendants; the copy lives as long as they do."""
    _check(_libc.unshare(CLONE_NEWNS))
    _mount("none", "/", MS_REC | MS_PRIVATE)
    descriptor, path = tempfile.mkstemp(prefix="hosts-")
    try:
        with os.fdopen(descriptor, "w") as copy:
            copy.write(MARK + HOSTS.read_text())
        Path(path).chmod(0o644)
        _mount(path, str(HOSTS), MS_BIND)
    finally:
        Path(path).unlink()


def _mount(source: str, target: str, flags: int) -> None:
    _check(_libc.mount(source.encode(), target.encode(), None, flags, None))


def _check(result: int) -> None:
    if result != 0:
        raise Unavailable(f"names cannot be given to Services: {os.strerror(ctypes.get_errno())}", REMEDY)
