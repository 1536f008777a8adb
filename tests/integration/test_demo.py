"""`make demo` keeps its promises: it says so by its exit status."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_demonstration_without_a_cluster() -> None:
    command = [sys.executable, "-m", "scripts.demo"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^This answer was bought", done.stdout, re.MULTILINE)
    assert re.search(r"^OK: \d+ answered, none lost", done.stdout, re.MULTILINE)
    assert done.stderr == ""
