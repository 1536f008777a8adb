"""Child processes that cannot outlive the tests: own group, killed by the kernel when the parent dies, log kept.

Used by the control plane, by the installation of Tieline and by demonstrations. Spawn only from the main thread: the
kernel's parent-death signal follows the *thread* that started the child, and a pool's thread may end at any time.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import random
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

PR_SET_PDEATHSIG = 1
"""linux/prctl.h"""

PORTS = range(20000, 32000)
"""Below Linux's ephemeral range (32768 up), so that no outgoing connection takes a port while its server restarts."""

_libc = ctypes.CDLL(None, use_errno=True)
_random = random.SystemRandom()


class ProcessDied(RuntimeError):
    """A child ended when it should have run; the message carries its exit code and the last lines of its log."""


class ChildProcess:
    """One running program. `log` takes both of its output streams, appended over restarts."""

    def __init__(
        self, name: str, command: Sequence[str | Path], log: Path, *, cwd: Path, environment: Mapping[str, str]
    ) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(f"start {name} from the main thread: the kernel kills it when its starting thread ends")
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._process = subprocess.Popen(
                [str(word) for word in command],
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                preexec_fn=_DieWithParent(os.getpid()),  # noqa: PLW1509  it only calls prctl, loaded beforehand
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def check(self) -> None:
        """Raises `ProcessDied` when the process has ended."""
        if self.returncode is not None:
            raise ProcessDied(f"{self.name} ended with code {self.returncode}; {self.log} ends with:\n{self.tail()}")

    def tail(self, lines: int = 20) -> str:
        """The last lines that this run of the process wrote."""
        with self.log.open("rb") as written:
            written.seek(self._log_start)
            return b"\n".join(written.read().splitlines()[-lines:]).decode(errors="replace")

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the whole process group; nothing happens when it is gone already."""
        if self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 10) -> int:
        """Send the signal, wait for the end, kill after `seconds`; the exit code."""
        self.send(number)
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.send(signal.SIGKILL)
            return self._process.wait()


class _DieWithParent:
    """Runs in the child between fork and exec: asks for SIGKILL at the parent's death, or ends if that has happened."""

    def __init__(self, parent: int) -> None:
        self.parent = parent

    def __call__(self) -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != self.parent:
            os._exit(1)


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """`count` different TCP ports that nobody listens on now.

    A race with another process stays possible; callers that start servers retry once with new ports.
    """
    with contextlib.ExitStack() as held:
        found: list[int] = []
        for port in _random.sample(PORTS, len(PORTS)):
            probe = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind((host, port))
                found.append(port)
            if len(found) == count:
                return found
    raise OSError(f"fewer than {count} free ports between {PORTS.start} and {PORTS.stop} on {host}")
