"""Runs test floors, all of them even when one fails, and ends with one line a floor. Called by the Makefile.

    python -m scripts.test_floors [FLOOR ...] [-- PYTEST ARGUMENTS]

It hides nothing: a floor that collects no test, crashes or passes its time limit has failed, and so has the run.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from scripts import checks

ROOT = Path(__file__).resolve().parent.parent
TESTS = ROOT / "tests"
FOLDERS = ("integration", "conformance", "fuzz", "cluster", "charts", "docs")
FLOORS = ("check", "unit", *FOLDERS)

LIMIT_SECONDS = {
    "unit": 900, "integration": 1200, "conformance": 600, "fuzz": 300, "cluster": 2400, "charts": 1200, "docs": 300,
}  # fmt: skip
"""A floor is ended after this; the cluster floor's includes the first build of the control plane."""
GRACE_SECONDS = 60
"""How long pytest may clean up after it was told to stop."""


@dataclass(frozen=True)
class Counts:
    floor: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    note: str = ""


def run_checks() -> Counts:
    started, failed = time.monotonic(), 0
    for name, check in checks.PARTS.items():
        problem = check()
        failed += bool(problem)
        print(f"FAILED {name}\n{problem}" if problem else f"ok     {name}", flush=True)
    return Counts("check", len(checks.PARTS) - failed, failed, 0, time.monotonic() - started)


def paths(floor: str) -> list[str]:
    if floor != "unit":
        return [str(TESTS / floor)]
    return sorted(str(path) for path in TESTS.iterdir() if (path / "__init__.py").exists() and path.name not in FOLDERS)


def run_pytest(floor: str, extra: list[str]) -> Counts:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}"]
        command += [] if any(Path(argument.partition("::")[0]).exists() for argument in extra) else paths(floor)
        command += ["-n", "2"] if floor == "unit" else []
        status = supervise([*command, *extra], LIMIT_SECONDS[floor])
        return counts(floor, report.read_bytes() if report.exists() else b"", status, time.monotonic() - started)


def supervise(command: list[str], limit: float) -> int | None:
    """The program's exit status; None when its time was up and it was ended. Ctrl-C reaches the program by itself."""
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ | {"PYTHONUNBUFFERED": "1"})
    try:
        return process.wait(limit)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        return None
    finally:
        try:
            process.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()


def counts(floor: str, report: bytes, status: int | None, seconds: float) -> Counts:
    """What a JUnit report and pytest's exit status come to; a failure that no test stands for counts as one."""
    passed = failed = skipped = 0
    for suite in ET.fromstring(report).iter("testsuite") if report else ():
        bad, idle = int(suite.get("failures", 0)) + int(suite.get("errors", 0)), int(suite.get("skipped", 0))
        passed += int(suite.get("tests", 0)) - bad - idle
        failed, skipped = failed + bad, skipped + idle
    note = ""
    if status is None:
        note = f"ended after {LIMIT_SECONDS.get(floor, 0)} s"
    elif status == pytest.ExitCode.NO_TESTS_COLLECTED:
        note = "collected no test"
    elif status != 0 and not failed:
        note = f"pytest ended with status {status}"
    return Counts(floor, max(passed, 0), failed + bool(note and not failed), skipped, seconds, note)


def show(results: list[Counts]) -> None:
    """One line a floor, then the sums alone on the last line."""
    if sys.stdout.isatty():
        table = Table("floor", "passed", "failed", "skipped", "seconds", "")
        for row in results:
            style = "red" if row.failed else "green"
            cells = (row.floor, str(row.passed), str(row.failed), str(row.skipped), f"{row.seconds:.0f}", row.note)
            table.add_row(*cells, style=style)
        Console().print(table)
    else:
        print()
        for row in results:
            line = f"{row.floor:<12}{row.passed:>6} passed {row.failed:>4} failed {row.skipped:>4} skipped"
            print(f"{line} {row.seconds:>6.0f} s  {row.note}".rstrip())
        print()
    passed, failed, skipped = (sum(getattr(row, key) for row in results) for key in ("passed", "failed", "skipped"))
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)


def main() -> None:
    arguments = sys.argv[1:]
    cut = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser(prog="test_floors", description="Run test floors and count.")
    parser.add_argument("floors", nargs="*", choices=[*FLOORS, []], metavar="FLOOR", help=", ".join(FLOORS))
    floors = parser.parse_args(arguments[:cut]).floors or list(FLOORS)
    results = []
    for floor in floors:
        print(f"\n== {floor}", flush=True)
        results.append(run_checks() if floor == "check" else run_pytest(floor, arguments[cut + 1 :]))
    show(results)
    sys.exit(any(row.failed for row in results))


if __name__ == "__main__":
    main()
