"""LISTs: what they change, what they never change, and what is said about those that fail."""

import asyncio
from collections.abc import Mapping

import pytest
from tieline_api.names import Key
from tieline_operator.errors import ApiError, Forbidden, NotFound, Unavailable, Unserved
from tieline_operator.resources import MODEL_ROUTES, NAMESPACES, WATCHED, Resource
from tieline_operator.resync import Resync
from tieline_operator.store import Change, Store

from tests.support import virtual_time
from tests.support.api_objects import ApiObjects, FakeCluster
from tests.support.virtual_time import clock, virtual
from tests.tieline_operator.manifests import external, namespace, route

ROUTE = MODEL_ROUTES.kind


class Place:
    def __init__(self, served: tuple[str, ...] | None = None) -> None:
        self.objects = ApiObjects()
        self.cluster = FakeCluster(self.objects)
        self.store = Store(resource.kind for resource in WATCHED)
        self.changes: list[tuple[str, dict[Key, Change]]] = []
        self.resync = Resync(self.cluster, self.store, WATCHED, served, self._changed)
        self.lists = 0
        self.cluster.before = self._count

    def _changed(self, resource: Resource, changes: Mapping[Key, Change]) -> None:
        self.changes.append((resource.kind, dict(changes)))

    def _count(self, verb: str, plural: str) -> None:
        self.lists += verb == "list"

    def refuse(self, plural: str, error: ApiError) -> None:
        def before(verb: str, listed: str) -> None:
            self._count(verb, listed)
            if (verb, listed) == ("list", plural):
                raise error

        self.cluster.before = before


@virtual
async def test_a_list_tells_what_is_there_and_what_vanished() -> None:
    place = Place()
    place.objects.put(MODEL_ROUTES, route("a"))
    place.objects.put(MODEL_ROUTES, route("b"))
    assert await place.resync.once()
    assert place.changes == [(ROUTE, {Key("ai/a"): Change.CONTENT, Key("ai/b"): Change.CONTENT})]
    place.objects.delete("modelroutes", "ai", "b", tell=False)
    await place.resync.once()
    assert place.changes[-1] == (ROUTE, {Key("ai/b"): Change.CONTENT})
    await place.resync.once()
    assert len(place.changes) == 2


@virtual
async def test_the_first_listing_tries_until_everything_was_listed_and_asks_only_for_what_is_missing() -> None:
    place = Place()
    place.refuse("modelroutes", NotFound(404, "NotFound", "no such kind"))
    first = asyncio.create_task(place.resync.first())
    await asyncio.sleep(5.5)
    assert not first.done()
    assert place.lists == len(WATCHED) + 5
    place.cluster.before = place._count
    await asyncio.sleep(1)
    assert first.done()
    assert place.store.complete


@virtual
async def test_a_failed_list_keeps_what_was_known() -> None:
    place = Place()
    place.objects.put(MODEL_ROUTES, route("a"))
    await place.resync.once()
    place.cluster.failure = Unavailable("gone")
    assert not await place.resync.once()
    assert place.store.keys(ROUTE) == [Key("ai/a")]


@virtual
async def test_it_lists_in_its_rhythm_sooner_when_asked_and_within_a_second_after_a_failure() -> None:
    place = Place()
    keeping = asyncio.create_task(place.resync.keep(100.0, lambda: 0.5))
    await asyncio.sleep(99)
    assert place.lists == 0
    await asyncio.sleep(2)
    assert place.lists == len(WATCHED)
    for _ in range(5):
        place.resync.soon()
        await asyncio.sleep(0.1)
    await asyncio.sleep(1)
    assert place.lists == 3 * len(WATCHED)  # one at once, one for all the rest
    place.cluster.failure = Unavailable("gone")
    place.resync.soon()
    await asyncio.sleep(0.1)
    place.cluster.failure = None
    await asyncio.sleep(1)
    assert place.lists == 4 * len(WATCHED)
    keeping.cancel()


@virtual
async def test_the_rhythm_has_jitter() -> None:
    place = Place()
    keeping = asyncio.create_task(place.resync.keep(100.0, lambda: 0.0))
    await asyncio.sleep(81)
    assert place.lists == len(WATCHED)
    keeping.cancel()


@virtual
async def test_with_some_namespaces_each_is_listed_and_namespaces_are_read_by_name() -> None:
    place = Place(served=("ai", "tieline-system"))
    for name in ("ai", "web"):
        place.objects.put(NAMESPACES, namespace(name))
    place.objects.put(MODEL_ROUTES, route("a"))
    place.objects.put(MODEL_ROUTES, route("b", meta={"namespace": "web"}))
    await place.resync.once()
    assert place.store.keys(ROUTE) == [Key("ai/a")]
    assert place.store.keys("Namespace") == [Key("/ai")]
    assert external("x")["kind"] == "ProviderPool"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (NotFound(404, "NotFound", "the server could not find it"), "kubectl apply -f crds/"),
        (Forbidden(403, "Forbidden", 'User "x" cannot list resource "modelroutes". Grant it'), "cannot list resource"),
        (ApiError(400, "BadRequest", "odd"), "odd"),
    ],
)
def test_what_is_wrong_is_said_once_with_its_remedy(
    error: ApiError, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        place = Place()
        place.refuse("modelroutes", error)
        for _ in range(5):
            await place.resync.once()
        assert len([record for record in caplog.records if said in record.message]) == 1
        place.cluster.before = place._count
        with caplog.at_level("INFO"):
            await place.resync.once()
        assert "modelroutes.tieline.dev can be listed now" in caplog.text

    virtual_time.run(main())


def test_a_refusal_of_a_server_that_is_starting_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        place = Place()
        place.refuse("modelroutes", Forbidden(403, "Forbidden", "not yet"))
        await place.resync.once()
        place.cluster.before = place._count
        await place.resync.once()

    virtual_time.run(main())
    assert caplog.records == []


@virtual
async def test_a_kind_that_cannot_be_listed_is_tried_alone_and_ever_more_seldom() -> None:
    place = Place()
    place.refuse("modelroutes", Forbidden(403, "Forbidden", "no"))
    keeping = asyncio.create_task(place.resync.keep(1000.0, lambda: 0.5))
    place.resync.soon()
    await asyncio.sleep(900)
    others = len(WATCHED) - 1
    assert others < place.lists < others + 50
    place.cluster.before = place._count
    before = place.lists
    await asyncio.sleep(31)
    assert place.lists == before + 1
    assert ROUTE not in place.store.missing()
    keeping.cancel()


@virtual
async def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    place = Place()
    times: list[float] = []

    def throttle(verb: str, plural: str) -> None:
        if plural == "modelroutes":
            times.append(clock())
            raise Unserved(429, "too many requests", retry_after=40.0)

    place.cluster.before = throttle
    keeping = asyncio.create_task(place.resync.keep(1000.0, lambda: 0.5))
    place.resync.soon()
    for _ in range(120):
        await asyncio.sleep(1)
        place.resync.soon()
    assert len(times) == 3
    keeping.cancel()
