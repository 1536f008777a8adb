"""Objects of a Kubernetes API in memory, with what the operator relies on: resourceVersions, conflicts, watches, SSA.

`ApiObjects` is the state, `FakeCluster` the operator's API client on top of it, for tests without sockets. `journal`
has every write, so that a test can prove that a second run writes nothing. The HTTP face is `api_server`.
"""

from __future__ import annotations

import asyncio
import copy
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tieline_operator.cluster import Cluster
from tieline_operator.errors import ApiError, Conflict, NotFound
from tieline_operator.outage import Outage
from tieline_operator.resources import Body, Resource

Object = dict[str, Any]


@dataclass(frozen=True)
class Write:
    verb: str
    plural: str
    name: str
    body: Object = field(repr=False)


@dataclass(frozen=True)
class WatchEvent:
    version: int
    plural: str
    type: str
    body: Object = field(repr=False)


def manifest(kind: str, namespace: str, name: str, **parts: Any) -> Object:
    """A raw object; `labels`, `annotations` and `generation` go into its metadata."""
    metadata: Object = {"namespace": namespace, "name": name} if namespace else {"name": name}
    for part in ("labels", "annotations", "generation"):
        if part in parts:
            metadata[part] = parts.pop(part)
    return {"kind": kind, "metadata": metadata, **parts}


class ApiObjects:
    def __init__(self) -> None:
        self.version = 100
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.history: list[WatchEvent] = []
        self.journal: list[Write] = []
        self.changed: list[Callable[[], None]] = []
        """Called after every change."""

    # -- as an API server ----------------------------------------------------------------------------------------------

    def get(self, plural: str, namespace: str, name: str) -> Object:
        try:
            return copy.deepcopy(self.objects[plural, namespace, name])
        except KeyError:
            raise NotFound(404, "NotFound", f"{plural} {name!r} not found") from None

    def items(self, plural: str, namespace: str | None, selector: str = "") -> list[Object]:
        label, _, value = selector.partition("=")
        return [
            copy.deepcopy(body)
            for (kind, where, _), body in sorted(self.objects.items())
            if kind == plural
            and namespace in {None, where}
            and (not label or (body["metadata"].get("labels") or {}).get(label) == value)
        ]

    def create(self, plural: str, namespace: str, body: Body) -> Object:
        made: Object = copy.deepcopy(dict(body))
        metadata = made["metadata"]
        if "name" not in metadata:
            metadata["name"] = metadata["generateName"] + f"{self.version:05x}"
        if (plural, namespace, metadata["name"]) in self.objects:
            raise Conflict(409, "AlreadyExists", f"{plural} {metadata['name']!r} already exists")
        metadata.setdefault("uid", str(uuid.uuid4()))
        metadata.setdefault("creationTimestamp", "2026-01-01T00:00:00Z")
        metadata.setdefault("generation", 1)
        return self._store("create", plural, "ADDED", made)

    def replace(self, plural: str, body: Body) -> Object:
        metadata = body["metadata"]
        known = self.get(plural, metadata.get("namespace", ""), metadata["name"])
        if (
            metadata.get("resourceVersion", known["metadata"]["resourceVersion"])
            != known["metadata"]["resourceVersion"]
        ):
            raise Conflict(409, "Conflict", "the object has been modified")
        made: Object = copy.deepcopy(dict(body))
        made["metadata"] = {**known["metadata"], **made["metadata"]}
        if made.get("spec") != known.get("spec"):
            made["metadata"]["generation"] = known["metadata"]["generation"] + 1
        return self._store("update", plural, "MODIFIED", made)

    def apply_status(self, plural: str, namespace: str, name: str, uid: str, status: Mapping[str, Any]) -> Object:
        known = self.get(plural, namespace, name)
        if known["metadata"]["uid"] != uid:
            raise Conflict(409, "Conflict", "another object of this name")
        known["status"] = copy.deepcopy(dict(status))
        return self._store("patch", plural, "MODIFIED", known)

    def delete(self, plural: str, namespace: str, name: str, *, tell: bool = True) -> None:
        """Removes an object; `tell=False`: no watch hears of it, as when it happened while the watch was broken."""
        body = self.objects.pop((plural, namespace, name))
        self.version += 1
        body["metadata"]["resourceVersion"] = str(self.version)
        if tell:
            self._tell("DELETED", plural, body)

    # -- as a test -----------------------------------------------------------------------------------------------------

    def put(self, resource: Resource, body: Body) -> Object:
        """Creates or replaces an object as a user would; not part of the journal."""
        metadata = body["metadata"]
        namespace = metadata.get("namespace", "")
        full: Object = {"apiVersion": resource.api_version, "kind": resource.kind, **body}
        known = (resource.plural, namespace, metadata["name"]) in self.objects
        written = self.replace(resource.plural, full) if known else self.create(resource.plural, namespace, full)
        self.journal.pop()
        return written

    def writes(self, plural: str | None = None) -> list[Write]:
        return [write for write in self.journal if plural in {None, write.plural}]

    def _store(self, verb: str, plural: str, change: str, body: Object) -> Object:
        self.version += 1
        metadata = body["metadata"]
        metadata["resourceVersion"] = str(self.version)
        self.objects[plural, metadata.get("namespace", ""), metadata["name"]] = body
        self.journal.append(Write(verb, plural, metadata["name"], copy.deepcopy(body)))
        self._tell(change, plural, body)
        return copy.deepcopy(body)

    def _tell(self, change: str, plural: str, body: Object) -> None:
        self.history.append(WatchEvent(self.version, plural, change, copy.deepcopy(body)))
        for notify in self.changed:
            notify()


class FakeCluster(Cluster):
    """The operator's API client over `ApiObjects`. `failure` is raised by every call while it is set; `before` is
    called with (verb, plural) ahead of each call, to change something at that very moment."""

    def __init__(self, objects: ApiObjects) -> None:
        self.objects = objects
        self.outage = Outage()
        self.failure: Exception | None = None
        self.before: Callable[[str, str], None] = lambda *_: None
        self.hang_on = ""
        """Verb whose calls never return."""
        self.review: Mapping[str, Any] = {}
        self.reviews = 0
        self.probes = 0

    def _enter(self, verb: str, resource: Resource) -> None:
        if self.failure is not None:
            raise self.failure
        self.before(verb, resource.plural)

    async def list(self, resource: Resource, namespace: str | None = None) -> list[Body]:
        self._enter("list", resource)
        return [*self.objects.items(resource.plural, namespace, resource.selector)]

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Body | None:
        self._enter("get", resource)
        try:
            return self.objects.get(resource.plural, namespace or "", name)
        except NotFound:
            return None

    async def get_metadata(self, resource: Resource, namespace: str, name: str) -> Body | None:
        if self.hang_on == "get":
            await asyncio.Event().wait()
        found = await self.get(resource, namespace, name)
        return None if found is None else {"metadata": found["metadata"]}

    async def create(self, resource: Resource, namespace: str | None, body: Body) -> Body:
        self._enter("create", resource)
        return self.objects.create(resource.plural, namespace or "", body)

    async def replace(self, resource: Resource, body: Body) -> Body:
        self._enter("update", resource)
        return self.objects.replace(resource.plural, body)

    async def apply_status(self, resource: Resource, body: Body, status: Mapping[str, Any]) -> Body:
        self._enter("patch", resource)
        metadata = body["metadata"]
        return self.objects.apply_status(
            resource.plural, metadata["namespace"], metadata["name"], metadata["uid"], status
        )

    async def review_token(self, token: str, audience: str) -> Mapping[str, Any]:
        self.reviews += 1
        if self.failure is not None:
            raise self.failure
        return self.review

    async def probe(self, namespace: str | None) -> None:
        self.probes += 1
        if self.failure is not None:
            raise self.failure


def refused(status: int, message: str = "no") -> ApiError:
    return ApiError(status, "Refused", message)
