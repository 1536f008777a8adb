"""What makes which key dirty: a table of causes."""

from tieline_api.names import Key
from tieline_operator.causes import SNAPSHOT, Causes
from tieline_operator.resources import ENDPOINT_SLICES, MODEL_ROUTES, SECRETS, WATCHED, Body, Resource
from tieline_operator.store import Change, Store
from tieline_operator.workqueue import Workers
from tieline_operator.world import ObjectId

from tests.support.virtual_time import clock, virtual
from tests.tieline_operator.manifests import endpoint, endpoint_slice, external, route, secret

CODER = ObjectId("ModelRoute", Key("ai/coder"))


async def _never(key: object) -> None:
    raise AssertionError(key)


def _ignore(*_: object) -> None:
    pass


class Place:
    def __init__(self, *, listed: bool = True) -> None:
        self.store = Store(resource.kind for resource in WATCHED)
        if listed:
            for resource in WATCHED:
                self.store.begin(resource.kind)
                self.store.replace(resource.kind, [])
        self.snapshot_queue: Workers[str] = Workers(_never, _ignore, count=1, clock=clock, draw=lambda: 0.0)
        self.status_queue: Workers[ObjectId] = Workers(_never, _ignore, count=1, clock=clock, draw=lambda: 0.0)
        self.seen: list[str] = []
        self.relists = 0
        self.causes = Causes(
            self.store,
            self.snapshot_queue,
            self.status_queue,
            debounce_seconds=0.05,
            seen=self.seen.append,
            relisted=self._relist,
        )

    def _relist(self) -> None:
        self.relists += 1

    def watch(self, resource: Resource, change: str | None, body: Body) -> None:
        self.causes.watched(resource, change, body)

    def dirty(self) -> tuple[list[str], list[ObjectId]]:
        """Takes all keys that are due within a second."""
        now = clock() + 1
        snapshots, statuses = [], []
        while (key := self.snapshot_queue.queue.take(now)) is not None:
            snapshots.append(key)
        while (id_ := self.status_queue.queue.take(now)) is not None:
            statuses.append(id_)
            self.status_queue.queue.done(id_)
        for key in snapshots:
            self.snapshot_queue.queue.done(key)
        return snapshots, statuses


def route_of(version: int, generation: int = 1, **parts: object) -> Body:
    return {**route(meta={"resourceVersion": str(version), "generation": generation}), **parts}


@virtual
async def test_new_content_makes_the_snapshot_dirty_and_names_the_object() -> None:
    place = Place()
    place.watch(MODEL_ROUTES, "ADDED", route_of(1))
    assert place.dirty() == ([SNAPSHOT], [])
    assert place.causes.changed == {CODER}
    place.watch(SECRETS, "ADDED", secret("s", {"k": "v"}))
    place.watch(ENDPOINT_SLICES, "ADDED", endpoint_slice("own-1", endpoint("10.0.0.1")))
    assert place.dirty() == ([SNAPSHOT], [])
    assert place.causes.changed == {CODER}


@virtual
async def test_a_status_makes_only_its_own_key_dirty() -> None:
    place = Place()
    place.watch(MODEL_ROUTES, "ADDED", route_of(1))
    place.dirty()
    place.watch(MODEL_ROUTES, "MODIFIED", route_of(2, status={"conditions": []}))
    assert place.dirty() == ([], [CODER])
    place.watch(MODEL_ROUTES, "MODIFIED", route_of(2, status={"conditions": []}))
    assert place.dirty() == ([], [])


@virtual
async def test_a_deletion_makes_the_snapshot_dirty_and_forgets_the_status() -> None:
    place = Place()
    place.watch(MODEL_ROUTES, "ADDED", route_of(1))
    place.causes.touched([CODER])
    place.watch(MODEL_ROUTES, "DELETED", route_of(2))
    assert place.dirty() == ([SNAPSHOT], [])
    place.watch(MODEL_ROUTES, "DELETED", route_of(2))
    assert place.dirty() == ([], [])


@virtual
async def test_nothing_is_dirty_before_every_kind_was_listed() -> None:
    place = Place(listed=False)
    place.watch(MODEL_ROUTES, "ADDED", route_of(1))
    assert place.dirty() == ([], [])


@virtual
async def test_a_list_that_drops_an_object_is_a_change() -> None:
    place = Place()
    place.causes.listed(MODEL_ROUTES, {CODER.key: Change.CONTENT})
    assert place.dirty() == ([SNAPSHOT], [])


@virtual
async def test_after_an_outage_every_key_is_dirty() -> None:
    place = Place()
    place.watch(MODEL_ROUTES, "ADDED", route_of(1))
    place.watch(WATCHED[1], "ADDED", external())
    place.dirty()
    place.causes.everything()
    assert place.dirty() == ([SNAPSHOT], [CODER, ObjectId("ProviderPool", Key("ai/api"))])


@virtual
async def test_a_watch_that_begins_anew_is_told() -> None:
    place = Place()
    place.watch(MODEL_ROUTES, None, route_of(1))
    place.watch(MODEL_ROUTES, "MODIFIED", route_of(2))
    assert place.relists == 1
    assert place.seen == ["ModelRoute", "ModelRoute"]


@virtual
async def test_acknowledgements_wait_a_moment_for_one_another() -> None:
    place = Place()
    place.causes.acked([CODER.key])
    place.causes.acked([CODER.key])
    assert place.status_queue.queue.take(clock()) is None
    assert place.dirty() == ([], [CODER])
