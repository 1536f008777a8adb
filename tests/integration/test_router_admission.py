"""Places at a pool, the queue for them, and second attempts beside a slow first one: with real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from tieline_api.snapshot import Hedging, Limits

from tests.support import frames, replies
from tests.support.gateway import MESSAGES, Answer, Gateway
from tests.support.openai_answers import GREETING
from tests.support.upstream import Upstream
from tests.support.waiting import eventually


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as gateway:
        yield gateway


async def limited(gateway: Gateway, upstream: Upstream, depth: int, seconds: float = 30) -> None:
    limits = Limits(concurrency=1, queue_depth=depth, queue_seconds=seconds)
    pools, addresses = [frames.own_pool("a", limits=limits)], {"a": [upstream.address]}
    await gateway.configure(pools, [frames.route("a")], addresses=addresses)


def asking(gateway: Gateway) -> asyncio.Task[Answer]:
    return asyncio.create_task(gateway.chat())


async def test_who_finds_no_place_waits_for_one(gateway: Gateway, upstream: Upstream) -> None:
    await limited(gateway, upstream, depth=2)
    gate = asyncio.Event()
    upstream.script(replies.slow_headers(gate))
    first = asking(gateway)
    await upstream.seen()
    others = [asking(gateway) for _ in range(2)]
    await eventually(lambda: waiting(gateway) == 2, "two to wait")
    assert len(upstream.completions) == 1
    gate.set()
    answers = await asyncio.gather(first, *others)
    assert [answer.status for answer in answers] == [200, 200, 200]


def waiting(gateway: Gateway) -> int:
    pool = next(iter(gateway.router.live.all_endpoints(0))).pool
    gate = gateway.router.live.admission.gate(pool)
    return gate.waiting if gate else 0


def running(gateway: Gateway) -> int:
    pool = next(iter(gateway.router.live.all_endpoints(0))).pool
    gate = gateway.router.live.admission.gate(pool)
    return gate.running if gate else 0


async def test_a_full_queue_refuses_at_once(gateway: Gateway, upstream: Upstream) -> None:
    await limited(gateway, upstream, depth=0)
    upstream.script(replies.hang_before_headers())
    first = asking(gateway)
    await upstream.seen()
    answer = await gateway.chat()
    assert (answer.status, answer.error["code"]) == (429, "queue_full")
    assert int(answer.headers["Retry-After"]) >= 1
    assert answer.headers["x-should-retry"] == "true"
    first.cancel()
    await eventually(lambda: running(gateway) == 0, "the place to come back")
    assert (await gateway.chat()).status == 200


async def test_the_wait_has_an_end(gateway: Gateway, upstream: Upstream) -> None:
    await limited(gateway, upstream, depth=1, seconds=0.1)
    upstream.script(replies.hang_before_headers())
    first = asking(gateway)
    await upstream.seen()
    answer = await gateway.chat()
    assert (answer.status, answer.error["code"]) == (503, "queue_timeout")
    assert "Retry-After" in answer.headers
    first.cancel()


async def test_a_client_that_leaves_the_queue_leaves_it(gateway: Gateway, upstream: Upstream) -> None:
    await limited(gateway, upstream, depth=5)
    gate = asyncio.Event()
    upstream.script(replies.slow_headers(gate))
    first = asking(gateway)
    await upstream.seen()
    second = asking(gateway)
    await eventually(lambda: waiting(gateway) == 1, "one to wait")
    second.cancel()
    await eventually(lambda: waiting(gateway) == 0, "it to leave")
    gate.set()
    assert (await first).status == 200
    assert len(upstream.completions) == 1


# -- hedging -----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def hedged(gateway: Gateway, upstream: Upstream) -> AsyncIterator[Upstream]:
    """A second server beside `upstream`, and a route on which every slow beginning is hedged."""
    async with Upstream() as other:
        pools = [frames.own_pool("a"), frames.own_pool("b")]
        route = frames.route("a", "b", hedging=Hedging(after_percentile=90, max_percent=100))
        addresses = {"a": [upstream.address], "b": [other.address]}
        await gateway.configure(pools, [route], addresses=addresses)
        for _ in range(30):
            assert (await gateway.chat(stream=True)).done
        assert not other.completions
        yield other


async def test_the_second_attempt_answers_when_the_first_is_slow(
    gateway: Gateway, upstream: Upstream, hedged: Upstream
) -> None:
    upstream.script(replies.hang_before_headers())
    answer = await gateway.chat(stream=True)
    assert (answer.text, answer.done) == (GREETING, True)
    assert {event["provider"] for event in answer.events[:-1]} == {"b"}
    await upstream.disconnected()
    metrics = await gateway.admin("/metrics")
    assert 'tieline_router_attempts_total{outcome="hedge_lost",pool="default/a"} 1.0' in metrics
    assert 'tieline_router_attempts_total{outcome="ok",pool="default/b"} 1.0' in metrics
    assert all(one["inFlight"] == 0 for one in (await gateway.admin("/admin/endpoints"))["endpoints"])


async def test_the_first_attempt_may_still_win(gateway: Gateway, upstream: Upstream, hedged: Upstream) -> None:
    gate = asyncio.Event()
    upstream.script(replies.slow_first_token(gate))
    hedged.script(replies.hang_after_headers())
    asked = asyncio.create_task(gateway.chat(stream=True))
    await hedged.seen()
    gate.set()
    answer = await asked
    assert (answer.text, answer.done) == (GREETING, True)
    assert {event["provider"] for event in answer.events[:-1]} == {"a"}
    await hedged.disconnected()


async def test_when_one_of_two_fails_the_other_goes_on(gateway: Gateway, upstream: Upstream, hedged: Upstream) -> None:
    gate = asyncio.Event()
    upstream.script(replies.slow_first_token(gate))
    hedged.script(replies.server_error())
    asked = asyncio.create_task(gateway.chat(stream=True))
    await hedged.seen()
    gate.set()
    answer = await asked
    assert (answer.text, answer.done) == (GREETING, True)


async def test_a_client_that_leaves_stops_both(gateway: Gateway, upstream: Upstream, hedged: Upstream) -> None:
    upstream.script(replies.hang_before_headers())
    hedged.script(replies.hang_before_headers())
    asked = asyncio.create_task(gateway.chat(stream=True))
    await hedged.seen()
    asked.cancel()
    await upstream.disconnected()
    await hedged.disconnected()
    await eventually(lambda: flying(gateway) == 0, "the leases to come back")
    metrics = await gateway.admin("/metrics")
    for pool in ("a", "b"):
        assert f'tieline_router_attempts_total{{outcome="client_disconnected",pool="default/{pool}"}} 1.0' in metrics
    assert 'tieline_router_requests_total{outcome="client_disconnected",route="default/chat"} 1.0' in metrics


def flying(gateway: Gateway) -> int:
    return sum(endpoint.in_flight for endpoint in gateway.router.live.all_endpoints(0))


async def test_leaving_the_queue_is_noticed_whatever_was_pipelined(gateway: Gateway, upstream: Upstream) -> None:
    await limited(gateway, upstream, depth=5)
    upstream.script(replies.hang_before_headers())
    first = asking(gateway)
    await upstream.seen()
    body = json.dumps({"model": frames.MODEL, "messages": MESSAGES}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    _, writer = await asyncio.open_connection(*gateway.router.address[:2])
    writer.write((head.encode() + body) * 3)
    await eventually(lambda: waiting(gateway) == 1, "one to wait")
    writer.close()
    await eventually(lambda: waiting(gateway) == 0, "it to leave")
    assert len(upstream.completions) == 1
    first.cancel()
    await eventually(lambda: running(gateway) == 0, "the place to come back")
