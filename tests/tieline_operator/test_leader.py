"""The Lease: taken once, epoch raised before anything else, renewed in time, lost without a doubt. In virtual time."""

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from tieline_api.names import ANNOTATION_EPOCH, LEASE
from tieline_operator.errors import LeaseLost, Unavailable
from tieline_operator.leader import Leader, Rhythm, Term, Watchman, epoch_of, taken
from tieline_operator.resources import LEASES

from tests.support import virtual_time
from tests.support.api_objects import ApiObjects, FakeCluster, refused

START = datetime(2026, 3, 1, tzinfo=UTC)
NAMESPACE = "tieline-system"


def now() -> datetime:
    return START + timedelta(seconds=virtual_time.clock())


def leader(cluster: FakeCluster, identity: str = "op-1") -> Leader:
    return Leader(cluster, NAMESPACE, identity, rhythm=Rhythm(), clock=virtual_time.clock, now=now)


def lease(objects: ApiObjects) -> dict[str, Any]:
    return objects.get("leases", NAMESPACE, LEASE)


def in_virtual_time(main: Coroutine[Any, Any, None]) -> None:
    virtual_time.run(main)


def test_the_first_operator_makes_the_lease_with_epoch_one() -> None:
    async def main() -> None:
        objects = ApiObjects()
        tested = leader(FakeCluster(objects))
        assert not tested.leading
        term = await tested.acquire()
        made = lease(objects)
        assert term == Term(made["metadata"]["uid"], 1)
        assert made["metadata"]["annotations"][ANNOTATION_EPOCH] == "1"
        assert made["spec"]["holderIdentity"] == "op-1"
        assert tested.leading

    in_virtual_time(main())


def test_a_restart_takes_over_at_once_with_the_next_epoch() -> None:
    async def main() -> None:
        objects = ApiObjects()
        first = await leader(FakeCluster(objects)).acquire()
        begun = virtual_time.clock()
        second = await leader(FakeCluster(objects)).acquire()
        assert virtual_time.clock() == begun
        assert (second.installation, second.epoch) == (first.installation, first.epoch + 1)
        assert lease(objects)["spec"]["leaseTransitions"] == 1

    in_virtual_time(main())


def test_another_operator_waits_until_the_lease_has_run_out() -> None:
    async def main() -> None:
        objects = ApiObjects()
        await leader(FakeCluster(objects)).acquire()
        begun = virtual_time.clock()
        term = await leader(FakeCluster(objects), "op-2").acquire()
        assert 15 <= virtual_time.clock() - begun <= 17.1
        assert term.epoch == 2

    in_virtual_time(main())


def test_another_operator_waits_as_long_as_the_holder_renews(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        objects = ApiObjects()
        holder = leader(FakeCluster(objects))
        await holder.acquire()
        keeping = asyncio.create_task(holder.keep())
        waiting = asyncio.create_task(leader(FakeCluster(objects), "op-2").acquire())
        await asyncio.sleep(120)
        assert not waiting.done()
        assert len([record for record in caplog.records if "op-1 holds the Lease" in record.message]) == 1
        keeping.cancel()
        await holder.release()
        given_back = virtual_time.clock()
        assert (await waiting).epoch == 2
        assert virtual_time.clock() - given_back <= 2

    in_virtual_time(main())


def test_two_that_take_it_at_the_same_moment_get_different_epochs() -> None:
    async def main() -> None:
        objects = ApiObjects()
        await leader(FakeCluster(objects), "old").release()
        first, second = FakeCluster(objects), FakeCluster(objects)
        one = leader(first, "op-1")
        await one.acquire()
        await one.release()
        raced = leader(second, "op-2")

        def other_is_faster(verb: str, plural: str) -> None:
            if verb == "update":
                second.before = lambda *_: None
                stolen = taken(lease(objects), "op-3", Rhythm(), now())
                objects.replace("leases", stolen)

        second.before = other_is_faster
        term = await raced.acquire()
        assert term.epoch == 3
        assert lease(objects)["spec"]["holderIdentity"] == "op-2"

    in_virtual_time(main())


def test_an_outage_ends_leading_before_the_lease_runs_out_and_the_same_term_goes_on_after_it() -> None:
    async def main() -> None:
        objects = ApiObjects()
        cluster = FakeCluster(objects)
        tested = leader(cluster)
        term = await tested.acquire()
        keeping = asyncio.create_task(tested.keep())
        cluster.failure = Unavailable("gone")
        leading = []
        for _ in range(2):
            await asyncio.sleep(7)
            leading.append(tested.leading)
        assert leading == [True, False]
        await asyncio.sleep(100)
        assert not keeping.done()
        cluster.failure = None
        await asyncio.sleep(2.1)
        leading.append(tested.leading)
        assert leading[-1]
        assert tested.term == term
        keeping.cancel()

    in_virtual_time(main())


def test_a_refusal_that_stays_is_said_once_and_that_of_a_starting_server_never(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        cluster = FakeCluster(ApiObjects())
        tested = leader(cluster)
        await tested.acquire()
        keeping = asyncio.create_task(tested.keep())
        cluster.failure = refused(403, "roles are not loaded yet")
        await asyncio.sleep(3)
        cluster.failure = None
        await asyncio.sleep(10)
        assert caplog.messages == []
        cluster.failure = refused(403, "the Role was deleted")
        await asyncio.sleep(30)
        keeping.cancel()
        assert [message.partition(": ")[2] for message in caplog.messages] == ["the Role was deleted"]

    in_virtual_time(main())


def test_losing_the_lease_to_another_ends_the_operator() -> None:
    async def main() -> None:
        objects = ApiObjects()
        cluster = FakeCluster(objects)
        tested = leader(cluster)
        await tested.acquire()
        keeping = asyncio.create_task(tested.keep())
        objects.replace("leases", taken(lease(objects), "op-2", Rhythm(), now()))
        with pytest.raises(LeaseLost, match=r"op-2 took the Lease .* \(epoch 2\)"):
            await keeping

    in_virtual_time(main())


def test_a_deleted_lease_ends_the_operator() -> None:
    async def main() -> None:
        objects = ApiObjects()
        tested = leader(FakeCluster(objects))
        await tested.acquire()
        objects.delete("leases", NAMESPACE, LEASE)
        with pytest.raises(LeaseLost, match="begins a new history"):
            await tested.keep()

    in_virtual_time(main())


def test_somebody_elses_label_on_the_lease_loses_nothing() -> None:
    async def main() -> None:
        objects = ApiObjects()
        tested = leader(FakeCluster(objects))
        await tested.acquire()
        keeping = asyncio.create_task(tested.keep())
        labelled = lease(objects)
        labelled["metadata"]["labels"] = {"team": "ops"}
        objects.replace("leases", labelled)
        await asyncio.sleep(30)
        assert tested.leading
        assert not keeping.done()
        assert lease(objects)["metadata"]["labels"] == {"team": "ops"}
        keeping.cancel()

    in_virtual_time(main())


def test_release_keeps_the_epoch() -> None:
    async def main() -> None:
        objects = ApiObjects()
        tested = leader(FakeCluster(objects))
        await tested.acquire()
        await tested.release()
        assert not tested.leading
        assert lease(objects)["spec"]["holderIdentity"] == ""
        assert epoch_of(lease(objects)) == 1

    in_virtual_time(main())


def test_a_damaged_epoch_is_named_with_its_remedy_and_never_guessed(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        objects = ApiObjects()
        tested = leader(FakeCluster(objects))
        await tested.acquire()
        damaged = lease(objects)
        damaged["metadata"]["annotations"][ANNOTATION_EPOCH] = "seven"
        objects.replace("leases", damaged)
        waiting = asyncio.create_task(leader(FakeCluster(objects)).acquire())
        await asyncio.sleep(60)
        assert not waiting.done()
        assert len([record for record in caplog.records if "is not a number" in record.message]) == 1
        waiting.cancel()

    in_virtual_time(main())


def test_clocks_of_other_machines_do_not_count() -> None:
    watchman = Watchman()
    held: dict[str, Any] = {
        "metadata": {"uid": "u"},
        "spec": {"holderIdentity": "op-9", "renewTime": "1990-01-01T00:00:00Z", "leaseDurationSeconds": 15},
    }
    assert watchman.wait(held, "op-1", 100.0) == 15.0
    assert watchman.wait(held, "op-1", 114.0) == 1.0
    renewed = {**held, "spec": {**held["spec"], "renewTime": "1990-01-01T00:00:02Z"}}
    assert watchman.wait(renewed, "op-1", 114.0) == 15.0
    assert watchman.wait(renewed, "op-1", 129.0) == 0.0
    assert watchman.wait(renewed, "op-9", 0.0) == 0.0
    assert LEASES.title == "leases.coordination.k8s.io"


@virtual_time.virtual
async def test_after_the_lease_was_set_back_the_next_term_is_above_what_routers_hold() -> None:
    objects = ApiObjects()
    tested = leader(FakeCluster(objects))
    first = await tested.acquire()
    with pytest.raises(LeaseLost, match="epoch 41"):
        await tested.outgrow(41)
    await tested.release()
    second = await leader(FakeCluster(objects)).acquire()
    assert (second.installation, second.epoch) == (first.installation, 42)
