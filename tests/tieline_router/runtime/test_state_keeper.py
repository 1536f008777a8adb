import asyncio
import gzip
import threading
from pathlib import Path

import pytest
from tieline_api.snapshot import Frame, encode
from tieline_router.routing.live import LiveTable
from tieline_router.runtime.sealed import Seal
from tieline_router.runtime.snapshots import SnapshotStore
from tieline_router.runtime.state_file import Saved, load, save
from tieline_router.runtime.state_keeper import StateKeeper

from tests.support import frames
from tests.support.clock import VirtualClock
from tests.support.waiting import eventually

KEY = b"0123456789abcdef"


def keeper(folder: Path, *, bootstrap: bool = False) -> tuple[StateKeeper, SnapshotStore]:
    clock = VirtualClock()
    made = StateKeeper(
        clock,
        state_file=folder / "state",
        key_file=folder / "key",
        bootstrap_file=folder / "bootstrap" if bootstrap else None,
    )
    store = SnapshotStore(LiveTable(), clock, router_class="default", trust_env=False, changed=made.changed)
    return made, store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "key").write_bytes(KEY)
    return tmp_path


def bootstrap(folder: Path, *parts: Frame) -> None:
    (folder / "bootstrap").write_bytes(gzip.compress(b"\n".join(map(encode, parts))))


async def test_changes_are_written_and_read_at_the_next_start(folder: Path) -> None:
    first, store = keeper(folder)
    await first.boot(store)
    assert not store.ready
    await store.apply(frames.config([frames.own_pool("a")], []))
    await store.apply(frames.secrets(b_key="sk-secret"))
    await first.flush(store)
    second, restarted = keeper(folder)
    await second.boot(restarted)
    assert (restarted.config, restarted.secrets) == (store.config, store.secrets)
    assert b"sk-secret" not in (folder / "state").read_bytes()


async def test_the_writer_follows_changes(folder: Path) -> None:
    made, store = keeper(folder)
    writing = asyncio.create_task(made.run(store))
    for counter in range(1, 4):
        await store.apply(frames.endpoints({}, counter))
    await eventually(lambda: load(folder / "state", None).endpoints == store.endpoints, "the last change on disk")
    writing.cancel()


async def test_a_write_that_has_begun_is_finished_at_the_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, store = keeper(folder)
    begun, go_on = threading.Event(), threading.Event()

    def slow(path: Path, saved: Saved, seal: Seal | None) -> None:
        begun.set()
        go_on.wait(10)
        save(path, saved, seal)

    monkeypatch.setattr("tieline_router.runtime.state_keeper.save", slow)
    writing = asyncio.create_task(made.run(store))
    await store.apply(frames.endpoints({}, 7))
    await asyncio.to_thread(begun.wait, 10)
    writing.cancel()
    asyncio.get_running_loop().call_later(0.05, go_on.set)
    await made.flush(store)
    assert load(folder / "state", None).endpoints == store.endpoints


async def test_of_file_and_copy_the_newer_wins_kind_by_kind(folder: Path) -> None:
    old = frames.config([frames.own_pool("old")], [], revision=frames.revision(1))
    new = frames.config([frames.own_pool("new")], [], revision=frames.revision(2))
    save(folder / "state", Saved(config=old, endpoints=frames.endpoints({}, 9)), None)
    bootstrap(folder, new, frames.endpoints({}, 3))
    made, store = keeper(folder, bootstrap=True)
    await made.boot(store)
    assert store.config == new
    assert store.endpoints is not None
    assert store.endpoints.revision.counter == 9


async def test_the_older_copy_loses(folder: Path) -> None:
    new = frames.config([frames.own_pool("new")], [], revision=frames.revision(2))
    save(folder / "state", Saved(config=new), None)
    bootstrap(folder, frames.config([], [], revision=frames.revision(1)))
    made, store = keeper(folder, bootstrap=True)
    await made.boot(store)
    assert store.config == new


async def test_the_copy_of_another_installation_wins(folder: Path) -> None:
    save(folder / "state", Saved(config=frames.config([], [], revision=frames.revision(9, epoch=9))), None)
    restored = frames.config([], [], revision=frames.revision(1, installation="restored"))
    bootstrap(folder, restored)
    made, store = keeper(folder, bootstrap=True)
    await made.boot(store)
    assert store.config == restored


async def test_a_wrong_key_is_a_warning_and_the_rest_is_used(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = frames.config([frames.own_pool("a")], [])
    save(folder / "state", Saved(config=config, secrets=frames.secrets(b_key="x")), Seal(b"another key of 16 bytes"))
    made, store = keeper(folder)
    await made.boot(store)
    assert (store.config, store.secrets) == (config, None)
    assert "wrong state key" in caplog.text


async def test_a_missing_key_is_a_warning(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "key").unlink()
    made, store = keeper(folder)
    await made.boot(store)
    assert "the state key cannot be read" in caplog.text


async def test_a_state_that_contradicts_itself_stops_nothing(folder: Path) -> None:
    save(folder / "state", Saved(config=frames.config([], [frames.route("none")])), None)
    made, store = keeper(folder)
    await made.boot(store)
    assert not store.ready


async def test_a_disk_that_refuses_is_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "state").mkdir()
    made, store = keeper(folder)
    for counter in (1, 2):
        await store.apply(frames.endpoints({}, counter))
        await made.flush(store)
    assert caplog.text.count("cannot be written") == 1
    assert made.failing
