"""Snapshot frames for a folder, as the operator would send them for its cluster. Called by dev and explain."""

from __future__ import annotations

from tieline_api import snapshot
from tieline_api.names import GATEWAY_SCOPE
from tieline_api.snapshot import ConfigFrame, EndpointsFrame, Frame, OverlayFrame, Revision, SecretsFrame
from tieline_operator.compile import Compiled, compile_scope
from tieline_operator.verdicts import Evaluation


class FrameSource:
    """Turns evaluations into frames; only what changed since the last call comes out again.

    Args:
        router_class: whose routes are meant.
        installation: names this run, as the operator's Lease names a cluster.
    """

    def __init__(self, router_class: str, installation: str) -> None:
        self._router_class = router_class
        self._installation = installation
        self._counter = 0
        self._sent: Compiled | None = None

    def frames(self, evaluation: Evaluation) -> list[Frame]:
        """The frames to apply, in an order in which no frame refers to what has not come yet."""
        compiled = compile_scope(evaluation, GATEWAY_SCOPE, self._router_class)
        before, self._sent = self._sent, compiled
        found: list[Frame] = []
        if before is None or before.secrets != compiled.secrets:
            found.append(SecretsFrame(schema=snapshot.SCHEMA, revision=self._revision(), values=compiled.secrets))
        if before is None or before.endpoints != compiled.endpoints:
            found.append(EndpointsFrame(schema=snapshot.SCHEMA, revision=self._revision(), pools=compiled.endpoints))
        if before is None or before.overlay != compiled.overlay:
            found.append(OverlayFrame(schema=snapshot.SCHEMA, revision=self._revision(), pools=compiled.overlay))
        if before is None or before.config != compiled.config:
            found.append(self._config_frame(compiled))
        return found

    def _config_frame(self, compiled: Compiled) -> ConfigFrame:
        return ConfigFrame(
            schema=snapshot.SCHEMA,
            revision=self._revision(),
            scope=GATEWAY_SCOPE,
            router_class=self._router_class,
            content_hash=snapshot.content_hash(compiled.config),
            config=compiled.config,
        )

    def _revision(self) -> Revision:
        self._counter += 1
        return Revision(self._installation, 1, self._counter)
