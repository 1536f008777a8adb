"""Coalescing, one worker a key, back-off: as a table of times, and against a model."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from tieline_operator.workqueue import MAX_BACKOFF_SECONDS, Workers, WorkQueue

from tests.support import virtual_time


def test_a_burst_of_changes_is_one_run() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for time in (0.0, 0.01, 0.02):
        queue.add("a", time, delay=0.05)
    assert queue.take(0.049) is None
    assert queue.take(0.05) == "a"
    assert queue.take(1.0) is None


def test_the_earlier_of_two_times_stands() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", 0.0, delay=10.0)
    queue.add("a", 1.0)
    assert queue.next_due() == 1.0
    assert queue.take(1.0) == "a"
    assert queue.next_due() is None


def test_a_key_is_never_with_two_workers_and_runs_once_more_when_it_changed_meanwhile() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", 0.0)
    assert queue.take(0.0) == "a"
    queue.add("a", 1.0)
    queue.add("a", 2.0)
    assert queue.take(3.0) is None
    queue.done("a")
    assert queue.take(3.0) == "a"
    queue.done("a")
    assert queue.take(3.0) is None


def test_the_longest_due_key_comes_first() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("later", 0.0, delay=2.0)
    queue.add("sooner", 1.0)
    assert [queue.take(5.0), queue.take(5.0)] == ["sooner", "later"]


def test_back_off_doubles_up_to_its_bound_and_starts_anew_after_a_success() -> None:
    queue: WorkQueue[str] = WorkQueue()
    delays = []
    for now in range(0, 12_000, 1000):
        queue.add("a", now)
        assert queue.take(now) == "a"
        delays.append(queue.failed("a", now, draw=0.999999))
    assert [round(delay, 2) for delay in delays[:4]] == [0.25, 0.5, 1.0, 2.0]
    assert round(delays[-1]) == MAX_BACKOFF_SECONDS
    queue.take(20_000)
    queue.done("a")
    queue.add("a", 30_000)
    queue.take(30_000)
    assert queue.failed("a", 30_000, draw=0.0) == 0.125


def test_a_change_does_not_wait_for_the_back_off() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", 0.0)
    queue.take(0.0)
    queue.failed("a", 0.0, draw=0.5)
    queue.add("a", 0.01)
    assert queue.take(0.01) == "a"


def test_a_forgotten_key_is_not_taken() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", 0.0)
    queue.forget("a")
    assert queue.take(1.0) is None
    assert len(queue) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "take", "done", "failed"])), max_size=60))
def test_nothing_that_was_added_is_ever_lost(steps: list[tuple[str, str]]) -> None:
    """Model: a key added after it was last taken is dirty; whoever empties the queue gets exactly the dirty keys."""
    queue: WorkQueue[str] = WorkQueue()
    dirty: set[str] = set()
    working: set[str] = set()
    for now, (key, step) in enumerate(steps):
        match step:
            case "add":
                queue.add(key, now)
                dirty.add(key)
            case "take":
                taken = queue.take(now)
                if taken is not None:
                    assert taken in dirty
                    assert taken not in working
                    dirty.remove(taken)
                    working.add(taken)
            case "done" if key in working:
                queue.done(key)
                working.remove(key)
            case "failed" if key in working:
                queue.failed(key, now, 0.5)
                working.remove(key)
                dirty.add(key)
            case _:
                pass
    for key in working:
        queue.done(key)
    left = set()
    while (taken := queue.take(10_000)) is not None:
        left.add(taken)
    assert left == dirty


async def _run_workers(count: int) -> tuple[list[str], int, list[tuple[str, float]]]:
    done: list[str] = []
    running, most = 0, 0
    failures: list[tuple[str, float]] = []

    async def handle(key: str) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(1)
        running -= 1
        if key == "bad" and len(failures) < 2:
            raise ValueError(key)
        done.append(key)

    workers: Workers[str] = Workers(
        handle,
        lambda key, error, delay: failures.append((key, delay)),
        count=count,
        clock=virtual_time.clock,
        draw=lambda: 0.0,
    )
    task = asyncio.create_task(workers.run())
    for key in ("a", "b", "bad", "c"):
        workers.add(key)
    await asyncio.sleep(30)
    task.cancel()
    return done, most, failures


def test_workers_are_bounded_and_one_bad_key_stops_nobody() -> None:
    done, most, failures = virtual_time.run(_run_workers(2))
    assert sorted(done) == ["a", "b", "bad", "c"]
    assert most == 2
    assert failures == [("bad", 0.125), ("bad", 0.25)]


async def _add_while_running() -> int:
    runs = 0

    async def handle(key: str) -> None:
        nonlocal runs
        runs += 1
        await asyncio.sleep(1)

    workers: Workers[str] = Workers(handle, lambda *_: None, count=2, clock=virtual_time.clock, draw=lambda: 0.0)
    task = asyncio.create_task(workers.run())
    workers.add("a")
    await asyncio.sleep(0.5)
    workers.add("a")
    workers.add("a")
    await asyncio.sleep(10)
    task.cancel()
    return runs


def test_a_key_added_while_it_is_worked_on_runs_exactly_once_more() -> None:
    assert virtual_time.run(_add_while_running()) == 2


def test_a_failed_key_waits_as_long_as_the_server_asked() -> None:
    queue: WorkQueue[str] = WorkQueue()
    queue.add("a", 0.0)
    queue.take(0.0)
    assert queue.failed("a", 0.0, 0.0, least=30.0) == 30.0
    assert queue.take(29.9) is None
    assert queue.take(30.0) == "a"


def test_after_an_outage_only_keys_without_a_fault_of_their_own_are_due_at_once() -> None:
    queue: WorkQueue[str] = WorkQueue()
    for key in ("own", "away"):
        queue.add(key, 0.0)
        queue.take(0.0)
    queue.failed("own", 0.0, 0.0, least=30.0)
    queue.failed("away", 0.0, 0.0, least=30.0, blameless=True)
    assert queue.backs_off("own")
    queue.relieve(1.0)
    assert [queue.take(1.0), queue.take(1.0)] == ["away", None]
    assert not queue.backs_off("away")
    queue.relieve(2.0)
    assert queue.take(2.0) is None
