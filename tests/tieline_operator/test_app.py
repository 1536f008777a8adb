"""How the process ends: with a status and one line that says why."""

import asyncio
from collections.abc import Coroutine

import pytest
from tieline_operator.app import supervise
from tieline_operator.credentials import NoCredentials
from tieline_operator.errors import LeaseLost, PartEnded


async def _raise(error: Exception) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(_fail(error))
        group.create_task(asyncio.Event().wait())


async def _fail(error: Exception) -> None:
    raise error


def end(work: Coroutine[object, object, None]) -> int:
    async def main() -> int:
        return await supervise(work, asyncio.Event())

    return asyncio.run(main())


@pytest.mark.parametrize(
    "error",
    [
        PartEnded("kopf's thread ended: WatchingError: odd"),
        LeaseLost("op-2 took the Lease x/tieline-operator (epoch 4)"),
        NoCredentials("no credentials for the API server: this is not a pod"),
        OSError(98, "address already in use"),
    ],
)
def test_an_end_from_outside_is_one_line_without_a_stack(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    assert end(_raise(error)) == 1
    [record] = caplog.records
    assert str(error) in record.getMessage()
    assert record.exc_info is None


def test_an_error_of_its_own_is_told_with_its_stack(caplog: pytest.LogCaptureFixture) -> None:
    assert end(_raise(ValueError("oh"))) == 1
    [record] = caplog.records
    assert record.exc_info is not None


def test_a_signal_cleans_up_and_ends_with_zero() -> None:
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("cleaned")

    async def main() -> int:
        stop = asyncio.Event()
        asyncio.get_running_loop().call_soon(stop.set)
        return await supervise(work(), stop)

    assert asyncio.run(main()) == 0
    assert cleaned == ["cleaned"]
