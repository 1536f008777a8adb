"""What makes the cluster floor possible on a machine, or the one reason why it is not. Called by its conftest.

Programs are found or built first (that needs the network), then the process moves into a network namespace. Where that
cannot be done the floor is skipped with one loud line; with `CI` set it fails, because nobody would read the line.
"""

from __future__ import annotations

import os

import pytest

from tests.support import netns
from tests.support.control_plane.build import binaries
from tests.support.tools import Unavailable, kubectl_path

PREPARED: pytest.StashKey[Unavailable | None] = pytest.StashKey()
"""In `config.stash`: why the floor cannot run, or None; absent before `prepare`."""


def prepare(config: pytest.Config) -> None:
    """Once a session, outside of any test's time limit: a first build takes minutes, and its progress must be seen."""
    if PREPARED in config.stash:
        return
    config.stash[PREPARED] = None
    capture = config.pluginmanager.getplugin("capturemanager")
    try:
        with capture.global_and_fixture_disabled():
            kubectl_path()
            binaries()
        netns.enter()
    except Unavailable as missing:
        config.stash[PREPARED] = missing


def require(config: pytest.Config) -> None:
    """Skip what depends on the floor, or fail it under CI."""
    prepare(config)
    if missing := config.stash[PREPARED]:
        if os.environ.get("CI"):
            pytest.fail(_line(missing), pytrace=False)
        pytest.skip(_line(missing))


def report(terminal: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The loud line, at the end of the run."""
    if missing := config.stash.get(PREPARED, None):
        terminal.write_line(_line(missing), red=True, bold=True)


def _line(missing: Unavailable) -> str:
    return f"CLUSTER FLOOR NOT RUN: {missing.reason.strip()} To run it: {missing.remedy}."
