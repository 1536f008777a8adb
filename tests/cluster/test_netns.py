"""The network namespace: what is local in it, who may make one, and what it says where nobody may."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

from tests.support import netns
from tests.support.control_plane import ControlPlane

ROOT = Path(__file__).parents[2]

SERVE_AT = """
import socket, sys
for host in sys.argv[1:]:
    with socket.create_server((host, 0)) as server, socket.create_connection(server.getsockname(), 5) as client:
        print(client.getpeername()[0])
try:
    socket.create_connection(("192.0.2.1", 80), 5)
except OSError as error:
    print(error.strerror)
"""

AS_USER = """
import ctypes, os
from tests.support import netns
if os.geteuid() == 0:
    netns._unshare(netns.CLONE_NEWNET)
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # PR_SET_DUMPABLE, which an exec would restore: /proc/self is ours again
else:
    netns._unshare(netns.CLONE_NEWUSER | netns.CLONE_NEWNET)
assert not netns.is_inside()
netns.enter()
assert netns.is_inside()
"""


NONE_PERMITTED = """
import pathlib
from tests.support import netns
netns._unshare_as_user(0)
pathlib.Path("/proc/sys/user/max_net_namespaces").write_text("0")
netns._unshare(netns.CLONE_NEWNET)
"""


NAMED = """
import pathlib, subprocess, sys
from tests.support import service_names
service_names.add("own.ai.svc", "10.96.7.7")
service_names.add("two.ai.svc", "10.96.7.8")
ask = "import socket; print(socket.gethostbyname('own.ai.svc'), socket.gethostbyname('two.ai.svc'))"
subprocess.run([sys.executable, "-c", ask], check=True)
"""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_command_runs_where_pod_and_service_addresses_are_local() -> None:
    hosts = ["10.244.0.1", "10.244.255.254", "10.96.7.7", "127.0.0.1"]
    done = run("-m", "tests.support.netns", "--", sys.executable, "-c", SERVE_AT, *hosts)
    assert done.stdout.split("\n")[:4] == hosts, done.stderr
    assert "unreachable" in done.stdout


def test_command_keeps_its_exit_code_and_none_is_an_error() -> None:
    assert run("-m", "tests.support.netns", "--", sys.executable, "-c", "raise SystemExit(7)").returncode == 7
    usage = run("-m", "tests.support.netns")
    assert usage.returncode == 1
    assert "usage:" in usage.stderr


def test_ordinary_user_may_enter() -> None:
    done = run("-c", AS_USER)
    assert done.returncode == 0, done.stderr


def test_names_of_services_resolve_for_processes_started_later_and_nowhere_else() -> None:
    before = Path("/etc/hosts").read_text()
    done = run("-c", NAMED)
    assert done.stdout.split() == ["10.96.7.7", "10.96.7.8"], done.stderr
    assert Path("/etc/hosts").read_text() == before


def test_refusal_of_the_kernel_is_explained() -> None:
    done = run("-c", NONE_PERMITTED)
    assert "no network namespace can be made: No space left on device; run as root, or permit" in done.stderr


def test_floor_runs_inside(control_plane: ControlPlane) -> None:
    assert netns.is_inside()
    with socket.create_server(("10.244.9.9", 0)) as listener, socket.create_connection(listener.getsockname(), 5):
        pass
