"""What the demonstrations count is what clients saw: a lie in the tally would make `make demo` worthless."""

from __future__ import annotations

import asyncio

from scripts.demonstration import refusal
from scripts.traffic import Accident, Background, Tally, traffic
from tests.support import replies
from tests.support.openai_answers import Reply
from tests.support.upstream import Upstream

PLAIN, STREAM = [0], [1]


async def counted(numbers: list[int], *script: Reply) -> Tally:
    tally = Tally()
    async with Upstream(*script) as upstream:
        await traffic([upstream.base_url], numbers, tally)
    return tally


async def test_whole_answers_are_answered() -> None:
    tally = await counted([0, 1, 2, 3, 4])
    assert (tally.plain_ok, tally.stream_ok, tally.lost, tally.stream_cut) == (3, 2, 0, 0)
    assert tally.answered == 5


async def test_a_plain_request_that_fails_is_lost() -> None:
    for reply in (replies.server_error(), replies.reset_before_headers(), replies.rate_limited()):
        tally = await counted(PLAIN, reply)
        assert (tally.plain_failed, tally.lost, tally.answered) == (1, 1, 0)
        assert len(tally.failures) == 1


async def test_a_stream_that_begins_and_ends_with_an_error_event_is_counted_apart() -> None:
    tally = await counted(STREAM, replies.error_in_stream(after=2))
    assert (tally.stream_cut, tally.lost, tally.answered) == (1, 0, 0)


async def test_a_stream_that_breaks_without_a_word_is_lost() -> None:
    for reply in (replies.reset_mid_stream(), replies.truncated(), replies.close_mid_stream(), replies.server_error()):
        tally = await counted(STREAM, reply)
        assert (tally.stream_failed, tally.lost, tally.answered, tally.stream_cut) == (1, 1, 0, 0)


async def test_routers_take_turns() -> None:
    async with Upstream() as first, Upstream() as second:
        await traffic([first.base_url, second.base_url], range(10), Tally(), headers={"Authorization": "Bearer k"})
        assert (len(first.completions), len(second.completions)) == (5, 5)
        assert {one.headers["Authorization"] for one in first.completions} == {"Bearer k"}


async def test_an_accident_happens_once_and_only_when_a_stream_has_begun() -> None:
    killed: list[int] = []
    accident = Accident("?", 2, lambda: killed.append(1))
    async with Upstream() as upstream:
        await traffic([upstream.base_url], [0, 2, 4], Tally(), begun=accident)
        assert killed == []
        await traffic([upstream.base_url], [0, 2, 4, *range(1, 21, 2)], Tally(), begun=accident)
    assert killed == [1]
    assert accident.happened


async def test_background_traffic_ends_with_no_request_cut() -> None:
    async with Upstream() as upstream:

        def run() -> Tally:
            with Background([upstream.base_url], {}) as background:
                while background.tally.answered < 10 and background.error is None:
                    pass
            return background.tally

        tally = await asyncio.to_thread(run)
        await upstream.idle()
        assert tally.lost == 0
        assert tally.answered == len(upstream.completions) >= 10


async def test_a_refusal_shows_status_and_error() -> None:
    async with Upstream(replies.unauthorized(), replies.ok()) as upstream:
        status, error = await refusal(upstream.base_url, "small", {})
        assert status == 401
        assert error["message"]
        assert await refusal(upstream.base_url, "small", {}) == (200, {})
