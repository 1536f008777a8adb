"""What is in force for one scope and router class, as frames ready to be sent. Pure; time and revisions are arguments.

A frame is made only when its content changed. Order on the wire: secrets, endpoints, config, overlay, so that a route
never arrives before what it needs; and what a new config no longer names stays in the other frames for a while, so that
a route never outlives what it needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from tieline_api.names import Key
from tieline_api.snapshot import (
    SCHEMA,
    Config,
    ConfigFrame,
    EndpointsFrame,
    FrameKind,
    Hello,
    OverlayFrame,
    PoolEndpoints,
    Revision,
    Route,
    SecretsFrame,
    SecretValue,
    Verdict,
    content_hash,
    encode,
)

from tieline_operator.compile import Compiled

LINGER_SECONDS: Final = 10.0
"""How long endpoints and secrets that no pool names any more stay in their frames."""
ORDER: Final[tuple[FrameKind, ...]] = ("secrets", "endpoints", "config", "overlay", "heartbeat")

V = TypeVar("V")


@dataclass(frozen=True, order=True)
class Target:
    """Whom a publication is for."""

    scope: str
    router_class: str


@dataclass(frozen=True)
class Published:
    """One frame, encoded once for all routers of its target."""

    kind: FrameKind
    data: bytes = field(repr=False)
    revision: Revision | None = None
    content_hash: str = ""


@dataclass
class _Lingering(Generic[V]):
    """A table whose vanished entries stay until their time is over."""

    content: dict[str, V] = field(default_factory=dict)
    until: dict[str, float] = field(default_factory=dict)

    def merge(self, fresh: Mapping[str, V], now: float) -> bool:
        """Takes the fresh table; True when the content is now another one."""
        for name in fresh:
            self.until.pop(name, None)
        for name in self.content.keys() - fresh.keys():
            self.until.setdefault(name, now + LINGER_SECONDS)
        for name in [name for name, end in self.until.items() if now >= end]:
            del self.until[name]
        merged = {**{name: self.content[name] for name in self.until}, **fresh}
        merged = dict(sorted(merged.items()))
        changed = merged != self.content
        self.content = merged
        return changed


class Publication:
    """The frames of one target, and since which of them each route has been as it is."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.frames: dict[FrameKind, Published] = {}
        self.config = Config()
        self.introduced: dict[Key, int] = {}
        """By route: counter of the first config frame with its present content."""
        self._routes: dict[Key, Route] = {}
        self._endpoints: _Lingering[PoolEndpoints] = _Lingering()
        self._secrets: _Lingering[SecretValue] = _Lingering()
        self._overlay: Mapping[str, Verdict] = {}

    @property
    def endpoints(self) -> Mapping[str, PoolEndpoints]:
        return self._endpoints.content

    def lingers_until(self) -> float | None:
        """When `update` should be called again even if nothing changes."""
        ends = [*self._endpoints.until.values(), *self._secrets.until.values()]
        return min(ends, default=None)

    def update(self, compiled: Compiled, next_revision: Callable[[], Revision], now: float) -> list[Published]:
        """Takes what was compiled; returns the frames that are new, in the order in which they must be sent.

        `next_revision` is called once per new frame. The first call publishes all four, however empty.
        """
        fresh: list[Published] = []
        if self._secrets.merge(compiled.secrets, now) or "secrets" not in self.frames:
            revision = next_revision()
            values = SecretsFrame(schema=SCHEMA, revision=revision, values=self._secrets.content)
            fresh.append(Published("secrets", encode(values), revision))
        if self._endpoints.merge(compiled.endpoints, now) or "endpoints" not in self.frames:
            revision = next_revision()
            addresses = EndpointsFrame(schema=SCHEMA, revision=revision, pools=self._endpoints.content)
            fresh.append(Published("endpoints", encode(addresses), revision))
        if compiled.config != self.config or "config" not in self.frames:
            fresh.append(self._config_frame(compiled.config, next_revision()))
        if self._overlay != compiled.overlay or "overlay" not in self.frames:
            self._overlay, revision = compiled.overlay, next_revision()
            verdicts = OverlayFrame(schema=SCHEMA, revision=revision, pools=compiled.overlay)
            fresh.append(Published("overlay", encode(verdicts), revision))
        self.frames.update({published.kind: published for published in fresh})
        return fresh

    def offers(self, hello: Hello) -> list[Published]:
        """The frames that a router lacks which has just said what it holds, in the order in which they are sent."""
        return [frame for kind in ORDER if (frame := self.frames.get(kind)) is not None and not _held(frame, hello)]

    def _config_frame(self, config: Config, revision: Revision) -> Published:
        digest = content_hash(config)
        routes = {Key(route.key): route for route in config.routes}
        self.introduced = {
            key: self.introduced[key] if self._routes.get(key) == route else revision.counter
            for key, route in routes.items()
        }
        self.config, self._routes = config, routes
        frame = ConfigFrame(
            schema=SCHEMA,
            revision=revision,
            scope=self.target.scope,
            router_class=self.target.router_class,
            content_hash=digest,
            config=config,
        )
        return Published("config", encode(frame), revision, digest)


def _held(frame: Published, hello: Hello) -> bool:
    if frame.kind == "config":
        return hello.config_hash == frame.content_hash
    return frame.revision is not None and hello.holds.get(frame.kind) == frame.revision
