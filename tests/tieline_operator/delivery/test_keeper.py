"""Certificates in the cluster: made, shared, renewed, healed, and served at once. Over objects in memory."""

import asyncio
import ssl
from datetime import UTC, datetime, timedelta

import pytest
from tieline_api.names import CA_CONFIG_MAP, CA_KEY, CERTIFICATE_SECRET
from tieline_operator.delivery.certificates import CA_LIFE, LEAF_LIFE, OVERLAP, unpack
from tieline_operator.delivery.keeper import CHECK_SECONDS, MAX_CONFLICTS, Keeper, write_config_map
from tieline_operator.errors import Conflict, Unavailable

from tests.support.api_objects import ApiObjects, FakeCluster
from tests.support.virtual_time import clock, virtual

NAMESPACE = "tieline-system"
NAMES = ("tieline-operator.tieline-system.svc",)
START = datetime(2026, 3, 1, tzinfo=UTC)


class Place:
    """Objects, a client and a time of day."""

    def __init__(self) -> None:
        self.objects = ApiObjects()
        self.cluster = FakeCluster(self.objects)
        self.now = START

    def keeper(self, *names: str) -> Keeper:
        return Keeper(self.cluster, NAMESPACE, names or NAMES, lambda: self.now)

    def bundle(self) -> str:
        return str(self.objects.get("configmaps", NAMESPACE, CA_CONFIG_MAP)["data"][CA_KEY])

    def serial(self) -> int:
        leaf = unpack(self.objects.get("secrets", NAMESPACE, CERTIFICATE_SECRET)["data"]).leaf
        assert leaf is not None
        return leaf.certificate.serial_number


def test_first_start_makes_secret_and_bundle_and_a_second_writes_nothing() -> None:
    place = Place()
    asyncio.run(place.keeper().ensure())
    assert [(write.verb, write.plural) for write in place.objects.writes()] == [
        ("create", "secrets"),
        ("create", "configmaps"),
    ]
    serial = place.serial()
    asyncio.run(place.keeper().ensure())
    assert len(place.objects.writes()) == 2
    assert place.serial() == serial
    assert len(ssl.create_default_context(cadata=place.bundle()).get_ca_certs()) == 1


def test_a_new_name_renews_the_leaf_under_the_same_ca() -> None:
    place = Place()
    asyncio.run(place.keeper().ensure())
    bundle, serial = place.bundle(), place.serial()
    asyncio.run(place.keeper(*NAMES, "op.example.com").ensure())
    assert place.bundle() == bundle
    assert place.serial() != serial


def test_rotation_publishes_the_new_ca_before_it_signs() -> None:
    place = Place()
    tested = place.keeper()
    asyncio.run(tested.ensure())
    place.now = START + CA_LIFE * 2 / 3
    asyncio.run(tested.ensure())
    assert place.bundle().count("BEGIN CERTIFICATE") == 2
    before = unpack(place.objects.get("secrets", NAMESPACE, CERTIFICATE_SECRET)["data"])
    place.now += OVERLAP + timedelta(hours=1)
    asyncio.run(tested.ensure())
    after = unpack(place.objects.get("secrets", NAMESPACE, CERTIFICATE_SECRET)["data"])
    assert before.next is not None
    assert after.current is not None
    assert after.current.certificate == before.next.certificate
    assert place.bundle().count("BEGIN CERTIFICATE") == 2


def test_another_writer_at_the_same_time_wins_and_both_serve_the_same() -> None:
    place, elsewhere = Place(), Place()
    asyncio.run(elsewhere.keeper().ensure())
    theirs = elsewhere.objects.get("secrets", NAMESPACE, CERTIFICATE_SECRET)

    def other_is_faster(verb: str, plural: str) -> None:
        if (verb, plural) == ("create", "secrets"):
            place.cluster.before = lambda *_: None
            place.objects.create("secrets", NAMESPACE, theirs)

    place.cluster.before = other_is_faster
    asyncio.run(place.keeper().ensure())
    assert [write.verb for write in place.objects.writes("secrets")] == ["create"]
    assert place.serial() == elsewhere.serial()
    assert place.bundle() == elsewhere.bundle()


def test_a_deleted_or_damaged_secret_is_written_anew_with_the_same_ca(caplog: pytest.LogCaptureFixture) -> None:
    place = Place()
    tested = place.keeper()
    asyncio.run(tested.ensure())
    bundle = place.bundle()
    place.objects.delete("secrets", NAMESPACE, CERTIFICATE_SECRET)
    asyncio.run(tested.ensure())
    assert place.bundle() == bundle
    damaged = place.objects.get("secrets", NAMESPACE, CERTIFICATE_SECRET)
    damaged["data"]["ca.key"] = "c2VjcmV0LXJ1YmJpc2g="
    place.objects.replace("secrets", damaged)
    asyncio.run(tested.ensure())
    assert place.bundle() == bundle
    assert "cannot be read" in caplog.text
    assert "rubbish" not in caplog.text


def test_an_edited_bundle_is_restored_and_foreign_labels_stay() -> None:
    place = Place()
    tested = place.keeper()
    asyncio.run(tested.ensure())
    bundle = place.bundle()
    edited = place.objects.get("configmaps", NAMESPACE, CA_CONFIG_MAP)
    edited["data"] = {CA_KEY: "mine"}
    edited["metadata"]["labels"]["team"] = "ops"
    place.objects.replace("configmaps", edited)
    asyncio.run(tested.ensure())
    assert place.bundle() == bundle
    assert place.objects.get("configmaps", NAMESPACE, CA_CONFIG_MAP)["metadata"]["labels"]["team"] == "ops"


def test_the_newest_leaf_is_loaded_and_its_end_is_known() -> None:
    place = Place()
    tested = place.keeper()
    asyncio.run(tested.ensure())
    first = tested.expires
    assert first is not None
    place.now = START + LEAF_LIFE * 2 / 3
    asyncio.run(tested.ensure())
    assert tested.expires is not None
    assert tested.expires > first


def test_while_the_api_server_is_away_the_error_is_the_callers() -> None:
    place = Place()
    place.cluster.failure = Unavailable("gone")
    with pytest.raises(Unavailable):
        asyncio.run(place.keeper().ensure())


def test_write_config_map_says_whether_it_wrote() -> None:
    place = Place()
    body = {"metadata": {"name": "x", "namespace": NAMESPACE}, "data": {"a": "1"}}
    assert asyncio.run(write_config_map(place.cluster, body))
    assert not asyncio.run(write_config_map(place.cluster, body))
    assert asyncio.run(write_config_map(place.cluster, {**body, "data": {"a": "2"}}))


@virtual
async def test_a_writer_that_is_always_faster_is_answered_with_pauses_and_an_end() -> None:
    place = Place()
    reads = 0

    def conflict(verb: str, plural: str) -> None:
        nonlocal reads
        reads += (verb, plural) == ("get", "secrets")
        if verb == "create":
            raise Conflict(409, "AlreadyExists", "somebody was faster")

    place.cluster.before = conflict
    begun = clock()
    with pytest.raises(Conflict):
        await place.keeper().ensure()
    assert reads == MAX_CONFLICTS
    assert clock() - begun >= 1.0


@virtual
async def test_a_deleted_bundle_is_back_at_the_next_check_and_no_error_ends_the_checks() -> None:
    place = Place()
    tested = place.keeper()
    await tested.ensure()
    bundle = place.bundle()
    task = asyncio.create_task(tested.keep(lambda: True))
    place.cluster.failure = RuntimeError("out of order")
    await asyncio.sleep(5 * CHECK_SECONDS)
    place.cluster.failure = None
    place.objects.delete("configmaps", NAMESPACE, CA_CONFIG_MAP)
    await asyncio.sleep(60)
    assert place.bundle() == bundle
    assert not task.done()
    task.cancel()
