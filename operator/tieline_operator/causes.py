"""What happens, turned into dirty keys: events of watches, results of LISTs, verdicts, acknowledgements.

The only place that adds keys. Nothing here decides what is done about a key, or remembers why it was added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from tieline_api.names import Key

from tieline_operator.resources import MODEL_ROUTES, OWN, Body, Resource
from tieline_operator.store import Change, Store, key_of
from tieline_operator.workqueue import Workers
from tieline_operator.world import ObjectId

SNAPSHOT: Final = "snapshot"
"""The one key of the snapshot queue."""
ACK_SECONDS: Final = 0.03
"""Acknowledgements of a fleet come close together: they go into one status."""
MOVED_SECONDS: Final = 5.0
"""A router whose stream was cut is back sooner: nothing is written about that."""


class Causes:
    """`snapshot_queue` has one key, `status_queue` one per object; `seen` counts events by kind; `relisted` is called
    when a watch has begun anew."""

    def __init__(
        self,
        store: Store,
        snapshot_queue: Workers[str],
        status_queue: Workers[ObjectId],
        *,
        debounce_seconds: float,
        seen: Callable[[str], None],
        relisted: Callable[[], None],
    ) -> None:
        self.changed: set[ObjectId] = set()
        """Objects of ours with new content: their status follows the next judgement even if their verdict stays."""
        self._store = store
        self._snapshot_queue = snapshot_queue
        self._status_queue = status_queue
        self._debounce_seconds = debounce_seconds
        self._seen = seen
        self._relisted = relisted

    def watched(self, resource: Resource, change: str | None, body: Body) -> None:
        """An event of a watch. One without a type was listed at the begin of a watch, which tells what is there and
        never what has vanished since."""
        self._seen(resource.kind)
        if change is None:
            self._relisted()
        put = self._store.remove if change == "DELETED" else self._store.put
        self._note(resource, key_of(body), put(resource.kind, body))

    def listed(self, resource: Resource, changes: Mapping[Key, Change]) -> None:
        """A LIST told something new."""
        for key, change in changes.items():
            self._note(resource, key, change)

    def acked(self, routes: Iterable[Key]) -> None:
        """Routers answered: the status of these routes may follow."""
        for key in routes:
            self._status_queue.add(ObjectId(MODEL_ROUTES.kind, key), ACK_SECONDS)

    def moved(self, routes: Iterable[Key]) -> None:
        """Routers came or left: the status of these routes may follow, when the coming and going is over."""
        for key in routes:
            self._status_queue.add(ObjectId(MODEL_ROUTES.kind, key), MOVED_SECONDS)

    def touched(self, ids: Iterable[ObjectId]) -> None:
        """Verdicts changed."""
        for id_ in ids:
            self._status_queue.add(id_)

    def dirty(self) -> None:
        """Something that snapshots depend on changed. Nothing is compiled before everything was listed once."""
        if self._store.complete:
            self._snapshot_queue.add(SNAPSHOT, self._debounce_seconds)

    def everything(self) -> None:
        """Nobody knows what was missed while the API server was away: all keys. Those that it refused by themselves
        keep their back-off."""
        self._snapshot_queue.relieve()
        self._status_queue.relieve()
        self.dirty()
        for kind in OWN:
            keys = (ObjectId(kind, key) for key in self._store.keys(kind))
            self.touched(id_ for id_ in keys if not self._status_queue.queue.backs_off(id_))

    def _note(self, resource: Resource, key: Key, change: Change) -> None:
        own = resource.kind in OWN
        id_ = ObjectId(resource.kind, key)
        if own and self._store.get(resource.kind, key) is None:
            self._status_queue.queue.forget(id_)
        if change is Change.CONTENT:
            if own:
                self.changed.add(id_)
            self.dirty()
        elif change is Change.STATUS and own:
            self._status_queue.add(id_)
