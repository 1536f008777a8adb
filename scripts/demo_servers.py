"""`make demo-servers`: what the quickstart's manifests point at, until Ctrl-C: two llama.cpp servers and a paid API."""

from __future__ import annotations

import contextlib
import signal
import sys
import tempfile
from pathlib import Path

from scripts.demo import PORTS, QUICKSTART, is_free
from scripts.demonstration import console_for_people, paid_api
from tests.support.llama_server import llama_server


def main() -> int:
    """Serves until it is told to end; 1 when a port is taken."""
    console = console_for_people()
    taken = [port for port in PORTS if not is_free(port)]
    if taken:
        console.print(f"demo-servers: ports in use: {', '.join(map(str, taken))}; end what listens there", style="red")
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with tempfile.TemporaryDirectory(prefix="tieline-demo-servers-") as name, contextlib.ExitStack() as parts:
        folder = Path(name)
        for letter, port in zip("ab", PORTS, strict=False):
            server = parts.enter_context(llama_server(folder, name=f"llama-{letter}", port=port))
            console.print(f"llama-{letter}   {server.url}")
        parts.enter_context(paid_api(folder, PORTS[2]))
        console.print(f"paid API  http://127.0.0.1:{PORTS[2]}")
        manifests = QUICKSTART.relative_to(Path.cwd()) if QUICKSTART.is_relative_to(Path.cwd()) else QUICKSTART
        console.print(f"In another terminal: tieline dev {manifests} --env-file {manifests}/quickstart.env")
        console.print("Ctrl-C ends them.")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
