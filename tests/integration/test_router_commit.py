"""What has reached the client decides: until the header commit another provider takes over unseen, from there on a
failure is told in-band, and what is passed on as bytes is cut."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from tieline_api.snapshot import Pool, Protocol, Retries, Timeouts
from tieline_router.runtime.call import Call
from tieline_router.runtime.exchange import Exchange

from tests.support import frames, replies
from tests.support.answers import answer
from tests.support.gateway import MESSAGES, Gateway, events_of
from tests.support.openai_answers import (
    CLOSE,
    GREETING,
    HANG,
    Action,
    Asked,
    Body,
    Reply,
    Wait,
    event,
    json_head,
    stream_head,
)
from tests.support.upstream import Upstream
from tests.support.waiting import eventually

KIB = 1024
IDLE = 0.3
APIS = ("ChatCompletions", "Completions", "Responses", "Messages", "Audio")
BOTH = (Protocol(type="OpenAI", path="/v1"), Protocol(type="Anthropic", path="/v1"))
BODIES: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": MESSAGES},
    "/completions": {"prompt": "Say hello."},
    "/responses": {"input": "Say hello."},
    "/messages": {"messages": MESSAGES, "max_tokens": 100},
}
SIGNS = {
    "/v1/chat/completions": b": tieline keep-alive\n\n",
    "/v1/completions": b": tieline keep-alive\n\n",
    "/v1/responses": b": tieline keep-alive\n\n",
    "/v1/messages": b'event: ping\ndata: {"type":"ping"}\n\n',
    "/api/v1/chat/completions": b": OPENROUTER PROCESSING\n\n",
}
ENDS = (b"[DONE]", b"response.completed", b"message_stop")


@pytest.fixture
async def bad() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def good() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with Gateway() as gateway:
        yield gateway


def pool(name: str) -> Pool:
    return frames.own_pool(name, [frames.model(apis=APIS)], protocols=BOTH)


async def configure(gateway: Gateway, timeouts: Timeouts, attempts: int = 3, **upstreams: Upstream) -> None:
    route = frames.route(*upstreams, timeouts=timeouts, retries=Retries(attempts=attempts))
    addresses = {name: [upstream.address] for name, upstream in upstreams.items()}
    await gateway.configure([pool(name) for name in upstreams], [route], addresses=addresses)


def request(path: str, *headers: str, stream: bool = True, version: str = "1.1") -> bytes:
    operation = "/" + path.split("v1/", 1)[1]
    body = json.dumps({"model": frames.MODEL, "stream": stream, **BODIES[operation]}).encode()
    lines = [f"POST {path} HTTP/{version}", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def whole_stream(reader: asyncio.StreamReader) -> bytes:
    """Head and chunks of one answer, without the framing."""
    body = await reader.readuntil(b"\r\n\r\n")
    while size := int(await reader.readuntil(b"\r\n"), 16):
        body += await reader.readexactly(size)
        assert await reader.readexactly(2) == b"\r\n"
    assert await reader.readexactly(2) == b"\r\n"
    return body


# -- the header commit -------------------------------------------------------------------------------------------------


def lifecycle(kib: int) -> Reply:
    """Events without content, `kib` KiB of them, and then the end of the body."""
    silent = {"id": "x", "choices": [{"index": 0, "delta": {"role": "assistant"}, "finish_reason": None}]}
    return lambda _: [stream_head(), *[Body(event({**silent, "padding": "x" * KIB}))] * kib]


async def test_up_to_64_kib_are_held_back_and_another_takes_over(
    gateway: Gateway, bad: Upstream, good: Upstream
) -> None:
    await configure(gateway, Timeouts(), bad=bad, good=good)
    bad.default = lifecycle(50)
    got = await gateway.chat(stream=True)
    assert (got.text, got.done, len(good.completions)) == (GREETING, True, 1)
    assert b"padding" not in got.body


async def test_beyond_64_kib_the_answer_begins_and_its_failure_is_told_in_band(
    gateway: Gateway, bad: Upstream, good: Upstream
) -> None:
    await configure(gateway, Timeouts(), bad=bad, good=good)
    bad.default = lifecycle(80)
    got = await gateway.chat(stream=True)
    assert (got.status, got.complete, got.done) == (200, True, False)
    assert len(got.body) > 64 * KIB
    assert got.error["code"] == "truncated"
    assert got.events[-1]["id"] == got.events[0]["id"]
    assert (len(bad.completions), len(good.completions)) == (1, 0)


# -- signs of life, then a failure -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", SIGNS)
async def test_after_signs_of_life_a_failure_is_in_band_and_the_connection_serves_on(
    gateway: Gateway, bad: Upstream, path: str
) -> None:
    failing = asyncio.Event()
    bad.script(lambda asked: [Wait(failing), *replies.server_error()(asked)])
    await configure(gateway, Timeouts(keep_alive_after=0.05), attempts=1, bad=bad)
    reader, writer = await asyncio.open_connection(*gateway.router.address[:2])
    writer.write(request(path))
    begun = await reader.readuntil(SIGNS[path])
    assert begun.startswith(b"HTTP/1.1 200 OK\r\n")
    assert await reader.readexactly(2) == b"\r\n"
    failing.set()
    rest = await reader.readuntil(b"\r\n0\r\n\r\n")
    assert b"error" in rest
    assert not any(end in rest for end in ENDS)
    assert b"HTTP/1.1" not in rest
    writer.write(request(path))
    assert (
        (await whole_stream(reader)).rstrip().endswith(b"}" if path in {"/v1/responses", "/v1/messages"} else ENDS[0])
    )
    assert len(bad.completions) == 2
    writer.close()


async def test_an_error_counts_only_events_that_the_client_has(gateway: Gateway, bad: Upstream) -> None:
    """Content and failure came in one piece, of which nothing was passed on: the error is the stream's first event."""
    failing = asyncio.Event()

    def at_once(asked: Asked) -> list[Action]:
        steps = [*answer(asked).until(2), *replies.error_in_stream()(asked)]
        pieces = [step.data for step in steps if isinstance(step, Body)]
        return [stream_head(), Wait(failing), Body(b"".join(pieces))]

    bad.default = at_once
    await configure(gateway, Timeouts(keep_alive_after=0.05), attempts=1, bad=bad)
    reader, writer = await asyncio.open_connection(*gateway.router.address[:2])
    writer.write(request("/v1/responses"))
    await reader.readuntil(SIGNS["/v1/responses"])
    failing.set()
    rest = await reader.readuntil(b"\r\n0\r\n\r\n")
    assert GREETING[:5].encode() not in rest
    assert [one["sequence_number"] for one in events_of(rest[rest.index(b"data: ") :])] == [0]
    writer.close()


async def test_http_1_0_is_told_of_a_failure_in_band_and_then_closed(gateway: Gateway, bad: Upstream) -> None:
    bad.default = replies.error_in_stream(2)
    await configure(gateway, Timeouts(), bad=bad)
    reader, writer = await asyncio.open_connection(*gateway.router.address[:2])
    writer.write(request("/v1/chat/completions", "Connection: keep-alive", version="1.0"))
    head, _, body = (await asyncio.wait_for(reader.read(), 10)).partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    assert b"chunked" not in head
    assert body.startswith(b"data: ")
    events = events_of(body)
    assert (events[-1]["error"]["code"], "[DONE]" in events) == ("error_event", False)
    writer.close()


async def test_a_refused_head_has_no_body_and_the_connection_serves_on(gateway: Gateway, bad: Upstream) -> None:
    await configure(gateway, Timeouts(), bad=bad)
    reader, writer = await asyncio.open_connection(*gateway.router.address[:2])
    writer.write(b"HEAD /v1/chat/completions HTTP/1.1\r\nHost: x\r\n\r\n" + request("/v1/chat/completions"))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 405 ")
    assert (await whole_stream(reader)).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()


# -- the idle clock ----------------------------------------------------------------------------------------------------


async def test_the_idle_clock_stands_while_the_client_is_slow_and_then_runs_again(
    gateway: Gateway, bad: Upstream
) -> None:
    size = 40_000_000
    bad.default = lambda asked: [*answer(asked, "x" * size, 400).until(400), HANG]
    await configure(gateway, Timeouts(idle=IDLE), bad=bad)
    loop = asyncio.get_running_loop()
    body = {"model": frames.MODEL, "stream": True, "messages": MESSAGES}
    async with gateway.session.post(gateway.url + "/v1/chat/completions", json=body) as response:
        await response.content.readuntil(b"\n\n")
        began = loop.time()
        await eventually(lambda: loop.time() > began + 4 * IDLE, "the idle time to pass several times")
        assert len(bad.completions[0].writes) < 400, "nothing held the provider up"
        assert not bad.completions[0].disconnected
        got = await response.content.read()
    assert got.count(b"x") >= size
    assert events_of(got[-1000:][got[-1000:].index(b"data: {") :])[-1]["error"]["code"] == "timeout_idle"
    await bad.disconnected()


# -- answers that are passed on as bytes -------------------------------------------------------------------------------


def dripping(_: Asked) -> list[Action]:
    """A plain answer that is never silent for long, and takes for ever."""
    drops: list[Action] = [Body(b"x"), Wait(0.05)]
    return [json_head(b"x" * 10_000_000), Body(b"x" * 200_000), *drops * 1000]


@pytest.mark.parametrize(
    ("timeouts", "code"),
    [(Timeouts(response=30, request=0.5), "timeout_total"), (Timeouts(idle=IDLE, request=30), "timeout_idle")],
    ids=["total", "idle"],
)
async def test_the_limits_of_an_answer_that_is_passed_on(bad: Upstream, timeouts: Timeouts, code: str) -> None:
    held = Body(b"x" * 200_000)
    bad.default = dripping if code == "timeout_total" else lambda _: [json_head(b"x" * 300_000), held, HANG]
    async with Gateway(max_response_bytes=100_000) as gateway:
        await configure(gateway, timeouts, bad=bad)
        got = await gateway.chat()
        assert (got.status, got.complete) == (200, False)
        await bad.disconnected()
        metrics = await gateway.admin("/metrics")
    assert f'tieline_router_attempts_total{{outcome="{code}",pool="default/bad"}} 1.0' in metrics
    assert len(bad.completions) == 1


async def test_an_answer_over_8_mib_that_breaks_is_an_incomplete_transfer(gateway: Gateway, bad: Upstream) -> None:
    size = 9 * KIB * KIB
    bad.default = lambda _: [json_head(b"x" * (size + 1)), Body(b"x" * size), CLOSE]
    await configure(gateway, Timeouts(), bad=bad)
    got = await gateway.chat()
    assert (got.status, got.complete, len(bad.completions)) == (200, False, 1)
    bad.default = lambda _: [json_head(b"x" * KIB * KIB), Body(b"x"), CLOSE]
    got = await gateway.chat()
    assert (got.status, got.error["code"]) == (502, "reset_mid_stream")


# -- after the end -----------------------------------------------------------------------------------------------------


async def test_a_bug_after_the_end_writes_no_second_answer(bad: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = Exchange.attempt

    async def broken(exchange: Exchange, call: Call) -> None:
        await attempt(exchange, call)
        raise RuntimeError("a bug in the books")

    monkeypatch.setattr(Exchange, "attempt", broken)
    async with Gateway() as gateway:
        await configure(gateway, Timeouts(), bad=bad)
        reader, writer = await asyncio.open_connection(*gateway.router.address[:2])
        writer.write(request("/v1/chat/completions"))
        got = await reader.readuntil(b"\r\n0\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            got += await asyncio.wait_for(reader.read(), 10)
        writer.close()
    assert got.count(b"HTTP/1.1 ") == 1
