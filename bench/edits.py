"""How long an edit takes from `kubectl apply` to both routers, and how soon edits work again after an outage.

Everything is real but the containers: API server, RBAC, TLS, tokens, kubectl; operator and two routers are processes
under the chart's service accounts. Measured from outside: by the API server's audit log, a watch of the route's status,
and the routers' own snapshots. Called by `python -m bench`, inside a network namespace.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import figures, machine
from bench.observing import Config, Observer, Times
from tests.support.control_plane import ControlPlane
from tests.support.installation import Installation
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.waiting import wait_until

NAMESPACE = "default"
WARM_UP = 3
"""Edits before the measured ones: kubectl fills its cache, Python compiles what it imports."""
RETRY_SECONDS = 0.05
LOG_CHARACTERS = 8000
"""Of the processes' logs, shown when a measurement fails."""

POOL: dict[str, Any] = {
    "apiVersion": "tieline.dev/v1alpha1",
    "kind": "ProviderPool",
    "metadata": {"name": "bought"},
    "spec": {
        "type": "External",
        "external": {"baseURL": "https://api.example.com"},
        "models": [{"name": "author/model", "pricing": {"base": {"prompt": "0.10", "completion": "0.30"}}}],
    },
}


def route(weight: int) -> dict[str, Any]:
    """The route that is edited; the weight tells one edit from the next, in objects and in routers."""
    return {
        "apiVersion": "tieline.dev/v1alpha1",
        "kind": "ModelRoute",
        "metadata": {"name": "edited"},
        "spec": {
            "models": ["edited"],
            "backendRefs": [{"name": "bought", "model": "author/model", "weight": weight}],
        },
    }


def serves(weight: int) -> Callable[[Config], bool]:
    """Whether a router's configuration holds that edit."""
    return lambda config: any(
        backend.get("weight") == weight for one in config.get("routes", []) for backend in one["backends"]
    )


class Bench:
    """One installation and the edits made on it."""

    def __init__(self, plane: ControlPlane, installation: Installation, console: Console) -> None:
        self._plane = plane
        self._installation = installation
        self._console = console
        self._kubectl = Kubectl(plane.kubeconfig())
        self._observer = Observer(plane, installation.routers, NAMESPACE, "edited")
        self._weight = 1

    @contextmanager
    def prepared(self) -> Iterator[None]:
        self._kubectl.apply(POOL, route(self._weight))
        with self._observer:
            for _ in range(WARM_UP):
                self.edit()
            yield

    def edit(self, *, insist: bool = False) -> Times:
        """One `kubectl apply`, followed until it is acknowledged. `insist`: again while the API server refuses."""
        self._weight += 1
        weight = self._weight

        def apply() -> None:
            if not insist:
                self._kubectl.apply(route(weight))
                return
            wait_until(lambda: self._applied(weight), "kubectl apply to succeed", 60)

        return self._observer.follow(apply, serves(weight), 120)

    def _applied(self, weight: int) -> bool:
        try:
            self._kubectl.apply(route(weight))
        except (KubectlError, subprocess.TimeoutExpired):
            time.sleep(RETRY_SECONDS)
            return False
        return True

    def edits(self, count: int) -> dict[str, Any]:
        """`count` edits, one after the other, each when the one before was acknowledged."""
        taken = [self._say(f"edit {number} of {count}", self.edit()) for number in range(1, count + 1)]
        return {
            "count": count,
            "applyToAnswer": figures.summary([times.answered for times in taken]),
            "applyToLive": figures.summary([times.live for times in taken]),
            "applyToAcked": figures.summary([times.acked for times in taken]),
            "answerToLive": figures.summary([times.live - times.answered for times in taken]),
            "answerToAcked": figures.summary([times.acked - times.answered for times in taken]),
        }

    def outages(self, rounds: int, seconds: float) -> dict[str, Any]:
        """The API server is killed, away for `seconds`, and started; from its readiness to the first edit acked."""
        found = []
        for number in range(1, rounds + 1):
            self._plane.kill("kube-apiserver")
            time.sleep(seconds)
            self._plane.spawn("kube-apiserver")
            self._plane.wait_ready()
            ready = time.monotonic()
            times = self._say(f"outage {number} of {rounds}", self.edit(insist=True))
            found.append(times.started + times.acked - ready)
        return {"rounds": rounds, "outageSeconds": seconds, "readyToAcked": figures.summary(found)}

    def kills(self, rounds: int) -> dict[str, Any]:
        """The operator is killed with -9 and started at once; from both to the first edit acked."""
        operator, from_kill, from_start = self._installation.operator, [], []
        for number in range(1, rounds + 1):
            killed = time.monotonic()
            operator.kill()
            operator.start(ready=False)
            started = time.monotonic()
            times = self._say(f"kill {number} of {rounds}", self.edit())
            from_kill.append(times.started + times.acked - killed)
            from_start.append(times.started + times.acked - started)
        return {
            "rounds": rounds,
            "killToAcked": figures.summary(from_kill),
            "startToAcked": figures.summary(from_start),
        }

    def _say(self, what: str, times: Times) -> Times:
        self._console.print(
            f"{what}: answered {times.answered:.3f} s, live on both {times.live:.3f} s, acked {times.acked:.3f} s"
        )
        return times


def run(console: Console, *, edits: int, rounds: int, outage_seconds: float) -> dict[str, Any]:
    """All figures of this file, stored as `results/edits.json`."""
    where = machine.facts()
    with tempfile.TemporaryDirectory(prefix="tieline-bench-") as name, ControlPlane(Path(name) / "plane") as plane:
        console.print("the control plane is ready; Tieline is installed")
        installation = Installation(plane, Path(name) / "tieline")
        try:
            installation.start()
            bench = Bench(plane, installation, console)
            with bench.prepared():
                found = {
                    "machine": where,
                    "routers": len(installation.routers),
                    "edits": bench.edits(edits),
                    "outages": bench.outages(rounds, outage_seconds),
                    "kills": bench.kills(rounds),
                }
        except BaseException:
            console.print(installation.logs()[-LOG_CHARACTERS:], markup=False)
            raise
        finally:
            installation.stop()
    figures.store("edits", found)
    return found
