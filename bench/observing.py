"""Sees from outside when an edit is live: in the status that the API server shows, and in each router's own snapshot.

A watch tells of the status as it is written. Routers are asked every 10 ms for what they serve, which is the resolution
of those figures. Used by the benchmark and by `make demo-cluster`; nothing of Tieline is imported.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Self

import urllib3

from tests.support.control_plane import ControlPlane
from tests.support.pods import PodProcess

Config = dict[str, Any]
"""The part `config` of a router's /admin/snapshot; what is empty is left out."""

POLL_SECONDS = 0.01
RECONNECT_SECONDS = 0.05


@dataclass(frozen=True)
class Times:
    """When one edit got where. `started` is `time.monotonic()`; the others are seconds after it.

    answered: the API server had answered the write (by its audit log). live: every router served it. acked: the
    ModelRoute's status said that every router had acknowledged this generation.
    """

    started: float
    answered: float
    live: float
    acked: float


class RouteWatch:
    """A watch of one ModelRoute in a thread of its own; connects again when the API server was away."""

    def __init__(self, plane: ControlPlane, namespace: str, name: str) -> None:
        self._pool = urllib3.PoolManager(
            ca_certs=str(plane.ca), cert_file=str(plane.folder / "admin.crt"), key_file=str(plane.folder / "admin.key")
        )
        self._url = f"{plane.url}/apis/tieline.dev/v1alpha1/namespaces/{namespace}/modelroutes"
        self._fields = {"watch": "true", "fieldSelector": f"metadata.name={name}"}
        self._news = threading.Condition()
        self._ending = threading.Event()
        self._latest: tuple[float, dict[str, Any]] | None = None
        self._acked: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """The thread ends with the next event or line; it is a daemon, so nothing waits for it."""
        self._ending.set()

    def generation(self, seconds: float) -> int:
        """The newest generation that was seen; waits for the first."""
        with self._news:
            latest = self._news.wait_for(lambda: self._latest, seconds)
            if latest is None:
                raise TimeoutError(f"no ModelRoute was seen within {seconds:g} s")
            return int(latest[1]["metadata"]["generation"])

    def acked(self, after: int, seconds: float) -> float:
        """When (`time.monotonic()`) a generation later than `after` was seen to be acknowledged by every router."""
        with self._news:
            found = self._news.wait_for(lambda: self._first(after), seconds)
            if found is None:
                seen = self._latest[1].get("status") if self._latest else None
                raise TimeoutError(f"generation {after + 1} was not acknowledged within {seconds:g} s; status: {seen}")
            return found

    def _first(self, after: int) -> float | None:
        return min((when for generation, when in self._acked.items() if generation > after), default=None)

    def _run(self) -> None:
        while not self._ending.is_set():
            with contextlib.suppress(urllib3.exceptions.HTTPError, OSError):
                self._read()
            time.sleep(RECONNECT_SECONDS)

    def _read(self) -> None:
        timeout = urllib3.Timeout(connect=2, read=600)
        answer = self._pool.request(
            "GET", self._url, fields=self._fields, preload_content=False, timeout=timeout, retries=False
        )
        if answer.status != 200:  # a server that starts refuses for a moment what it will permit
            answer.release_conn()
            return
        rest = b""
        for chunk in answer.stream(65536, decode_content=True):
            if self._ending.is_set():
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._note(json.loads(line))

    def _note(self, event: dict[str, Any]) -> None:
        if event["type"] not in {"ADDED", "MODIFIED"}:
            return
        now, route = time.monotonic(), event["object"]
        with self._news:
            self._latest = (now, route)
            if is_acked(route):
                self._acked.setdefault(int(route["metadata"]["generation"]), now)
            self._news.notify_all()


def is_acked(route: dict[str, Any]) -> bool:
    """Whether the status says that all routers that are expected have acknowledged the present generation."""
    generation, status = route["metadata"]["generation"], route.get("status") or {}
    programmed = [one for one in status.get("conditions", []) if one["type"] == "Programmed"]
    fleets = status.get("routers", [])
    return (
        any(one["status"] == "True" and one["observedGeneration"] == generation for one in programmed)
        and bool(fleets)
        and all(fleet["acked"] == fleet["expected"] > 0 for fleet in fleets)
        and all(fleet.get("observedGeneration") == generation for fleet in fleets)
    )


class RouterProbe:
    """Asks one router again and again for its snapshot, in a thread, until the configuration is the wanted one."""

    def __init__(self, router: PodProcess, wanted: Callable[[Config], bool]) -> None:
        self.name = router.name
        self.live_at: float | None = None
        self._wanted = wanted
        self._address = router.url("admin").removeprefix("http://")
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"probe-{self.name}", daemon=True)
        self._thread.start()

    def result(self, until: float) -> float:
        """When (`time.monotonic()`) the router was seen to serve it; waits until the time `until`."""
        self._thread.join(max(0.0, until - time.monotonic()))
        self._ending.set()
        if self.live_at is None:
            raise TimeoutError(f"{self.name} does not serve the edit")
        return self.live_at

    def stop(self) -> None:
        self._ending.set()

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=5)
        while not self._ending.is_set():
            try:
                connection.request("GET", "/admin/snapshot")
                config = json.load(connection.getresponse()).get("config")
                if config is not None and self._wanted(config):
                    self.live_at = time.monotonic()
                    return
            except (OSError, http.client.HTTPException):
                connection.close()
            self._ending.wait(POLL_SECONDS)


class Observer:
    """Follows edits of one ModelRoute. `with` it: the watch runs from before the first edit on."""

    def __init__(self, plane: ControlPlane, routers: Sequence[PodProcess], namespace: str, name: str) -> None:
        self._plane = plane
        self._routers = routers
        self._name = name
        self._watch = RouteWatch(plane, namespace, name)

    def __enter__(self) -> Self:
        self._watch.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.stop()

    def follow(self, edit: Callable[[], object], wanted: Callable[[Config], bool], seconds: float = 60) -> Times:
        """Makes the edit and waits until it is live everywhere. `wanted` knows the edit in a router's configuration.

        Raises:
            TimeoutError: it is not live after `seconds`; the message says where not.
        """
        before, mark = self._watch.generation(seconds), self._plane.audit_position()
        probes = [RouterProbe(router, wanted) for router in self._routers]
        try:
            started, wall = time.monotonic(), time.time()
            edit()
            until = started + seconds
            acked = self._watch.acked(before, seconds)
            live = max(probe.result(until) for probe in probes)
        finally:
            for probe in probes:
                probe.stop()
        answered = self._answered(mark) - wall
        return Times(started, answered, live - started, acked - started)

    def _answered(self, mark: int) -> float:
        """Unix time at which the API server answered the last write of the route's spec, from its audit log."""
        with (self._plane.folder / "audit.log").open("rb") as log:
            log.seek(mark)
            content = log.read()
        times = []
        for line in content[: content.rfind(b"\n") + 1].splitlines():
            event = json.loads(line)
            target = event.get("objectRef") or {}
            is_spec = target.get("resource") == "modelroutes" and not target.get("subresource")
            if is_spec and target.get("name") == self._name and event["verb"] in {"patch", "update", "create"}:
                times.append(datetime.fromisoformat(event["stageTimestamp"]).timestamp())
        return max(times)
