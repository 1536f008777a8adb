"""What the router has been told: frames come in, are checked and compiled, and take the place of those before them.

One `Snapshot` value holds all that a request needs; it is replaced in one assignment, and a request reads it once. A
frame that is refused changes nothing, and other frames go on. Sources are the operator's stream, the state file, the
bootstrap copy and `tieline dev`; all of them end in `SnapshotStore.apply`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from tieline_api.snapshot import (
    ConfigFrame,
    EndpointsFrame,
    Frame,
    Heartbeat,
    OverlayFrame,
    Revision,
    SecretsFrame,
    SecretValue,
)

from tieline_router.routing.live import LiveTable
from tieline_router.routing.table import ContradictoryConfig, RoutingTable, compile_table
from tieline_router.runtime.clock import Clock
from tieline_router.runtime.targets import Targets, TlsContexts
from tieline_router.telemetry.metrics import Metrics

KINDS: Final = frozenset({"config", "endpoints", "overlay", "secrets", "heartbeat"})
logger = logging.getLogger(__name__)

INLINE_OBJECTS: Final = 64
"""Configurations with at most so many objects are compiled on the event loop (about a millisecond); larger ones in a
thread."""


class Refused(Exception):
    """The frame is not taken; the message says why and goes back to the operator."""


class Snapshot(NamedTuple):
    """One consistent view of the configuration."""

    table: RoutingTable
    targets: Targets
    revision: Revision
    scope: str
    content_hash: str


class SnapshotStore:
    """Owner of the current snapshot and of the frames that it was made of."""

    def __init__(
        self, live: LiveTable, clock: Clock, *, router_class: str, trust_env: bool, changed: Callable[[], None]
    ) -> None:
        self._live = live
        self._clock = clock
        self._router_class = router_class
        self._trust_env = trust_env
        self._contexts = TlsContexts()
        self._changed = changed
        """Called after every frame that was taken, for those who store it."""
        self._turn = asyncio.Lock()
        """One frame at a time: compiling may leave the event loop."""
        self.current: Snapshot | None = None
        self.config: ConfigFrame | None = None
        self.endpoints: EndpointsFrame | None = None
        self.overlay: OverlayFrame | None = None
        self.secrets: SecretsFrame | None = None
        self.applied_at: float | None = None
        """Unix time of the last frame that changed something."""

    @property
    def ready(self) -> bool:
        return self.current is not None

    def holds(self) -> dict[str, Revision]:
        """Revisions by kind of frame, for `Hello`."""
        frames = {"config": self.config, "endpoints": self.endpoints, "overlay": self.overlay, "secrets": self.secrets}
        return {kind: frame.revision for kind, frame in frames.items() if frame is not None}

    async def apply(self, frame: Frame, *, confirmed: bool = True) -> bool:
        """Takes a frame. False: it is the one that is in force already.

        Args:
            frame: from any source.
            confirmed: False for frames from files: nobody vouches that their addresses still stand.

        Raises:
            Refused: it is older than what is in force, meant for another fleet, or contradicts itself.
        """
        async with self._turn:
            taken = await self._take(frame, confirmed=confirmed)
        if taken:
            self.applied_at = self._clock.now()
            self._changed()
        return taken

    async def _take(self, frame: Frame, *, confirmed: bool) -> bool:
        match frame:
            case Heartbeat():
                self._live.admission.share_among(max(1, frame.routers))
                if frame.endpoints_confirmed:
                    self._live.confirm(self._clock.now())
                return False
            case ConfigFrame():
                return await self._take_config(frame)
            case EndpointsFrame():
                return self._take_endpoints(frame, confirmed=confirmed)
            case OverlayFrame():
                if not _is_new(frame.revision, self.overlay):
                    return False
                self.overlay = frame
                self._live.apply_overlay(frame.pools)
                return True
            case SecretsFrame():
                return self._take_secrets(frame)

    async def _take_config(self, frame: ConfigFrame) -> bool:
        if frame.router_class != self._router_class:
            raise Refused(f"this is a configuration for class {frame.router_class!r}, not {self._router_class!r}")
        if not _is_new(frame.revision, self.config):
            return False
        before = self.current
        if before is not None and frame.content_hash and frame.content_hash == before.content_hash:
            self.current = before._replace(revision=frame.revision, scope=frame.scope)
            self.config = frame
            return True
        previous = before.table if before is not None else None
        size = len(frame.config.pools) + len(frame.config.routes) + len(frame.config.consumers)
        try:
            if size <= INLINE_OBJECTS:
                table = compile_table(frame.config, previous)
            else:
                table = await asyncio.to_thread(compile_table, frame.config, previous)
        except ContradictoryConfig as error:
            raise Refused(f"the configuration contradicts itself: {error}") from None
        except Exception as error:
            # Whatever it is: the operator must hear of it, and what is in force must go on.
            logger.exception("config %s cannot be compiled, which is a bug", frame.revision)
            raise Refused(f"the configuration cannot be compiled: {type(error).__name__}: {error}") from None
        self._live.apply_config(table)
        self.current = Snapshot(table, self._targets(), frame.revision, frame.scope, frame.content_hash)
        self.config = frame
        return True

    def _take_endpoints(self, frame: EndpointsFrame, *, confirmed: bool) -> bool:
        now = self._clock.now()
        if not _is_new(frame.revision, self.endpoints):
            if confirmed:
                self._live.confirm(now)
            return False
        self._live.apply_endpoints(frame.pools, now, confirmed=confirmed)
        self.endpoints = frame
        return True

    def _take_secrets(self, frame: SecretsFrame) -> bool:
        if not _is_new(frame.revision, self.secrets):
            return False
        self.secrets = frame
        self._live.apply_secrets({name: secret.version for name, secret in frame.values.items()})
        if self.current is not None:
            self.current = self.current._replace(targets=self._targets())
        return True

    def _targets(self) -> Targets:
        values: Mapping[str, SecretValue] = self.secrets.values if self.secrets is not None else {}
        return Targets(values, self._contexts, trust_env=self._trust_env)


def _is_new(revision: Revision, held: ConfigFrame | EndpointsFrame | OverlayFrame | SecretsFrame | None) -> bool:
    if held is None:
        return True
    if revision == held.revision:
        return False
    if not revision.newer_than(held.revision):
        raise Refused(f"revision {revision} is older than {held.revision}, which is in force")
    return True


async def apply_counted(store: SnapshotStore, metrics: Metrics, frame: Frame) -> bool:
    """`SnapshotStore.apply`, counted in the metrics."""
    kind = frame_kind(frame)
    try:
        taken = await store.apply(frame)
    except Refused:
        metrics.frame(kind, "refused")
        raise
    metrics.frame(kind, "applied" if taken else "unchanged")
    return taken


def frame_kind(frame: Frame) -> str:
    """The tag of a frame: `config`, `endpoints`, `overlay`, `secrets` or `heartbeat`."""
    return str(type(frame).__struct_config__.tag)
