"""Posts Kubernetes Events (events.k8s.io/v1) about transitions. Bounded in number and pace, and never waited for.

`plan` says which; the status writer offers them here after the status was written. An Event that cannot be posted is
dropped and counted: the condition says the same, and stays.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from tieline_api.names import REPORTING_COMPONENT

from tieline_operator.cluster import Cluster
from tieline_operator.errors import ApiError, Unavailable
from tieline_operator.resources import EVENTS, Body
from tieline_operator.transitions import PlannedEvent

logger = logging.getLogger(__name__)

MAX_WAITING: Final = 500
PACE_SECONDS: Final = 0.05
"""At most twenty Events a second."""


class EventPoster:
    """`counted` is called with posted, dropped or failed."""

    def __init__(
        self, cluster: Cluster, instance: str, now: Callable[[], datetime], counted: Callable[[str], None]
    ) -> None:
        self._cluster = cluster
        self._instance = instance
        self._now = now
        self._counted = counted
        self._waiting: deque[tuple[Body, PlannedEvent]] = deque()
        self._wake = asyncio.Event()
        self._said = ""

    def offer(self, regarding: Body, event: PlannedEvent) -> None:
        """Queues one Event; when too many wait, the oldest is dropped."""
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.popleft()
            self._counted("dropped")
        self._waiting.append((regarding, event))
        self._wake.set()

    async def run(self) -> None:
        """Posts until it is cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._post(*self._waiting.popleft())
                await asyncio.sleep(PACE_SECONDS)

    async def _post(self, regarding: Body, event: PlannedEvent) -> None:
        metadata = regarding["metadata"]
        try:
            await self._cluster.create(EVENTS, metadata["namespace"], self._body(regarding, event))
        except Unavailable:
            self._counted("failed")
        except ApiError as error:
            self._counted("failed")
            # 403 and 404 are a namespace that is being deleted.
            level = logging.DEBUG if error.status in {403, 404} else logging.WARNING
            logger.log(level, "Event about %s/%s not posted: %s", metadata["namespace"], metadata["name"], error)
        except Exception as error:  # an Event is never worth the process
            self._counted("failed")
            line = f"{type(error).__name__}: {error}"
            if line != self._said:
                self._said = line
                logger.exception("Event about %s/%s not posted", metadata["namespace"], metadata["name"])
        else:
            self._counted("posted")

    def _body(self, regarding: Body, event: PlannedEvent) -> Body:
        metadata = regarding["metadata"]
        return {
            "apiVersion": EVENTS.api_version,
            "kind": EVENTS.kind,
            "metadata": {"generateName": f"{metadata['name'][:200]}-", "namespace": metadata["namespace"]},
            "eventTime": self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "reportingController": REPORTING_COMPONENT,
            "reportingInstance": self._instance[:128],
            "action": "Reconcile",
            "type": event.type,
            "reason": event.reason,
            "note": event.note,
            "regarding": {
                "apiVersion": regarding["apiVersion"],
                "kind": regarding["kind"],
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
                "resourceVersion": metadata.get("resourceVersion", ""),
            },
        }
