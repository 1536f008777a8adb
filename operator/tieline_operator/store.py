"""What the operator knows of the cluster: the newest body of every object of every watched kind. No I/O, one thread.

Watch events put and remove single objects; a periodic LIST replaces a whole kind, because a watch that breaks may never
tell of a deletion. Nothing may be compiled before `complete`: an empty store must never look like an empty cluster.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from tieline_api.names import Key, key

from tieline_operator.resources import OWN, Body

_VOLATILE = ("resourceVersion", "managedFields", "generation", "selfLink")


class Change(Enum):
    NONE = "none"
    STATUS = "status"
    """Only the status or bookkeeping of the object differs: nothing is compiled anew."""
    CONTENT = "content"


def key_of(body: Body) -> Key:
    """`namespace/name`; objects without a namespace have an empty first part."""
    metadata = body["metadata"]
    return key(metadata.get("namespace", ""), metadata["name"])


class Store:
    """Bodies by kind and key. `put`, `remove` and `replace` say what changed, so that the caller can add dirty keys."""

    def __init__(self, kinds: Iterable[str]) -> None:
        self._bodies: dict[str, dict[Key, Body]] = {kind: {} for kind in kinds}
        self._listed: set[str] = set()
        self._touched: dict[str, set[Key]] = {}
        self._contents: dict[str, dict[Key, int]] = {kind: {} for kind in self._bodies}
        self._contents_made = 0

    @property
    def complete(self) -> bool:
        """Whether every kind has been listed at least once."""
        return len(self._listed) == len(self._bodies)

    def missing(self) -> list[str]:
        """Kinds that have never been listed."""
        return sorted(self._bodies.keys() - self._listed)

    def get(self, kind: str, key: Key) -> Body | None:
        return self._bodies[kind].get(key)

    def bodies(self, kind: str) -> dict[Key, Body]:
        """A copy of the table of one kind, in order of keys."""
        return dict(sorted(self._bodies[kind].items()))

    def content_version(self, kind: str, key: Key) -> int:
        """A number that changes with the content of an object, and never with its status alone."""
        return self._contents[kind].get(key, 0)

    def keys(self, kind: str) -> list[Key]:
        return list(self._bodies[kind])

    def put(self, kind: str, body: Body) -> Change:
        """An object was added or modified."""
        found = key_of(body)
        self._touch(kind, found)
        return self._set(kind, found, body)

    def put_written(self, kind: str, planned: Body, written: Body) -> bool:
        """The answer to a write that `planned` led to; False when it is dropped.

        It is taken only in the place of the very body that was planned from. Whatever a watch told meanwhile is newer
        (or is this very write), and an object that was deleted must not come back.
        """
        found = key_of(planned)
        known = self._bodies[kind].get(found)
        if known is None or _identity(known) != _identity(planned) or key_of(written) != found:
            return False
        self.put(kind, written)
        return True

    def remove(self, kind: str, body: Body) -> Change:
        """An object was deleted."""
        found = key_of(body)
        self._touch(kind, found)
        return Change.CONTENT if self._drop(kind, found) else Change.NONE

    def begin(self, kind: str) -> None:
        """A LIST of this kind is about to be sent: events that arrive before its answer are newer than it may be."""
        self._touched[kind] = set()

    def abandon(self, kind: str) -> None:
        """The LIST failed: what is known stays."""
        self._touched.pop(kind, None)

    def replace(self, kind: str, listed: Iterable[Body]) -> dict[Key, Change]:
        """The LIST succeeded: it replaces the kind, except for objects of which a watch told something meanwhile.

        Returns:
            What changed, by key; vanished objects are `CONTENT`.
        """
        touched = self._touched.pop(kind, set())
        fresh = {key_of(body): body for body in listed}
        changes: dict[Key, Change] = {}
        for found in self._bodies[kind].keys() - fresh.keys() - touched:
            self._drop(kind, found)
            changes[found] = Change.CONTENT
        for found, body in fresh.items():
            if found not in touched:
                change = self._set(kind, found, body)
                if change is not Change.NONE:
                    changes[found] = change
        self._listed.add(kind)
        return changes

    def _drop(self, kind: str, found: Key) -> bool:
        self._contents[kind].pop(found, None)
        return self._bodies[kind].pop(found, None) is not None

    def _touch(self, kind: str, found: Key) -> None:
        if kind in self._touched:
            self._touched[kind].add(found)

    def _set(self, kind: str, found: Key, body: Body) -> Change:
        body = _trimmed(body)
        known = self._bodies[kind].get(found)
        if known is not None and _identity(known) == _identity(body):
            return Change.NONE  # the body that is there stays: who remembers what came of it knows it again
        self._bodies[kind][found] = body
        if known is not None and _content(kind, known) == _content(kind, body):
            return Change.STATUS
        self._contents_made += 1
        self._contents[kind][found] = self._contents_made
        return Change.CONTENT


def _identity(body: Body) -> tuple[object, object]:
    return body["metadata"].get("uid"), body["metadata"].get("resourceVersion")


def _trimmed(body: Body) -> Body:
    """Without managedFields, which are half of a small object and of no use here."""
    metadata: Mapping[str, Any] = body["metadata"]
    if "managedFields" not in metadata:
        return body
    return {**body, "metadata": {name: value for name, value in metadata.items() if name != "managedFields"}}


def _content(kind: str, body: Body) -> object:
    """All of an object that a snapshot can depend on. The generation stands for the spec where there is one."""
    metadata = {name: value for name, value in body["metadata"].items() if name not in _VOLATILE}
    if kind in OWN:
        return metadata, body["metadata"].get("generation"), body.get("spec")
    return metadata, {name: value for name, value in body.items() if name not in {"metadata", "status"}}
