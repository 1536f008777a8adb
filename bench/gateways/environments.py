"""Peers from the package index, each in an environment of its own, pinned by `peers/<name>.txt`.

Installed once into the cache; a changed pin makes a new one. Called by `gateways`; needs the network at the first time.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console

from bench.gateways.build import bench_cache

PEERS = Path(__file__).parent / "peers"
COMPLETE = "complete"
"""File in an environment that was installed to its end."""


class NotInstallable(Exception):
    """A peer that cannot be had here; the message says why, in one line."""


def version(name: str, package: str) -> str:
    """The version that `peers/<name>.txt` pins."""
    found = re.search(rf"^{re.escape(package)}(?:\[\S+\])?==([^\s;\\]+)", _pins(name), re.MULTILINE)
    if found is None:
        raise ValueError(f"peers/{name}.txt pins no {package}")
    return found[1]


def environment(name: str, package: str, console: Console) -> Path:
    """Folder of the environment with everything that the file pins.

    Raises:
        NotInstallable: the installer refuses, or there is no network.
    """
    pins = _pins(name)
    digest = hashlib.sha256(f"{sys.version_info[:2]}{pins}".encode()).hexdigest()[:8]
    folder = bench_cache() / f"{name}-{version(name, package)}-{digest}"
    if (folder / COMPLETE).exists():
        return folder
    count = len(re.findall(r"^\w\S*==", pins, re.MULTILINE))
    what = f"installing {package} {version(name, package)} ({count} packages, once) into {folder}"
    console.print(what)
    shutil.rmtree(folder, ignore_errors=True)
    started, uv = time.monotonic(), Path(sys.executable).with_name("uv")
    install: list[str | Path] = ["pip", "install", "--require-hashes", "--python", folder / "bin" / "python"]
    with console.status(what):
        _run(uv, "venv", "--python", sys.executable, folder)
        _run(uv, *install, "--requirement", PEERS / f"{name}.txt")
    (folder / COMPLETE).touch()
    console.print(f"installed {package} in {time.monotonic() - started:.0f} s")
    return folder


def _pins(name: str) -> str:
    return (PEERS / f"{name}.txt").read_text()


def _run(*words: str | Path) -> None:
    try:
        done = subprocess.run(words, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotInstallable(f"uv does not start ({error}): run `make env`") from None
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise NotInstallable("not installable here: " + " ".join(lines[-3:])[:300])
