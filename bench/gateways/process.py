"""Processes under measurement: the core that they run on, the CPU time and memory of their trees, pauses between turns.

Reads /proc, so it is Linux only. Used by `turn` and `memory`; starts nothing by itself.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.support.tools import Unavailable

KIBIBYTE = 1024
NANOSECOND = 1e-9


def cores() -> tuple[int, int]:
    """The gateway's core, and the core of client and mock.

    Raises:
        Unavailable: fewer than two cores may be used here.
    """
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        raise Unavailable("the comparison of gateways needs two cores", "run it on a machine that has them")
    return usable[0], usable[1]


@contextlib.contextmanager
def pinned(core: int) -> Iterator[None]:
    """Children that are started within run on this core, with all their threads; this thread too, meanwhile."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def tree(root: int) -> list[int]:
    """A process and all that descend from it."""
    found = [root]
    for pid in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of a tree's threads, in seconds, to the nanosecond (`/proc/PID/stat` counts in 10 ms)."""
    spent = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(OSError):
                    spent += int((task / "schedstat").read_text().split()[0])
    return spent * NANOSECOND


def resident_bytes(root: int) -> int:
    """Resident memory of a tree, shared pages counted in each process."""
    total = 0
    for pid in tree(root):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{pid}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * KIBIBYTE
    return total


def pause(root: int) -> None:
    """Stop a tree where it stands: who is not measured takes no time of the one who is."""
    _signal(root, signal.SIGSTOP)


def resume(root: int) -> None:
    _signal(root, signal.SIGCONT)


def _signal(root: int, number: signal.Signals) -> None:
    for pid in tree(root):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
