"""The stage of `make demo-cluster`: a real control plane, Tieline installed by its charts, model servers, a paid API.

Starts, ends and finds things; what is shown and judged stands in scripts/demo_cluster.py. There are no containers: kwok
plays the nodes, and each pod's program runs as a process at the pod's address, inside a network namespace.
"""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scripts.demonstration import paid_api, samples
from scripts.terminal import Terminal
from tests.support.control_plane import ControlPlane
from tests.support.installation import Installation
from tests.support.model_servers import LLAMA
from tests.support.pods import PodProcess, PodSet
from tests.support.waiting import wait_until

ROOT = Path(__file__).parents[1]
NAMESPACE = "default"
PAID_API = ("10.96.0.200", 8000)
"""As examples/cluster/20-pools.yaml has it."""


class Stage:
    """All parts. `started` is a context: what it started has ended when it is left."""

    def __init__(self, folder: Path, plane: ControlPlane, terminal: Terminal) -> None:
        self.plane = plane
        self.terminal = terminal
        self.installation = Installation(plane, folder / "tieline")
        self.models = PodSet(
            plane,
            NAMESPACE,
            "app=smollm2",
            folder / "models",
            lambda pod: {"PYTHONPATH": str(ROOT), "POD_IP": pod.address},
            LLAMA,
        )
        for made in ("tieline", "models"):
            (folder / made).mkdir()
        self._folder = folder

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """The paid API from now on; on the way out every process of Tieline and of the models ends."""
        with paid_api(self._folder, PAID_API[1], PAID_API[0]):
            try:
                yield
            finally:
                self.models.stop()
                self.installation.stop()

    @property
    def routers(self) -> list[PodProcess]:
        return self.installation.routers

    @property
    def apis(self) -> list[str]:
        return [router.url("http") for router in self.routers]

    @property
    def admins(self) -> list[str]:
        return [router.url("admin") for router in self.routers]

    def follow_models(self, replicas: int) -> None:
        """Waits until the Deployment has that many pods, gives each its process, and until every router has them."""
        wait_until(lambda: len(self.models.pods()) == replicas, f"{replicas} pods of the model server")
        self.models.sync()
        addresses = {process.address for process in self.models.processes}
        for admin in self.admins:
            wait_until(lambda admin=admin: self._known(admin) == addresses, f"{admin} to know {sorted(addresses)}")  # type: ignore[misc]

    def _known(self, admin: str) -> set[str]:
        """Addresses of the pool `own` that a router would use now."""
        endpoints = answer(f"{admin}/admin/endpoints")["endpoints"]
        own = [one for one in endpoints if one["pool"] == f"{NAMESPACE}/own" and one["ready"]]
        return {one["address"].rpartition(":")[0] for one in own}

    def revision(self, admin: str) -> dict[str, Any]:
        """The revision of the configuration that a router serves: installation, epoch, counter."""
        found: dict[str, Any] = answer(f"{admin}/admin/snapshot")["revision"]
        return found

    def busiest_model(self) -> PodProcess | None:
        """The model server with most requests under way, as the routers count them; None when all are idle."""
        busy: dict[str, int] = {}
        for admin in self.admins:
            for one in answer(f"{admin}/admin/endpoints")["endpoints"]:
                address = one["address"].rpartition(":")[0]
                busy[address] = busy.get(address, 0) + one["inFlight"]
        running = [process for process in self.models.processes if process.running and busy.get(process.address)]
        return max(running, key=lambda process: busy[process.address], default=None)

    def failed_attempts(self) -> int:
        """Attempts at providers that failed so far, over both routers, by their metrics."""
        counted = [samples(admin, "tieline_router_attempts_total") for admin in self.admins]
        return int(sum(value for of in counted for labels, value in of.items() if dict(labels)["outcome"] != "ok"))

    def logs(self) -> str:
        """The last lines of every process, for when something went wrong."""
        files = sorted(self._folder.glob("tieline/*.log")) + sorted(self._folder.glob("models/*.log"))
        return "\n".join(f"--- {file.name}\n" + "\n".join(file.read_text().splitlines()[-8:]) for file in files)


def answer(url: str) -> Any:
    """Decoded JSON of a GET to one of our own processes."""
    with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 - an address that we gave out ourselves
        return json.load(response)


def conditions_and_events(lines: list[str]) -> list[str]:
    """Of `kubectl describe`: what each condition says, and the Events."""
    start, events = lines.index("  Conditions:"), lines.index("Events:")
    end = next(number for number in range(start + 1, events) if not lines[number].startswith("    "))
    dull = ("    Last Transition Time:", "    Observed Generation:")
    told = [line for line in lines[start:end] if not line.startswith(dull) and not line.endswith("Message:")]
    return ["[…]", *(line for line in told if line.strip() != "Message:"), "[…]", *lines[events:]]
