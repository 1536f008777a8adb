import asyncio
import socket
from collections.abc import Sequence

import pytest
from tieline_router.runtime.addresses import AddressInfo
from tieline_router.runtime.upstream.names import REMEMBERED, REMEMBERED_SECONDS, Names

from tests.support.virtual_time import virtual


class Resolver:
    """Counts what it is asked; answers when the gate is open."""

    def __init__(self, *hosts: str, failing: bool = False) -> None:
        self.hosts = hosts
        self.failing = failing
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def __call__(self, host: str, port: int) -> Sequence[AddressInfo]:
        self.asked += 1
        await self.gate.wait()
        if self.failing:
            raise socket.gaierror(socket.EAI_AGAIN, "later")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port)) for one in self.hosts]


async def first(names: Names, host: str = "a.example") -> str:
    return str((await names.addresses(host, 80))[0][4][0])


@virtual
async def test_a_name_is_remembered_for_seconds_and_its_addresses_take_turns() -> None:
    resolver = Resolver("1.1.1.1", "2.2.2.2", "3.3.3.3")
    names = Names(resolver)
    assert [await first(names) for _ in range(4)] == ["1.1.1.1", "2.2.2.2", "3.3.3.3", "1.1.1.1"]
    assert resolver.asked == 1
    await asyncio.sleep(REMEMBERED_SECONDS)
    resolver.hosts = ("4.4.4.4",)
    assert await first(names) == "4.4.4.4"
    assert resolver.asked == 2
    await names.addresses("a.example", 81)
    assert resolver.asked == 3


@virtual
async def test_those_who_ask_together_are_one_and_may_leave() -> None:
    resolver = Resolver("1.1.1.1")
    resolver.gate.clear()
    names = Names(resolver)
    asking = [asyncio.create_task(first(names)) for _ in range(3)]
    await asyncio.sleep(1)
    asking[0].cancel()
    await asyncio.sleep(1)
    resolver.gate.set()
    assert await asyncio.gather(*asking[1:]) == ["1.1.1.1", "1.1.1.1"]
    assert asking[0].cancelled()
    assert resolver.asked == 1


@virtual
async def test_a_failure_is_told_to_all_and_not_remembered() -> None:
    resolver = Resolver(failing=True)
    names = Names(resolver)
    for asked in (1, 2):
        with pytest.raises(socket.gaierror):
            await first(names)
        assert resolver.asked == asked
    resolver.failing = False
    with pytest.raises(socket.gaierror, match="no address"):
        await first(names)


@virtual
async def test_what_is_remembered_is_bounded() -> None:
    names = Names(Resolver("1.1.1.1"))
    for number in range(REMEMBERED + 5):
        await first(names, f"{number}.example")
    assert len(names._known) <= REMEMBERED
    assert not names._asked


@virtual
async def test_closing_ends_what_hangs() -> None:
    resolver = Resolver("1.1.1.1")
    resolver.gate.clear()
    names = Names(resolver)
    asking = asyncio.create_task(first(names))
    await asyncio.sleep(1)
    await names.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
