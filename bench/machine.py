"""Where and when figures were measured: they mean little without it. Called by the benchmarks, stored with them."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.support.control_plane.build import CONTROL_PLANE

ROOT = Path(__file__).parents[1]
PACKAGES = ("aiohttp", "kopf", "kubernetes", "msgspec", "pydantic", "tieline", "uvloop")


def facts() -> dict[str, Any]:
    """Machine, versions, date and commit. `load` is what other processes do now: ask before the measurement."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short=12", "HEAD"),
        "changedFiles": len(
            _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!bench/results").splitlines()
        ),
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "memoryGiB": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "kubernetes": CONTROL_PLANE.version,
        "packages": {name: metadata.version(name) for name in PACKAGES},
        "load": round(os.getloadavg()[0], 2),
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip()
