import asyncio

import pytest
from tieline_router.runtime.tasks import Tasks

from tests.support.clock import VirtualClock


async def test_what_breaks_is_told_and_starts_again(caplog: pytest.LogCaptureFixture) -> None:
    tries = 0
    done = asyncio.Event()

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ValueError("a bug")
        done.set()

    tasks = Tasks(VirtualClock())
    tasks.start("the stream", work)
    async with asyncio.timeout(5):
        await done.wait()
    await tasks.stop()
    assert tries == 3
    assert caplog.text.count("the stream broke and starts again") == 2


async def test_stop_waits_for_the_end_of_all() -> None:
    ended: list[str] = []
    started = asyncio.Event()

    async def work() -> None:
        try:
            started.set()
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("work")

    tasks = Tasks(VirtualClock())
    tasks.start("work", work)
    await started.wait()
    await tasks.stop()
    assert ended == ["work"]
