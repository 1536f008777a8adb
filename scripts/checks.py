"""The parts of `make check`: programs and functions that should find nothing wrong. Called by `scripts.test_floors`."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from scripts import lock

ROOT = Path(__file__).resolve().parent.parent
CRD_FOLDERS = (ROOT / "crds", ROOT / "charts" / "tieline-crds" / "files")
LIMIT_SECONDS = 600


def run(command: Sequence[str]) -> str:
    """Runs a program of .venv (or of Python, `-m`) and gives what it printed, if it failed."""
    tool, *arguments = command
    program = [sys.executable, tool] if tool == "-m" else [str(Path(sys.executable).with_name(tool))]
    done = subprocess.run(
        program + arguments,
        cwd=ROOT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_SECONDS,
    )
    return "" if done.returncode == 0 else done.stdout.strip() or f"exit status {done.returncode}"


def generated_crds() -> str:
    """Do the CRDs, and the chart's copies of them, say what the Python types say?"""
    with tempfile.TemporaryDirectory() as scratch:
        if problem := run(["-m", "tieline_api.schema", "--out", scratch]):
            return problem
        fresh = {path.name: path.read_text() for path in Path(scratch).glob("*.yaml")}
    if not fresh:
        return "tieline_api.schema wrote no CRD"
    differing = []
    for folder in CRD_FOLDERS:
        kept = {path.name: path.read_text() for path in folder.glob("*.yaml")}
        names = sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))
        differing += [str((folder / name).relative_to(ROOT)) for name in names]
    return f"differ from the Python types, run `make crds`: {', '.join(differing)}" if differing else ""


def lock_files() -> str:
    """Do the lock files name no address, agree with one another and cover pyproject.toml?"""
    problems = lock.disagreements() + lock.uncovered()
    for name in lock.LOCKS:
        if found := lock.ADDRESS.search((ROOT / "requirements" / name).read_text()):
            problems.append(f"requirements/{name} names an address: {found.group()!r}")
    return "\n".join([*problems, "run `make lock`"]) if problems else ""


PARTS: dict[str, Callable[[], str]] = {
    "lint (ruff check)": lambda: run(["ruff", "check", "--quiet", "."]),
    "format (ruff format)": lambda: run(["ruff", "format", "--check", "--quiet", "."]),
    "types (mypy)": lambda: run(["mypy", "--no-error-summary"]),
    "layers (import-linter)": lambda: run(["lint-imports"]),
    "generated CRDs": generated_crds,
    "generated parts of charts": lambda: run(["-m", "scripts.charts", "--check"]),
    "generated pages": lambda: run(["-m", "scripts.reference_docs", "--check"]),
    "lock files": lock_files,
}
"""Name → a check that gives "" or what is wrong and what to do."""
