import asyncio

import pytest
from tieline_router.runtime.limit import Limit


async def test_it_ends_what_takes_too_long() -> None:
    with pytest.raises(TimeoutError), Limit(0.0):
        await asyncio.Event().wait()
    assert asyncio.current_task().cancelling() == 0  # type: ignore[union-attr]


async def test_in_time_it_does_nothing() -> None:
    with Limit(60.0):
        await asyncio.sleep(0)
    with Limit() as limit:
        limit.set(60.0)
        limit.set(None)


async def test_it_can_be_ended_early() -> None:
    async def ended() -> None:
        with Limit() as limit:
            asyncio.get_running_loop().call_soon(limit.expire)
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await ended()


async def test_a_cancellation_of_somebody_else_goes_on() -> None:
    async def limited(both: bool) -> None:
        with Limit() as limit:
            if both:
                asyncio.get_running_loop().call_soon(limit.expire)
            await asyncio.Event().wait()

    for both in (False, True):
        task = asyncio.create_task(limited(both))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_an_inner_limit_is_told_from_an_outer_one() -> None:
    with pytest.raises(TimeoutError), Limit(0.0), Limit(60.0):
        await asyncio.Event().wait()
