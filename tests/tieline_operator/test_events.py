"""Events: bounded in number and pace, well-formed, never waited for."""

import asyncio

import pytest
from tieline_operator.errors import Unavailable
from tieline_operator.events import MAX_WAITING, EventPoster
from tieline_operator.transitions import PlannedEvent

from tests.support import virtual_time
from tests.support.api_objects import ApiObjects, FakeCluster, refused
from tests.support.virtual_time import virtual
from tests.tieline_operator.manifests import route
from tests.tieline_operator.rig import now

EVENT = PlannedEvent("Warning", "PoolNotFound", "spec.backendRefs[x]: there is no ProviderPool ai/x")


class Place:
    def __init__(self) -> None:
        self.objects = ApiObjects()
        self.cluster = FakeCluster(self.objects)
        self.counts: list[str] = []
        self.poster = EventPoster(self.cluster, "op-1", now, self.counts.append)
        self.body = {**route(), "metadata": {**route()["metadata"], "uid": "u-1"}}


@virtual
async def test_an_event_says_what_it_is_about() -> None:
    place = Place()
    task = asyncio.create_task(place.poster.run())
    place.poster.offer(place.body, EVENT)
    await asyncio.sleep(1)
    [write] = place.objects.writes("events")
    assert write.name.startswith("coder-")
    assert write.body["regarding"]["uid"] == "u-1"
    assert write.body["regarding"]["kind"] == "ModelRoute"
    assert (write.body["type"], write.body["reason"], write.body["note"]) == (EVENT.type, EVENT.reason, EVENT.note)
    assert write.body["metadata"]["namespace"] == "ai"
    assert place.counts == ["posted"]
    task.cancel()


@virtual
async def test_pace_and_number_are_bounded() -> None:
    place = Place()
    task = asyncio.create_task(place.poster.run())
    for _ in range(MAX_WAITING + 7):
        place.poster.offer(place.body, EVENT)
    await asyncio.sleep(1)
    assert place.counts.count("dropped") == 7
    assert 15 <= place.counts.count("posted") <= 21
    await asyncio.sleep(60)
    assert place.counts.count("posted") == MAX_WAITING
    task.cancel()


@pytest.mark.parametrize(
    ("error", "said"),
    [(Unavailable("gone"), False), (refused(403), False), (refused(404), False), (refused(422), True)],
)
def test_a_failed_event_is_dropped_and_a_malformed_one_is_told(
    error: Exception, said: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        place = Place()
        task = asyncio.create_task(place.poster.run())
        place.cluster.failure = error
        place.poster.offer(place.body, EVENT)
        await asyncio.sleep(1)
        place.cluster.failure = None
        place.poster.offer(place.body, EVENT)
        await asyncio.sleep(1)
        assert place.counts == ["failed", "posted"]
        task.cancel()

    virtual_time.run(main())
    assert bool(caplog.records) is said


def test_no_error_ends_the_poster_and_an_unexpected_one_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        place = Place()
        task = asyncio.create_task(place.poster.run())
        place.cluster.failure = RuntimeError("out of order")
        for _ in range(3):
            place.poster.offer(place.body, EVENT)
        await asyncio.sleep(1)
        place.cluster.failure = None
        place.poster.offer(place.body, EVENT)
        await asyncio.sleep(1)
        assert place.counts == ["failed", "failed", "failed", "posted"]
        task.cancel()

    virtual_time.run(main())
    assert len([record for record in caplog.records if "not posted" in record.message]) == 1
