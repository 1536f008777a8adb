"""The faults of the scripted upstream, on the wire: fault tests are worth no more than this file proves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from tests.support import replies
from tests.support.openai_answers import DONE, RESET, Reply, event
from tests.support.upstream import Upstream

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


# -- faults --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [PLAIN, STREAM], ids=["plain", "stream"])
@pytest.mark.parametrize(
    "reply",
    [
        replies.reset_before_headers(),
        replies.reset_after_headers(),
        replies.reset_mid_stream(),
        replies.close_before_headers(),
        replies.close_mid_stream(),
        replies.garbage_http(),
        replies.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
    ],
    ids=["reset", "reset after headers", "reset mid-stream", "close", "close mid-stream", "garbage", "short body"],
)
async def test_a_broken_connection_is_an_error_to_the_client_and_not_its_fault(
    upstream: Upstream, client: aiohttp.ClientSession, reply: Reply, body: object
) -> None:
    upstream.script(reply)
    with pytest.raises(BROKEN):
        await ask(client, upstream, body)
    await upstream.idle()
    assert upstream.completions[0].outcome == "cut by us"
    assert (await ask(client, upstream, body))[0] == 200, "the next connection works"


async def test_a_reset_is_a_reset_and_a_close_is_none(upstream: Upstream) -> None:
    request = b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"
    upstream.script(replies.reset_after_headers(), replies.close_before_headers())
    for expected in ("reset", "end"):
        reader, writer = await asyncio.open_connection(upstream.host, upstream.port)
        writer.write(request)
        try:
            while await reader.read(65536):
                pass
            how = "end"
        except ConnectionResetError:
            how = "reset"
        writer.close()
        assert how == expected


async def test_after_counts_the_content_before_the_fault(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    gate = asyncio.Event()
    upstream.script(replies.reset_mid_stream(after=2, gate=gate))
    response = await client.post(f"{upstream.base_url}/v1/chat/completions", json=STREAM)
    read = [await response.content.readuntil(b"\n\n") for _ in range(3)]
    gate.set()
    with pytest.raises(BROKEN):
        await response.read()
    assert read == (await upstream.seen(1)).writes


@pytest.mark.parametrize(
    ("reply", "plain", "stream"),
    [
        (replies.truncated(), "not JSON", "no finish"),
        (replies.missing_finish_reason(), "null finish", "no finish, done"),
        (replies.missing_done(), "good", "finish, no done"),
        (replies.empty_answer(), "good", "finish, done"),
        (replies.empty_body(), "not JSON", "no finish"),
        (replies.cut_json_event(), "not JSON", "no finish"),
        (replies.garbage_event(), "not JSON", "finish, done"),
        (replies.error_in_stream(1), "error", "error"),
        (replies.error_in_ok(), "error", "error"),
        (replies.wrong_content_type(), "not JSON", "no finish"),
    ],
)
async def test_answers_that_end_wrongly(
    upstream: Upstream, client: aiohttp.ClientSession, reply: Reply, plain: str, stream: str
) -> None:
    upstream.script(reply, reply)
    status, body = await ask(client, upstream, PLAIN)
    assert (status, kind_of_plain(body)) == (200, plain)
    status, body = await ask(client, upstream, STREAM)
    assert (status, kind_of_stream(body)) == (200, stream)


def kind_of_plain(body: bytes) -> str:
    try:
        answer = json.loads(body)
    except ValueError:
        return "not JSON"
    if "error" in answer:
        return "error"
    return "good" if answer["choices"][0]["finish_reason"] else "null finish"


def kind_of_stream(body: bytes) -> str:
    if b'"error"' in body:
        return "error"
    finish = "finish" if b'"finish_reason":"stop"' in body else "no finish"
    done = ", done" if body.endswith(DONE) else ", no done" if finish == "finish" else ""
    return finish + done


@pytest.mark.parametrize(
    ("reply", "status", "code", "headers"),
    [
        (replies.rate_limited("7"), 429, "rate_limit_exceeded", {"Retry-After": "7"}),
        (replies.server_error(502), 502, None, {}),
        (replies.server_error(503, "3"), 503, None, {"Retry-After": "3"}),
        (replies.unauthorized(), 401, "invalid_api_key", {}),
        (replies.payment_required(), 402, "invalid_request_error", {}),
        (replies.forbidden(), 403, "unsupported_country", {}),
        (replies.context_length_exceeded(), 400, "context_length_exceeded", {}),
    ],
)
async def test_refusals_have_openai_s_shape(
    client: aiohttp.ClientSession, reply: Reply, status: int, code: str | None, headers: dict[str, str]
) -> None:
    url = "/v1/chat/completions"
    async with Upstream(reply) as upstream, client.post(upstream.base_url + url, json=STREAM) as response:
        error = (await response.json())["error"]
        assert (response.status, error["code"], response.content_type) == (status, code, "application/json")
        assert headers.items() <= dict(response.headers).items()
    assert set(error) == {"message", "type", "param", "code"}


async def test_comments_keep_a_stream_alive_without_content(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    upstream.script(replies.comments_only(2, then=RESET))
    with pytest.raises(BROKEN):
        await ask(client, upstream, STREAM)
    assert (await upstream.seen(1)).writes == [b": keep-alive\n\n", b": keep-alive\n\n", b"\n"]


async def test_redirects_compression_and_size(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    upstream.script(replies.redirect("https://elsewhere.invalid/"), replies.compressed(), replies.huge_answer(300_000))
    assert (await ask(client, upstream, PLAIN))[0] == 307
    _, body = await ask(client, upstream, PLAIN)
    assert body.startswith(b"\x1f\x8b")
    _, body = await ask(client, upstream, STREAM)
    assert len(body) > 300_000


@pytest.mark.parametrize("as_raw", [False, True], ids=["body", "whole answer"])
async def test_a_transcript_is_cut_at_each_given_offset(
    upstream: Upstream, client: aiohttp.ClientSession, as_raw: bool
) -> None:
    body = event({"choices": [{"delta": {"content": "naïve 🎈"}}]}) + DONE
    whole = (
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + body if as_raw else body
    )
    upstream.script((replies.raw if as_raw else replies.replay)(whole, range(len(whole))))
    assert await ask(client, upstream, STREAM) == (200, body)
    seen = await upstream.seen(1)
    assert seen.writes == [whole[i : i + 1] for i in range(len(whole))]
