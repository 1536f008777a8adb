"""`make control-plane`: run a control plane until Ctrl-C, for work by hand.

It runs in the machine's own network, so that kubectl in another terminal reaches it; servers at pod addresses exist
only inside `python -m tests.support.netns`.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field
from rich.console import Console
from tieline_api.commandline import CommandLine, parse

from tests.support.control_plane.build import CONTROL_PLANE
from tests.support.control_plane.plane import ControlPlane
from tests.support.processes import ProcessDied
from tests.support.tools import Unavailable


class Settings(CommandLine):
    """Run a real Kubernetes control plane on loopback until Ctrl-C: etcd, API server, controllers, scheduler, kwok."""

    nodes: int = Field(2, ge=0, le=100)
    """Nodes that kwok plays; with 0 there is neither scheduler nor kwok, and pods stay Pending."""

    folder: Path | None = None
    """Where data, certificates, logs and kubeconfigs are kept and found again; a temporary folder when not given."""


@contextmanager
def _chosen(folder: Path | None) -> Iterator[Path]:
    if folder is not None:
        yield folder
    else:
        with tempfile.TemporaryDirectory(prefix="tieline-control-plane-") as temporary:
            yield Path(temporary)


def main() -> int:
    settings = parse(Settings, program="control-plane")
    console = Console(stderr=True, soft_wrap=True)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    try:
        with _chosen(settings.folder) as folder:
            _run(folder, settings.nodes, stopping, console)
    except (Unavailable, ProcessDied, TimeoutError) as error:
        console.print(f"control plane: {error}", markup=False, highlight=False)
        return 1
    return 0


def _run(folder: Path, nodes: int, stopping: threading.Event, console: Console) -> None:
    started = time.monotonic()
    with ControlPlane(folder, nodes) as plane:
        console.print(
            f"Kubernetes {CONTROL_PLANE.version} with {nodes} nodes at {plane.url}, ready after "
            f"{time.monotonic() - started:.1f} s; logs and audit.log in {plane.folder}",
            highlight=False,
        )
        sys.stdout.write(f"export KUBECONFIG={plane.kubeconfig()}\n")
        sys.stdout.flush()
        console.print("Ctrl-C stops it" + ("." if folder.name.startswith("tieline-") else "; the folder is kept."))
        while not stopping.wait(0.5):
            plane.check()


if __name__ == "__main__":
    sys.exit(main())
