"""The bootstrap copy: seldom written, never with a secret, never too large. Over objects in memory, in virtual time."""

import asyncio
import base64
import gzip
import random

import pytest
from tieline_api.snapshot import Config, ConfigFrame, EndpointsFrame, Revision, Route, SecretValue, decode_frame
from tieline_operator.compile import Compiled
from tieline_operator.delivery.bootstrap import Bootstrap, pack, unpack
from tieline_operator.delivery.publications import Publication, Target
from tieline_operator.errors import Unavailable

from tests.support import virtual_time
from tests.support.api_objects import ApiObjects, FakeCluster

NAMESPACE = "tieline-system"


def publication(*names: str, epoch: int = 1) -> Publication:
    made = Publication(Target("gateway", "default"))
    routes = tuple(Route(key=f"ai/{name}", namespace="ai", models=(name,)) for name in names)
    counter = iter(range(1, 10))
    compiled = Compiled(Config(routes=routes), {}, {"ai/s/key": SecretValue(version="1", value="sk-secret")}, {})
    made.update(compiled, lambda: Revision("lease-uid", epoch, next(counter)), 0.0)
    return made


class Place:
    def __init__(self) -> None:
        self.objects = ApiObjects()
        self.cluster = FakeCluster(self.objects)
        self.leading = True
        self.counts: list[str] = []

    def bootstrap(self) -> Bootstrap:
        return Bootstrap(self.cluster, NAMESPACE, 30.0, leading=lambda: self.leading, counted=self.counts.append)

    def written(self) -> bytes:
        body = self.objects.get("configmaps", NAMESPACE, "tieline-bootstrap-default")
        return base64.b64decode(body["binaryData"]["snapshot.json.gz"])


def test_the_copy_is_two_frames_without_secrets() -> None:
    packed = pack(publication("coder"))
    config, endpoints = [decode_frame(line) for line in gzip.decompress(packed).splitlines()]
    assert isinstance(config, ConfigFrame)
    assert isinstance(endpoints, EndpointsFrame)
    assert config.config.routes[0].models == ("coder",)
    assert b"sk-secret" not in gzip.decompress(packed)
    assert pack(publication("coder")) == packed


EMPTY_MAP = gzip.compress(b"{}")
UNREADABLE = {
    "empty": b"",
    "not-gzip": b"not gzip",
    "no-frame": EMPTY_MAP,
    "not-json": gzip.compress(b"\xff"),
    "damaged": EMPTY_MAP[:10] + b"\xff" * 20,
    "cut": EMPTY_MAP[:-3],
}
"""A good head and a body that cannot be inflated."""


@pytest.mark.parametrize("rubbish", UNREADABLE.values(), ids=UNREADABLE)
def test_an_unreadable_copy_is_none(rubbish: bytes) -> None:
    found = unpack(rubbish)
    assert found is None or found.content_hash == ""


def test_it_is_written_at_most_every_thirty_seconds_and_the_newest_wins() -> None:
    async def main() -> None:
        place = Place()
        tested = place.bootstrap()
        task = asyncio.create_task(tested.run())
        for number in range(10):
            tested.offer(publication(f"route-{number}"))
            await asyncio.sleep(1)
        assert place.counts == ["written"]
        await asyncio.sleep(30)
        assert place.counts == ["written", "written"]
        assert place.written() == pack(publication("route-9"))
        task.cancel()

    virtual_time.run(main())


def test_equal_content_is_not_written_again_not_even_after_a_restart() -> None:
    async def main() -> None:
        place = Place()
        for epoch in (1, 2):
            tested = place.bootstrap()
            task = asyncio.create_task(tested.run())
            tested.offer(publication("coder", epoch=epoch))
            await asyncio.sleep(100)
            task.cancel()
        assert place.counts == ["written", "unchanged"]
        assert len(place.objects.writes()) == 1

    virtual_time.run(main())


def test_a_failed_write_is_tried_again_and_nothing_is_written_without_the_lease() -> None:
    async def main() -> None:
        place = Place()
        tested = place.bootstrap()
        task = asyncio.create_task(tested.run())
        place.leading = False
        tested.offer(publication("coder"))
        await asyncio.sleep(31)
        place.leading = True
        place.cluster.failure = Unavailable("gone")
        await asyncio.sleep(31)
        place.cluster.failure = None
        await asyncio.sleep(31)
        assert place.counts[0] == "failed"
        assert place.counts[-1] == "written"
        assert place.written() == pack(publication("coder"))
        task.cancel()

    virtual_time.run(main())


def test_a_copy_that_is_too_large_is_skipped_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        draw = random.Random(1)
        names = [f"{draw.getrandbits(256):064x}" for _ in range(40_000)]
        place = Place()
        tested = place.bootstrap()
        task = asyncio.create_task(tested.run())
        tested.offer(publication(*names))
        await asyncio.sleep(31)
        tested.offer(publication(*names[1:]))
        await asyncio.sleep(31)
        assert place.counts == ["too_large", "too_large"]
        assert place.objects.writes() == []
        task.cancel()

    virtual_time.run(main())
    assert len([record for record in caplog.records if "KiB" in record.message]) == 1


def test_a_damaged_copy_in_the_cluster_is_written_anew() -> None:
    async def main() -> None:
        place = Place()
        binary = {"snapshot.json.gz": base64.b64encode(UNREADABLE["damaged"]).decode()}
        metadata = {"name": "tieline-bootstrap-default", "namespace": NAMESPACE}
        place.objects.create("configmaps", NAMESPACE, {"kind": "ConfigMap", "metadata": metadata, "binaryData": binary})
        tested = place.bootstrap()
        task = asyncio.create_task(tested.run())
        tested.offer(publication("coder"))
        await asyncio.sleep(1)
        assert place.counts == ["written"]
        assert place.written() == pack(publication("coder"))
        task.cancel()

    virtual_time.run(main())


def test_an_unexpected_error_is_said_once_and_tried_again_ever_more_seldom(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        place = Place()
        place.cluster.failure = RuntimeError("out of order")
        tested = place.bootstrap()
        task = asyncio.create_task(tested.run())
        tested.offer(publication("coder"))
        await asyncio.sleep(3600)
        assert 5 < len(place.counts) < 20
        place.cluster.failure = None
        await asyncio.sleep(301)
        assert place.counts[-1] == "written"
        task.cancel()

    virtual_time.run(main())
    assert len([record for record in caplog.records if "out of order" in record.message]) == 1
