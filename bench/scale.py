"""What judging, compiling and taking over cost with 2,000 routes and 5,000 keys, in this process and on one core.

Full = everything for the first time, as at a start; one edit = one route changed, as after `kubectl apply`. The
functions are those of operator and router, called as they call them, on objects as the API server returns them.
Called by `python -m bench`; needs no cluster.
"""

from __future__ import annotations

import copy
import gc
import time
from collections.abc import Callable
from statistics import median
from typing import Any, TypeVar

from rich.console import Console
from tieline_api.names import GATEWAY_SCOPE
from tieline_api.snapshot import ConfigFrame, Revision, decode_frame
from tieline_operator.compile import Compiled, compile_scope
from tieline_operator.delivery.publications import Publication, Published, Target
from tieline_operator.evaluate import evaluate
from tieline_operator.gather import Gatherer
from tieline_operator.resources import WATCHED
from tieline_operator.store import Store
from tieline_operator.world import Options
from tieline_router.routing.table import RoutingTable, compile_table

from bench import figures, machine
from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import Raw

NAMESPACES = 100
ROUTES = 2000
CONSUMERS = 2500
KEYS = 5000
POOLS = 200
T = TypeVar("T")


def objects() -> list[Raw]:
    """2,000 routes over 100 namespaces, each with two pools, of which one is behind a Service; 2,500 consumers with
    two keys each."""
    return [raw for number in range(NAMESPACES) for raw in _of_namespace(f"team-{number}", number)]


def _of_namespace(namespace: str, number: int) -> list[Raw]:
    here = {"namespace": namespace}
    refs = [manifests.ref("own"), manifests.ref("api", priority=1)]
    raws = [manifests.namespace(namespace), manifests.service(namespace=namespace)]
    ready = [manifests.endpoint(f"10.{number}.0.{host}") for host in range(1, 5)]
    raws.append(manifests.endpoint_slice("own-1", *ready, namespace=namespace))
    raws += [manifests.hosted(meta=here), manifests.external(meta=here)]
    for index in range(ROUTES // NAMESPACES):
        raws.append(manifests.route(f"route-{index}", [f"model-{index}"], refs, here))
    for index in range(CONSUMERS // NAMESPACES):
        keys = (("a", f"keys-{index}", "a"), ("b", f"keys-{index}", "b"))
        values = {name: f"key-{namespace}-{index}-{name}" for name in ("a", "b")}
        raws.append(manifests.consumer(f"team-{index}", *keys, meta=here))
        raws.append(manifests.secret(f"keys-{index}", values, namespace=namespace))
    return raws


class Clock:
    """Collects how long each named step took, run after run."""

    def __init__(self) -> None:
        self.seconds: dict[str, list[float]] = {}

    def time(self, name: str, step: Callable[[], T]) -> T:
        gc.collect()
        started = time.perf_counter()
        result = step()
        self.seconds.setdefault(name, []).append(time.perf_counter() - started)
        return result

    def medians(self) -> dict[str, float]:
        return {name: round(median(samples), figures.DIGITS) for name, samples in self.seconds.items()}


class Planes:
    """Both planes without their sockets: from objects to a router's table."""

    def __init__(self, raws: list[Raw]) -> None:
        self._store = Store(resource.kind for resource in WATCHED)
        for raw in raws:
            self._store.put(raw["kind"], raw)
        self._gatherer = Gatherer(self._store, Options(), "tieline-system")
        self._publication = Publication(Target(GATEWAY_SCOPE, "default"))
        self._counter = 0
        self._evaluation: Any = None
        self._table: RoutingTable | None = None
        self.bytes = 0

    def edit(self, raw: Raw) -> None:
        self._store.put(raw["kind"], raw)

    def take_over(self, clock: Clock) -> None:
        """Everything that follows a change, timed step by step."""
        world = clock.time("gather", self._gatherer.world)
        self._evaluation = clock.time("evaluate", lambda: evaluate(world, self._evaluation))
        compiled = clock.time("compile", lambda: compile_scope(self._evaluation, GATEWAY_SCOPE, "default"))
        config = clock.time("encode", lambda: self._publish(compiled))
        frame = clock.time("decode", lambda: decode_frame(config.data))
        if not isinstance(frame, ConfigFrame):
            raise TypeError(f"a {type(frame).__name__} where a config frame belongs")
        self._table = clock.time("table", lambda: compile_table(frame.config, self._table))
        self.bytes = len(config.data)
        found = frame.config
        sizes = (len(found.routes), len(found.pools), sum(len(consumer.keys) for consumer in found.consumers))
        if sizes != (ROUTES, POOLS, KEYS):
            raise ValueError(f"{sizes} routes, pools and keys were compiled, not {(ROUTES, POOLS, KEYS)}")

    def _publish(self, compiled: Compiled) -> Published:
        return next(one for one in self._publication.update(compiled, self._revision, 0.0) if one.kind == "config")

    def _revision(self) -> Revision:
        self._counter += 1
        return Revision("bench", 1, self._counter)


def run(console: Console, *, rounds: int) -> dict[str, Any]:
    """All figures of this file (medians over `rounds`), stored as `results/scale.json`."""
    where, full, edit = machine.facts(), Clock(), Clock()
    size = 0
    for number in range(1, rounds + 1):
        raws = objects()
        planes = Planes(raws)
        planes.take_over(full)
        edited = copy.deepcopy(next(raw for raw in raws if raw["kind"] == "ModelRoute"))
        edited["spec"]["backendRefs"][0]["weight"] = 7
        edited["metadata"] |= {"generation": 2, "resourceVersion": "2"}
        planes.edit(edited)
        planes.take_over(edit)
        size = planes.bytes
        console.print(f"round {number} of {rounds}: " + ", ".join(f"{k} {v[-1]:.3f}" for k, v in full.seconds.items()))
    found = {
        "machine": where,
        "rounds": rounds,
        "routes": ROUTES,
        "keys": KEYS,
        "pools": POOLS,
        "configBytes": size,
        "full": full.medians(),
        "edit": edit.medians(),
    }
    figures.store("scale", found)
    return found
