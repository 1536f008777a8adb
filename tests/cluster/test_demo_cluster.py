"""`make demo-cluster` keeps its promises: it says so by its exit status, and shows what the README says it shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(400)
@pytest.mark.usefixtures("control_plane")  # it starts another one, but where the floor cannot run, neither can this
def test_demonstration_on_a_control_plane_of_its_own() -> None:
    command = [sys.executable, "-m", "scripts.demo_cluster"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=380, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout
    assert re.search(r"^modelroute\S+ .* True +Ready +2/2 ", shown, re.MULTILINE)
    assert re.search(r"^401 missing_key: ", shown, re.MULTILINE)
    assert re.search(r"\d\.\d\d s after the API server had answered kubectl both routers served it", shown)
    assert re.search(r"^OK: \d+ requests in traffic answered, none lost", shown, re.MULTILINE)
    assert done.stderr == ""
