"""The scripted upstream does on the wire what its replies say: fault tests are worth no more than this file proves."""

from __future__ import annotations

import asyncio
import json
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support import openai_answers, replies
from tests.support.control_plane.certificates import Certificates
from tests.support.openai_answers import DONE, Asked, Head, Reply
from tests.support.processes import ChildProcess
from tests.support.upstream import Upstream
from tests.support.upstream_process import NAMED, named
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
PLAIN = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
STREAM = {**PLAIN, "stream": True, "stream_options": {"include_usage": True}}
BROKEN = (aiohttp.ClientError, ConnectionError)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as server:
        yield server


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False, timeout=aiohttp.ClientTimeout(total=10)) as session:
        yield session


async def ask(client: aiohttp.ClientSession, upstream: Upstream, body: object) -> tuple[int, bytes]:
    async with client.post(f"{upstream.base_url}/v1/chat/completions", json=body, allow_redirects=False) as response:
        return response.status, await response.read()


def events_of(body: bytes) -> list[Any]:
    """The decoded events of a well-formed stream without `[DONE]`, which must stand at the end."""
    assert body.endswith(DONE)
    return [json.loads(line.removeprefix(b"data: ")) for line in body.removesuffix(DONE).split(b"\n\n") if line]


# -- good answers --------------------------------------------------------------------------------------------------


async def test_a_plain_answer_is_a_chat_completion(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    status, body = await ask(client, upstream, PLAIN)
    answer = json.loads(body)
    assert (status, answer["object"], answer["model"]) == (200, "chat.completion", "m")
    assert answer["choices"][0]["message"]["content"] == openai_answers.GREETING
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["total_tokens"] == answer["usage"]["prompt_tokens"] + answer["usage"]["completion_tokens"]


async def test_a_stream_has_role_content_finish_usage_and_done_in_order(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    upstream.script(replies.ok("abcdef", chunks=3))
    _, body = await ask(client, upstream, STREAM)
    first, *content, finish, usage = events_of(body)
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [one["choices"][0]["delta"]["content"] for one in content] == ["ab", "cd", "ef"]
    assert finish["choices"][0]["finish_reason"] == "stop"
    assert usage["choices"] == []
    assert usage["usage"]["completion_tokens"] == 3


async def test_usage_comes_only_when_asked_for(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    _, body = await ask(client, upstream, {**PLAIN, "stream": True})
    assert all("usage" not in one for one in events_of(body))


async def test_the_script_is_used_in_order_and_then_the_default(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    upstream.script(replies.server_error(503), replies.rate_limited("7"))
    statuses = [(await ask(client, upstream, PLAIN))[0] for _ in range(3)]
    assert statuses == [503, 429, 200]
    assert upstream.unused == 0


async def test_models_and_health_take_no_step_of_the_script(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    upstream.script(replies.server_error())
    async with client.get(f"{upstream.base_url}/v1/models") as response:
        assert [one["id"] for one in (await response.json())["data"]] == ["test-model"]
    async with client.get(f"{upstream.base_url}/health") as response:
        assert response.status == 200
    upstream.healthy = False
    async with client.get(f"{upstream.base_url}/health") as response:
        assert response.status == 503
    async with client.get(f"{upstream.base_url}/nothing") as response:
        assert response.status == 404
    assert (upstream.unused, len(upstream.requests), upstream.completions) == (1, 4, [])


async def test_requests_are_recorded_whole(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    url = f"{upstream.base_url}/v1/chat/completions"
    async with client.post(url, data=b"{broken", headers={"Authorization": "Bearer secret"}) as response:
        await response.read()
    seen = await upstream.seen(1)
    assert (seen.method, seen.path, seen.body, seen.json) == ("POST", "/v1/chat/completions", b"{broken", None)
    assert seen.headers["authorization"] == "Bearer secret"
    await ask(client, upstream, PLAIN)
    again = await upstream.seen(2)
    assert again.json == PLAIN
    assert again.peer == seen.peer, "one connection, kept alive"


# -- timing without sleeping ---------------------------------------------------------------------------------------


async def test_a_gate_holds_the_answer_after_that_many_pieces(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    gate = asyncio.Event()
    upstream.script(replies.ok("abc", chunks=3, gate=gate, gate_after=2))
    asking = asyncio.create_task(ask(client, upstream, STREAM))
    seen = await upstream.seen(1)
    await upstream.until(lambda: len(seen.writes) == 3, "role and two deltas")
    assert not asking.done()
    gate.set()
    assert len(events_of((await asking)[1])) == 6


@pytest.mark.parametrize(("slow", "headers_come"), [(replies.slow_headers, False), (replies.slow_first_token, True)])
async def test_slow_answers_wait_at_their_place(
    upstream: Upstream, client: aiohttp.ClientSession, slow: Callable[[asyncio.Event], Reply], headers_come: bool
) -> None:
    gate = asyncio.Event()
    upstream.script(slow(gate))
    asking = asyncio.create_task(client.post(f"{upstream.base_url}/v1/chat/completions", json=STREAM))
    seen = await upstream.seen(1)
    if headers_come:
        response = await asking
        assert await response.content.readuntil(b"\n\n") == seen.writes[0]
        assert len(seen.writes) == 1
    assert asking.done() == headers_come
    gate.set()
    assert (await (await asking).read()).endswith(DONE)


@pytest.mark.parametrize("hanging", [replies.hang_before_headers, replies.hang_after_headers, replies.hang_mid_stream])
async def test_a_hung_answer_ends_when_the_client_goes_and_says_so(
    upstream: Upstream, client: aiohttp.ClientSession, hanging: Callable[[], Reply]
) -> None:
    upstream.script(hanging())
    asking = asyncio.create_task(ask(client, upstream, STREAM))
    seen = await upstream.seen(1)
    expected = 2 if hanging is replies.hang_mid_stream else 0
    await upstream.until(lambda: len(seen.writes) == expected, "what comes before the hang")
    assert not seen.disconnected
    asking.cancel()
    left = await upstream.disconnected(1)
    assert left is seen
    assert (left.outcome, len(left.writes)) == ("left by client", expected)


async def test_the_end_of_a_complete_answer_is_no_disconnect(upstream: Upstream) -> None:
    async with aiohttp.ClientSession() as short:
        await ask(short, upstream, STREAM)
    await upstream.idle()
    assert upstream.completions[0].outcome == "answered"


async def test_waiting_in_vain_fails_with_what_was_seen(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    await ask(client, upstream, PLAIN)
    with pytest.raises(AssertionError, match=r"waited 0 s for 2 requests; saw: /v1/chat/completions: answered after 2"):
        await upstream.seen(2, within=0)


# -- the server itself ---------------------------------------------------------------------------------------------


async def test_stop_refuses_connections_and_start_takes_the_same_port(client: aiohttp.ClientSession) -> None:
    async with Upstream(replies.hang_after_headers()) as upstream:
        asking = asyncio.create_task(ask(client, upstream, STREAM))
        seen = await upstream.seen(1)
        await upstream.stop()
        with pytest.raises(BROKEN):
            await asking
        assert seen.outcome == "cut by us"
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(client, upstream, PLAIN)
        await upstream.start()
        assert (await ask(client, upstream, PLAIN))[0] == 200


async def test_over_tls_it_answers_and_resets_alike(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    certificates = Certificates(tmp_path, datetime.now(UTC))
    certificates.issue("provider", "provider", names=["127.0.0.1"])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(tmp_path / "provider.crt", tmp_path / "provider.key")
    trusted = ssl.create_default_context(cafile=tmp_path / "ca.crt")
    async with Upstream(replies.ok("sealed"), replies.reset_mid_stream(), tls=tls) as upstream:
        assert upstream.base_url.startswith("https://")
        url = f"{upstream.base_url}/v1/chat/completions"
        async with client.post(url, json=PLAIN, ssl=trusted) as response:
            assert "sealed" in await response.text()
        with pytest.raises(BROKEN):
            async with client.post(url, json=STREAM, ssl=trusted) as response:
                await response.read()
        await upstream.idle()
        assert [one.outcome for one in upstream.completions] == ["answered", "cut by us"]


def test_requests_that_are_no_chat_requests_keep_their_defaults() -> None:
    assert Asked.from_json([1], 3) == Asked(number=3)
    assert Asked.from_json({"stream": "true", "stream_options": 1, "messages": None}, 1) == Asked(model="unknown")


def test_every_named_behaviour_answers_streams_and_plain_requests() -> None:
    for name in NAMED:
        for stream in (False, True):
            steps = list(named(name)(Asked(stream=stream)))
            assert steps, name
    assert any(isinstance(step, Head) for step in named("ok")(Asked()))


async def test_as_a_process_it_prints_its_address_and_follows_its_script(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    command = [sys.executable, "-m", "tests.support.upstream", "--name", "budget", "--script", "rate-limited,ok"]
    process = ChildProcess("upstream", command, tmp_path / "log", cwd=ROOT, environment={})
    try:
        line = await eventually(lambda: (tmp_path / "log").read_text().splitlines()[:1], "its first line")
        url = line[0].removeprefix("listening on ")
        answers = []
        for _ in range(3):
            async with client.post(f"{url}/v1/chat/completions", json=PLAIN) as response:
                answers.append((response.status, await response.text()))
    finally:
        assert process.stop() == 0
    assert [status for status, _ in answers] == [429, 200, 200]
    assert "This answer comes from budget." in answers[2][1]


def test_as_a_process_it_refuses_unknown_behaviours_by_name() -> None:
    command = [sys.executable, "-m", "tests.support.upstream", "--script", "ok,dance"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert refused.returncode == 2
    assert "unknown behaviour 'dance'; known: close-before-headers" in refused.stderr
