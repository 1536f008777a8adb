"""The answer to a status write against the watch that overtakes it."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from tieline_api.names import Key
from tieline_operator.apply import apply_status
from tieline_operator.events import EventPoster
from tieline_operator.plan import StatusPlan
from tieline_operator.resources import MODEL_ROUTES, Body, Resource
from tieline_operator.store import Store
from tieline_operator.world import ObjectId

from tests.support.api_objects import ApiObjects, FakeCluster
from tests.tieline_operator.manifests import NAMESPACE, ref, route
from tests.tieline_operator.rig import now

KIND = MODEL_ROUTES.kind
ID = ObjectId(KIND, Key(f"{NAMESPACE}/coder"))
STATUS = {"conditions": [{"type": "Ready", "status": "True"}]}


class Overtaken(FakeCluster):
    """A client whose answer to a write arrives after something else has happened."""

    def __init__(self, objects: ApiObjects, meanwhile: Callable[[Body], None]) -> None:
        super().__init__(objects)
        self.meanwhile = meanwhile

    async def apply_status(self, resource: Resource, body: Body, status: Mapping[str, Any]) -> Body:
        written = await super().apply_status(resource, body, status)
        self.meanwhile(written)
        return written


def written_while(meanwhile: Callable[[Body, ApiObjects, Store], None]) -> Store:
    """What the store holds after a status write during which `meanwhile` happened."""
    objects, store = ApiObjects(), Store([KIND])
    store.put(KIND, objects.put(MODEL_ROUTES, route(refs=[ref()], models=["old"])))
    body = store.get(KIND, ID.key)
    assert body is not None
    cluster = Overtaken(objects, lambda written: meanwhile(written, objects, store))
    poster = EventPoster(cluster, "op-1", now, lambda _: None)
    assert asyncio.run(apply_status(cluster, store, poster, StatusPlan(ID, STATUS), body))
    return store


def test_what_was_written_is_known_at_once() -> None:
    known = written_while(lambda *_: None).get(KIND, ID.key)
    assert known is not None
    assert known["status"] == STATUS


def test_an_edit_that_the_watch_told_meanwhile_stays() -> None:
    def edit(written: Body, objects: ApiObjects, store: Store) -> None:
        store.put(KIND, written)
        newer = {**written, "spec": {**written["spec"], "models": ["new"]}}
        store.put(KIND, objects.replace(MODEL_ROUTES.plural, newer))

    known = written_while(edit).get(KIND, ID.key)
    assert known is not None
    assert known["spec"]["models"] == ["new"]


def test_an_object_that_was_deleted_meanwhile_does_not_come_back() -> None:
    def delete(written: Body, _: ApiObjects, store: Store) -> None:
        store.remove(KIND, written)

    store = written_while(delete)
    assert store.keys(KIND) == []


def test_an_object_made_anew_meanwhile_stays() -> None:
    def remake(written: Body, _: ApiObjects, store: Store) -> None:
        store.remove(KIND, written)
        store.put(KIND, {**written, "metadata": {**written["metadata"], "uid": "anew", "resourceVersion": "999"}})

    known = written_while(remake).get(KIND, ID.key)
    assert known is not None
    assert known["metadata"]["uid"] == "anew"
