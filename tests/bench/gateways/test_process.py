"""Figures from /proc, of processes that this test starts."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.gateways import process
from tests.support.waiting import wait_until

PARENT = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'while True: pass'])"


@pytest.fixture
def busy() -> Iterator[int]:
    """A process that does nothing, with a child that is never idle."""
    running = subprocess.Popen([sys.executable, "-c", PARENT], start_new_session=True)
    yield running.pid
    for pid in process.tree(running.pid):
        os.kill(pid, 9)
    running.wait()


def test_time_and_memory_are_those_of_the_whole_tree(busy: int) -> None:
    wait_until(lambda: len(process.tree(busy)) == 2, "the child to start", 10)
    before = process.cpu_seconds(busy)
    wait_until(lambda: process.cpu_seconds(busy) > before, "time to be counted", 10)
    child = process.tree(busy)[1]
    assert process.resident_bytes(busy) > process.resident_bytes(child) > 0


def test_a_paused_tree_takes_no_time_until_it_goes_on(busy: int) -> None:
    wait_until(lambda: len(process.tree(busy)) == 2, "the child to start", 10)
    process.pause(busy)
    wait_until(lambda: all(_state(pid) == "T" for pid in process.tree(busy)), "the tree to stop", 10)
    stopped = process.cpu_seconds(busy)
    assert process.cpu_seconds(busy) == stopped
    process.resume(busy)
    wait_until(lambda: process.cpu_seconds(busy) > stopped, "the tree to go on", 10)


def test_children_are_pinned_and_the_parent_gets_its_cores_back() -> None:
    before = os.sched_getaffinity(0)
    core = min(before)
    with process.pinned(core):
        told = subprocess.run(
            [sys.executable, "-c", "import os; print(*os.sched_getaffinity(0))"],
            capture_output=True,
            text=True,
            check=True,
        )
    assert told.stdout.split() == [str(core)]
    assert os.sched_getaffinity(0) == before


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
