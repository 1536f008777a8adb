import asyncio

from tieline_api.snapshot import Notice
from tieline_router.runtime.notices import AGAIN_SECONDS, MAX_WAITING, Notices

from tests.support.clock import VirtualClock


async def test_a_refusal_is_told_once_in_a_while() -> None:
    clock = VirtualClock()
    notices = Notices(clock)
    for _ in range(3):
        notices.credential_refused("ai/api", "main", 401)
    notices.credential_refused("ai/api", "spare", 402)
    assert await notices.next() == Notice(pool="ai/api", credential="main", status=401)
    assert await notices.next() == Notice(pool="ai/api", credential="spare", status=402)
    clock.advance(AGAIN_SECONDS)
    notices.credential_refused("ai/api", "main", 403)
    assert (await notices.next()).status == 403


async def test_who_waits_is_woken() -> None:
    notices = Notices(VirtualClock())
    waiting = asyncio.create_task(notices.next())
    await asyncio.sleep(0)
    notices.credential_refused("ai/api", "main", 401)
    assert (await waiting).pool == "ai/api"


async def test_while_nobody_takes_them_the_newest_are_kept() -> None:
    notices = Notices(VirtualClock())
    for number in range(MAX_WAITING + 1):
        notices.credential_refused(f"ai/{number}", "main", 401)
    assert (await notices.next()).pool == "ai/1"
