"""A machine that cannot run the cluster floor says so in one line, and under CI the run fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ONE_TEST = "tests/cluster/test_control_plane.py::test_kubectl_applies_and_reads_back"


def run_without_programs(folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "CI"}
    environment |= {"CONTROL_PLANE_BIN": str(folder), "COLUMNS": "300"} | variables
    command = [sys.executable, "-m", "pytest", ONE_TEST, "-q", "-p", "no:cacheprovider"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=100, check=False)


def test_floor_is_skipped_with_one_loud_line(tmp_path: Path) -> None:
    done = run_without_programs(tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1 skipped" in done.stdout
    [line] = [line for line in done.stdout.splitlines() if line.startswith("CLUSTER FLOOR NOT RUN")]
    assert f"CONTROL_PLANE_BIN={tmp_path} lacks etcd" in line
    assert "To run it: unset it to have them built" in line


def test_under_ci_a_skip_is_a_failure(tmp_path: Path) -> None:
    done = run_without_programs(tmp_path, CI="true")
    assert done.returncode == 1, done.stdout
    assert "1 error" in done.stdout
    assert "skipped" not in done.stdout
