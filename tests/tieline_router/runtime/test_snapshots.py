from dataclasses import dataclass, field

import pytest
from tieline_api.snapshot import SCHEMA, Backend, Heartbeat, OverlayFrame, Verdict
from tieline_router.routing.live import LiveTable
from tieline_router.runtime.snapshots import INLINE_OBJECTS, Refused, SnapshotStore, frame_kind

from tests.support import frames
from tests.support.clock import VirtualClock


@dataclass
class World:
    clock: VirtualClock = field(default_factory=VirtualClock)
    live: LiveTable = field(default_factory=LiveTable)
    changes: int = 0
    store: SnapshotStore = field(init=False)

    def __post_init__(self) -> None:
        self.store = SnapshotStore(self.live, self.clock, router_class="default", trust_env=False, changed=self.changed)

    def changed(self) -> None:
        self.changes += 1


CONFIG = frames.config([frames.own_pool("a")], [frames.route("a")])


async def test_a_configuration_makes_the_router_ready() -> None:
    world = World()
    states = [world.store.ready, await world.store.apply(CONFIG), world.store.ready]
    assert states == [False, True, True]
    assert world.store.current is not None
    assert world.store.current.table.match("default", frames.MODEL) is not None
    assert world.store.holds() == {"config": frames.revision()}
    assert world.changes == 1


async def test_the_same_revision_again_changes_nothing() -> None:
    world = World()
    await world.store.apply(CONFIG)
    before = world.store.current
    assert not await world.store.apply(CONFIG)
    assert world.store.current is before
    assert world.changes == 1


async def test_equal_content_is_not_compiled_again() -> None:
    world = World()
    await world.store.apply(CONFIG)
    assert world.store.current is not None
    table = world.store.current.table
    newer = frames.config([frames.own_pool("a")], [frames.route("a")], revision=frames.revision(2))
    assert await world.store.apply(newer)
    assert world.store.current.table is table
    assert world.store.current.revision == frames.revision(2)


@pytest.mark.parametrize("older", [frames.revision(4), frames.revision(9, epoch=1)])
async def test_an_older_revision_is_refused(older: object) -> None:
    world = World()
    await world.store.apply(frames.config([], [], revision=frames.revision(5, epoch=2)))
    with pytest.raises(Refused, match=r"revision 00000000\.1\.\d is older than 00000000\.2\.5"):
        await world.store.apply(frames.config([], [], revision=older))


async def test_another_installation_takes_over() -> None:
    world = World()
    await world.store.apply(frames.config([], [], revision=frames.revision(5, epoch=2)))
    assert await world.store.apply(frames.config([], [], revision=frames.revision(1, installation="restored")))


async def test_a_contradiction_is_refused_and_the_old_stays() -> None:
    world = World()
    await world.store.apply(CONFIG)
    before = world.store.current
    bad = frames.config([], [frames.route("nobody")], revision=frames.revision(2))
    with pytest.raises(Refused, match="names pools that the configuration lacks: default/nobody"):
        await world.store.apply(bad)
    assert world.store.current is before
    assert world.changes == 1
    assert await world.store.apply(frames.endpoints({"a": ["10.0.0.1:1"]}, 2)), "other frames go on"


async def test_a_bug_while_compiling_is_a_refusal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("surprise")

    world = World()
    await world.store.apply(CONFIG)
    before = world.store.current
    monkeypatch.setattr("tieline_router.runtime.snapshots.compile_table", broken)
    with pytest.raises(Refused, match="RuntimeError: surprise"):
        await world.store.apply(frames.config([], [frames.route("a")], revision=frames.revision(2)))
    assert world.store.current is before


async def test_a_configuration_of_another_fleet_is_refused() -> None:
    with pytest.raises(Refused, match="class 'batch', not 'default'"):
        await World().store.apply(frames.config([], [], router_class="batch"))


async def test_a_large_configuration_is_the_same_in_a_thread() -> None:
    world = World()
    pools = [frames.own_pool(f"p{index}") for index in range(INLINE_OBJECTS + 1)]
    await world.store.apply(frames.config(pools, [frames.route("p0")]))
    assert world.store.current is not None
    assert len(world.store.current.table.pools) == INLINE_OBJECTS + 1
    bad = frames.route("p0", name="other", backends=(Backend(pool="default/none"),))
    with pytest.raises(Refused):
        await world.store.apply(frames.config(pools, [bad], revision=frames.revision(2)))


async def test_addresses_of_a_file_are_not_confirmed_and_those_of_the_stream_are() -> None:
    world = World()
    await world.store.apply(CONFIG)
    await world.store.apply(frames.endpoints({"a": ["10.0.0.1:1"]}), confirmed=False)
    assert world.live.stale(world.clock.now())
    assert not await world.store.apply(frames.endpoints({"a": ["10.0.0.1:1"]}))
    assert not world.live.stale(world.clock.now())


async def test_heartbeats_confirm_addresses_only_when_they_say_so() -> None:
    world = World()
    await world.store.apply(frames.endpoints({"a": ["10.0.0.1:1"]}))
    world.clock.advance(59)
    assert not world.live.stale(world.clock.now())
    await world.store.apply(Heartbeat(schema=SCHEMA, endpoints_confirmed=False))
    world.clock.advance(1)
    assert world.live.stale(world.clock.now())
    await world.store.apply(Heartbeat(schema=SCHEMA, routers=3))
    assert world.live.admission.routers == 3
    assert not world.live.stale(world.clock.now())
    assert world.changes == 1, "a heartbeat is nothing to store"


async def test_new_secrets_reach_the_targets_of_the_present_configuration() -> None:
    world = World()
    await world.store.apply(frames.config([frames.external_pool("b", "https://api.example.com")], []))
    await world.store.apply(frames.secrets(b_key="one"))
    assert world.store.current is not None
    pool = world.store.current.table.pools["default/b"]
    first = world.store.current.targets.target(pool, None, pool.wire.credentials[0])
    await world.store.apply(frames.secrets(2, b_key="two"))
    second = world.store.current.targets.target(pool, None, pool.wire.credentials[0])
    assert (first.headers["Authorization"], second.headers["Authorization"]) == ("Bearer one", "Bearer two")


async def test_verdicts_are_taken() -> None:
    world = World()
    frame = OverlayFrame(schema=SCHEMA, revision=frames.revision(), pools={"default/a": Verdict(health="Unhealthy")})
    assert await world.store.apply(frame)
    assert not await world.store.apply(frame)
    assert world.live.verdicts["default/a"].health == "Unhealthy"


def test_kinds() -> None:
    every = (CONFIG, frames.endpoints({}), frames.secrets(), Heartbeat(schema=SCHEMA))
    assert [frame_kind(frame) for frame in every] == ["config", "endpoints", "secrets", "heartbeat"]
