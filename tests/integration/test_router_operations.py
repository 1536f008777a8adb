"""Every operation of the inference contracts through a real socket: native, translated, passed through, looked up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tieline_api.snapshot import FirstToken, Pool, Protocol, Retries, Timeouts

from tests.support import frames, replies
from tests.support.gateway import Answer, Gateway
from tests.support.openai_answers import GREETING
from tests.support.upstream import Upstream

ALL = ("ChatCompletions", "Completions", "Responses", "Messages", "Embeddings", "Audio", "Images")
OPENAI = Protocol(type="OpenAI", path="/v1")
ANTHROPIC = Protocol(type="Anthropic", path="/v1")
MESSAGES = [{"role": "user", "content": "Say hello."}]
BODIES: dict[str, dict[str, Any]] = {
    "/chat/completions": {"messages": MESSAGES},
    "/completions": {"prompt": "Say hello."},
    "/responses": {"input": "Say hello."},
    "/messages": {"messages": MESSAGES, "max_tokens": 100},
}
ENDS = {
    "/chat/completions": b"data: [DONE]\n\n",
    "/completions": b"data: [DONE]\n\n",
    "/responses": b"response.completed",
    "/messages": b"event: message_stop",
}
TREES = ["/v1", "/api/v1"]


def pool(name: str, *apis: str, protocols: tuple[Protocol, ...] = (OPENAI, ANTHROPIC), **more: Any) -> Pool:
    return frames.own_pool(name, [frames.model(apis=apis or ALL)], protocols=protocols, **more)


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with Gateway() as gateway:
        await gateway.configure([pool("a")], [frames.route("a")], addresses={"a": [upstream.address]})
        yield gateway


async def ask(gateway: Gateway, path: str, *, stream: bool = False, **more: Any) -> Answer:
    operation = "/" + path.split("v1/", 1)[1].partition("?")[0]
    headers = more.pop("headers", None)
    body = {"model": frames.MODEL, "stream": stream, **BODIES[operation], **more}
    return await gateway.post(path, json.dumps(body).encode(), headers=headers)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("operation", BODIES)
@pytest.mark.parametrize("tree", TREES)
async def test_every_operation_is_served_natively(
    gateway: Gateway, upstream: Upstream, tree: str, operation: str, stream: bool
) -> None:
    answer = await ask(gateway, tree + operation, stream=stream)
    assert (answer.status, answer.complete) == (200, True)
    assert (await upstream.seen()).path == "/v1" + operation
    identity = answer.headers["X-Generation-Id"]
    assert identity.encode() in answer.body
    if stream:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        assert ENDS[operation] in answer.body[-4000:]
    else:
        assert GREETING in json.dumps(answer.json)


async def test_embeddings(gateway: Gateway) -> None:
    answer = await gateway.post("/v1/embeddings", json.dumps({"model": frames.MODEL, "input": "x"}).encode())
    assert (answer.status, answer.json["object"]) == (200, "list")


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize(
    ("client", "speaks", "asked"),
    [
        ("/chat/completions", "Messages", "/messages"),
        ("/chat/completions", "Responses", "/responses"),
        ("/messages", "ChatCompletions", "/chat/completions"),
        ("/responses", "ChatCompletions", "/chat/completions"),
    ],
)
async def test_what_a_pool_does_not_speak_is_translated(
    gateway: Gateway, upstream: Upstream, client: str, speaks: str, asked: str, stream: bool
) -> None:
    await gateway.configure([pool("a", speaks)], [frames.route("a")], addresses={"a": [upstream.address]})
    answer = await ask(gateway, "/v1" + client, stream=stream)
    assert answer.status == 200
    assert (await upstream.seen()).path == "/v1" + asked
    assert ENDS[client] in answer.body if stream else GREETING in json.dumps(answer.json)
    metrics = await gateway.admin("/metrics")
    assert 'tieline_router_tokens_total{kind="completion",pool="default/a"} 3.0' in metrics


async def test_a_pool_that_speaks_the_clients_api_goes_first(gateway: Gateway, upstream: Upstream) -> None:
    async with Upstream() as native:
        pools = [pool("a", "ChatCompletions"), pool("b", "Messages")]
        both = frames.route("a", "b")
        equal = both.backends[0], frames.route("b").backends[0]
        route = frames.route(backends=equal)
        await gateway.configure(pools, [route], addresses={"a": [upstream.address], "b": [native.address]})
        for _ in range(4):
            assert (await ask(gateway, "/v1/messages")).status == 200
        assert (len(native.completions), len(upstream.completions)) == (4, 0)


async def test_what_cannot_be_translated_is_named(gateway: Gateway, upstream: Upstream) -> None:
    await gateway.configure([pool("a", "Messages")], [frames.route("a")], addresses={"a": [upstream.address]})
    answer = await ask(gateway, "/v1/chat/completions", n=2)
    assert (answer.status, answer.error["code"], answer.error["param"]) == (400, "untranslatable", "n")
    assert not upstream.completions
    endpoint = (await gateway.admin("/admin/endpoints"))["endpoints"][0]
    assert (endpoint["inFlight"], endpoint["consecutiveFailures"]) == (0, 0)


@pytest.mark.parametrize(
    ("operation", "sign"),
    [
        ("/chat/completions", b'"finish_reason":"error"'),
        ("/completions", b'"finish_reason":"error"'),
        ("/responses", b"event: response.failed\n"),
        ("/messages", b"event: error\n"),
    ],
)
@pytest.mark.parametrize("tree", TREES)
async def test_a_stream_that_breaks_says_so_in_its_own_words(
    gateway: Gateway, upstream: Upstream, tree: str, operation: str, sign: bytes
) -> None:
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, later.set)
    upstream.default = replies.close_mid_stream(2, gate=later)
    answer = await ask(gateway, tree + operation, stream=True)
    assert (answer.status, answer.complete) == (200, True)
    assert sign in answer.body
    assert ENDS[operation] not in answer.body
    if operation == "/responses":
        numbers = [event["sequence_number"] for event in answer.events]
        assert numbers == list(range(len(numbers)))


@pytest.mark.parametrize(
    ("path", "sign"),
    [
        ("/v1/messages", b'event: ping\ndata: {"type":"ping"}\n\n'),
        ("/v1/responses", b": tieline keep-alive\n\n"),
        ("/api/v1/chat/completions", b": OPENROUTER PROCESSING\n\n"),
    ],
)
async def test_signs_of_life_are_those_of_the_contract(upstream: Upstream, path: str, sign: bytes) -> None:
    upstream.default = replies.hang_before_headers()
    timeouts = Timeouts(first_token=FirstToken(base=0.3, per_thousand_tokens=0), keep_alive_after=0.1)
    async with Gateway() as gateway:
        route = frames.route("a", timeouts=timeouts, retries=Retries(attempts=1))
        await gateway.configure([pool("a")], [route], addresses={"a": [upstream.address]})
        answer = await ask(gateway, path, stream=True)
    assert answer.body.startswith(sign)


async def test_signs_of_life_go_on_in_a_silent_stream(upstream: Upstream) -> None:
    gate = asyncio.Event()
    upstream.default = replies.ok(gate=gate)
    async with Gateway() as gateway:
        route = frames.route("a", timeouts=Timeouts(keep_alive_after=0.05))
        await gateway.configure([pool("a")], [route], addresses={"a": [upstream.address]})
        body = json.dumps({"model": frames.MODEL, "stream": True, "messages": MESSAGES}).encode()
        headers = {"Content-Type": "application/json"}
        async with gateway.session.post(gateway.url + "/v1/chat/completions", data=body, headers=headers) as response:
            await response.content.readuntil(b"data: {")
            await response.content.readuntil(b": tieline keep-alive\n\n")
            gate.set()
            assert (await response.content.read()).endswith(b"data: [DONE]\n\n")


async def test_a_clients_deadline_shortens_ours(gateway: Gateway, upstream: Upstream) -> None:
    upstream.default = replies.hang_before_headers()
    for header in ("x-request-timeout", "x-stainless-timeout", "x-stainless-read-timeout"):
        answer = await ask(gateway, "/v1/chat/completions", headers={header: "0.2"})
        assert (answer.status, answer.error["code"]) == (504, "timeout_total")


async def test_beta_headers_reach_providers_of_that_protocol_alone(gateway: Gateway, upstream: Upstream) -> None:
    headers = {"anthropic-beta": "tools-2026", "anthropic-version": "2026-10-21"}
    await ask(gateway, "/v1/messages?beta=true", headers=headers)
    await gateway.configure([pool("a", "ChatCompletions")], [frames.route("a")], addresses={"a": [upstream.address]})
    await ask(gateway, "/v1/messages", headers=headers)
    first, second = upstream.completions
    assert (first.path, first.headers.get("anthropic-beta")) == ("/v1/messages", "tools-2026")
    assert [value for name, value in first.headers.items() if name.lower() == "anthropic-version"] == ["2026-10-21"]
    assert (second.path, second.headers.get("anthropic-beta")) == ("/v1/chat/completions", None)


# -- passed through ----------------------------------------------------------------------------------------------------


class Opaque:
    """A server of what is passed through: it answers with what it is told to, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answer = web.Response(body=b"{}", content_type="application/json")
        self.cut_after: int | None = None
        self.body = b""
        self.type = ""
        self.path = ""
        self.address = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.body, self.type, self.path = await request.read(), request.headers["Content-Type"], request.path
        if self.cut_after is None:
            return self.answer
        response = web.StreamResponse(headers=self.answer.headers)
        await response.prepare(request)
        await response.write(b"x" * self.cut_after)
        assert request.transport is not None
        request.transport.close()
        return response


@pytest.fixture
async def opaque(gateway: Gateway) -> AsyncIterator[Opaque]:
    server = Opaque()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/{path:.*}", server.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.address = f"127.0.0.1:{runner.addresses[0][1]}"
    await gateway.configure([pool("a")], [frames.route("a")], addresses={"a": [server.address]})
    yield server
    await runner.cleanup()


async def test_speech_is_passed_through_byte_by_byte(gateway: Gateway, opaque: Opaque) -> None:
    sound = bytes(range(256)) * 1000
    opaque.answer = web.Response(
        body=sound, headers={"Content-Type": "audio/mpeg", "Set-Cookie": "a=b", "Content-Disposition": "attachment"}
    )
    body = json.dumps({"model": frames.MODEL, "input": "hello", "voice": "alto"}).encode()
    async with gateway.session.post(
        gateway.url + "/v1/audio/speech", data=body, headers={"Content-Type": "application/json"}
    ) as response:
        assert (response.status, response.content_type) == (200, "audio/mpeg")
        assert response.headers["Content-Disposition"] == "attachment"
        assert "Set-Cookie" not in response.headers
        assert await response.read() == sound
    assert (opaque.path, json.loads(opaque.body)["model"]) == ("/v1/audio/speech", "chat")


async def test_the_name_of_a_file_may_have_any_letters(gateway: Gateway, opaque: Opaque) -> None:
    named = "attachment; filename=音.mp3"
    opaque.answer = web.Response(body=b"ID3", headers={"Content-Type": "audio/mpeg", "Content-Disposition": named})
    body = json.dumps({"model": frames.MODEL, "input": "hello", "voice": "alto"}).encode()
    async with gateway.session.post(
        gateway.url + "/v1/audio/speech", data=body, headers={"Content-Type": "application/json"}
    ) as response:
        assert (response.status, response.headers["Content-Disposition"]) == (200, named)


async def test_opaque_bytes_that_break_cut_the_connection(gateway: Gateway, opaque: Opaque) -> None:
    opaque.answer = web.Response(headers={"Content-Type": "audio/mpeg", "Content-Length": "1000"})
    opaque.cut_after = 100
    body = json.dumps({"model": frames.MODEL, "input": "hello", "voice": "alto"}).encode()
    answer = await gateway.post("/v1/audio/speech", body)
    assert (answer.status, answer.complete) == (200, False)


async def test_files_are_passed_through_with_the_providers_model(gateway: Gateway, opaque: Opaque) -> None:
    usage = {"type": "tokens", "input_tokens": 14, "output_tokens": 4, "total_tokens": 18}
    opaque.answer = web.json_response({"text": "hello", "usage": usage})
    form = aiohttp.FormData()
    form.add_field("model", frames.MODEL)
    form.add_field("file", b"\x00\r\n--sound", filename="a.wav", content_type="audio/wav")
    async with gateway.session.post(gateway.url + "/v1/audio/transcriptions", data=form) as response:
        assert (response.status, (await response.json())["text"]) == (200, "hello")
    assert opaque.type.startswith("multipart/form-data; boundary=")
    assert b"\x00\r\n--sound" in opaque.body
    assert b"\r\n\r\nchat\r\n" in opaque.body
    assert 'tieline_router_tokens_total{kind="prompt",pool="default/a"} 14.0' in await gateway.admin("/metrics")


async def test_tokens_are_counted_by_the_provider_or_not_at_all(
    gateway: Gateway, opaque: Opaque, upstream: Upstream
) -> None:
    opaque.answer = web.json_response({"input_tokens": 14})
    body = json.dumps({"model": frames.MODEL, "messages": MESSAGES}).encode()
    answer = await gateway.post("/v1/messages/count_tokens", body)
    assert (answer.status, answer.json, opaque.path) == (200, {"input_tokens": 14}, "/v1/messages/count_tokens")
    await gateway.configure([pool("a", "ChatCompletions")], [frames.route("a")], addresses={"a": [upstream.address]})
    answer = await gateway.post("/v1/messages/count_tokens", body)
    assert (answer.status, answer.json["type"], answer.error["type"]) == (404, "error", "not_found_error")


async def test_a_server_that_does_not_count_tokens_is_not_ill(gateway: Gateway, opaque: Opaque) -> None:
    body = json.dumps({"model": frames.MODEL, "messages": MESSAGES}).encode()
    for status in (404, 405, 501) * 3:
        opaque.answer = web.json_response({"error": "no such path"}, status=status)
        answer = await gateway.post("/v1/messages/count_tokens", body)
        assert (answer.status, answer.error["type"]) == (404, "not_found_error")
    explained = await gateway.admin(f"/admin/explain?model={frames.MODEL}&api=Messages")
    assert "breaker_open" not in explained


async def test_an_answer_too_long_to_hold_is_passed_on(upstream: Upstream) -> None:
    async with Gateway(max_response_bytes=100_000) as gateway:
        await gateway.configure([pool("a")], [frames.route("a")], addresses={"a": [upstream.address]})
        upstream.script(replies.huge_answer(1_000_000, chunks=10))
        answer = await ask(gateway, "/v1/chat/completions")
        assert (answer.status, len(answer.text), answer.complete) == (200, 1_000_000, True)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
        upstream.script(replies.raw(head + b"x" * 500_000))
        answer = await ask(gateway, "/v1/chat/completions")
        assert (answer.status, answer.complete) == (200, False)
        await gateway.configure([pool("a", "Messages")], [frames.route("a")], addresses={"a": [upstream.address]})
        upstream.script(replies.huge_answer(1_000_000, chunks=10))
        answer = await ask(gateway, "/v1/chat/completions")
        assert (answer.status, answer.error["code"]) == (502, "answer_too_large")


# -- looked up ---------------------------------------------------------------------------------------------------------


async def get(gateway: Gateway, path: str, **headers: str) -> tuple[int, Any]:
    async with gateway.session.get(gateway.url + path, headers=headers) as response:
        return response.status, await response.json()


async def test_models_in_the_shape_of_each_contract(gateway: Gateway) -> None:
    assert (await get(gateway, "/v1/models"))[1]["object"] == "list"
    assert (await get(gateway, "/v1/models", **{"anthropic-version": "2023-06-01"}))[1]["has_more"] is False
    assert (await get(gateway, "/api/v1/models?limit=1"))[1]["total_count"] == 1
    for path in (f"/v1/models/{frames.MODEL}", "/v1/models/acme%2Fchat"):
        assert (await get(gateway, path))[1]["id"] == frames.MODEL
    assert (await get(gateway, f"/api/v1/models/{frames.MODEL}/endpoints"))[1]["data"]["endpoints"]
    assert (await get(gateway, "/v1/models/acme/none"))[0] == 404
    assert (await get(gateway, "/api/v1/models?limit=x"))[0] == 400
    status, error = await get(gateway, f"/v1/models/{frames.MODEL}/endpoints")
    assert (status, error["error"]["code"]) == (404, "not_found")


async def test_providers_key_and_credits(gateway: Gateway) -> None:
    assert (await get(gateway, "/api/v1/providers"))[1]["data"][0]["slug"] == "a"
    assert (await get(gateway, "/api/v1/key"))[1]["data"]["label"] == "anonymous"
    assert (await get(gateway, "/api/v1/credits"))[1]["data"]["total_credits"] is None
    assert (await get(gateway, "/v1/key"))[0] == 404


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_a_generation_is_remembered_for_its_own_caller(upstream: Upstream, stream: bool) -> None:
    keys = {name: {"Authorization": f"Bearer sk-{name}"} for name in ("one", "two")}
    consumers = [frames.consumer(name, f"sk-{name}") for name in keys]
    async with Gateway(auth="Required", max_generations=1) as gateway:
        await gateway.configure([pool("a")], [frames.route("a")], consumers, addresses={"a": [upstream.address]})
        answer = await ask(gateway, "/api/v1/chat/completions", stream=stream, headers=keys["one"])
        path = f"/api/v1/generation?id={answer.headers['X-Generation-Id']}"
        status, found = await get(gateway, path, **keys["one"])
        assert status == 200
        assert found["data"]["tokens_completion"] == 3
        assert found["data"]["finish_reason"] == "stop"
        assert found["data"]["streamed"] is stream
        assert found["data"]["provider_responses"][0]["status"] == 200
        assert (await get(gateway, path, **keys["two"]))[0] == 404
        await ask(gateway, "/v1/chat/completions", headers=keys["two"])
        assert (await get(gateway, path, **keys["one"]))[0] == 404, "the oldest is forgotten"


async def test_websockets_are_refused_in_words(gateway: Gateway) -> None:
    headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
    status, error = await get(gateway, "/v1/realtime?model=x", **headers)
    assert (status, error["error"]["code"]) == (404, "unsupported_endpoint")
    assert "WebSockets" in error["error"]["message"]
