"""Bad input, keys, and what reaches providers: through a real socket, in the shape of each contract."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Iterator

import aiohttp
import pytest
from tieline_api.snapshot import AllowDeny, Constraints, Credential, Header, Retries, SecretRef
from tieline_router.runtime import inflate
from yarl import URL

from tests.support import frames, replies
from tests.support.gateway import MESSAGES, Gateway
from tests.support.openai_answers import CLOSE, GREETING, RESET, Raw, Reply, Wait
from tests.support.packed import PACKED
from tests.support.upstream import Upstream

CHAT = "/v1/chat/completions"
GOOD = json.dumps({"model": frames.MODEL, "messages": MESSAGES}).encode()
TREES = ["/v1", "/api/v1"]


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def gateway(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with Gateway(max_body_bytes=100_000) as gateway:
        await gateway.configure([frames.own_pool("a")], [frames.route("a")], addresses={"a": [upstream.address]})
        yield gateway


BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, "invalid_json"),
    "malformed": (b'{"model": ', 400, "invalid_json"),
    "not an object": (b"[1, 2]", 400, "invalid_json"),
    "not UTF-8": (GOOD[:-1] + b', "user": "\xff"}', 400, "invalid_json"),
    "wrong type": (b'{"model": 7, "messages": []}', 400, "invalid_type"),
    "missing field": (b'{"model": "m"}', 400, "missing_field"),
    "deep nesting": (b'{"model": "m", "messages": ' + b"[" * 20_000 + b"]" * 20_000 + b"}", 400, "nesting_too_deep"),
    "over-long": (b" " * 100_001, 413, "body_too_large"),
}


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize("case", BODIES)
async def test_bad_bodies(gateway: Gateway, upstream: Upstream, tree: str, case: str) -> None:
    body, status, code = BODIES[case]
    answer = await gateway.post(f"{tree}/chat/completions", body)
    assert answer.status == status
    if tree == "/v1":
        assert answer.error["code"] == code
        assert isinstance(answer.error["type"], str)
    else:
        assert answer.error["code"] == status
        assert answer.error["metadata"]["reason"] == code
    assert len(answer.error["message"]) > 10
    assert not upstream.requests
    assert (await gateway.chat()).status == 200, "nothing else stops working"


async def test_the_type_of_the_body_is_checked(gateway: Gateway) -> None:
    answer = await gateway.post(CHAT, GOOD, headers={"Content-Type": "application/x-www-form-urlencoded"})
    assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")
    assert "application/x-www-form-urlencoded" in answer.error["message"]
    assert (await gateway.post(CHAT, GOOD, headers={"Content-Type": "application/vnd.api+json"})).status == 200


@pytest.mark.parametrize("coding", ["deflate", "br", "identity, gzip"])
async def test_unknown_codings_are_refused(gateway: Gateway, upstream: Upstream, coding: str) -> None:
    answer = await gateway.post(CHAT, gzip.compress(GOOD), headers={"Content-Encoding": coding})
    assert (answer.status, answer.error["code"]) == (415, "unsupported_media_type")
    assert coding.lower() in answer.error["message"]
    assert not upstream.requests
    assert (await gateway.post(CHAT, GOOD, headers={"Content-Encoding": "identity"})).text == GREETING


@pytest.mark.parametrize("coding", ["gzip", "GZIP", "zstd"])
async def test_compressed_bodies_are_expanded(gateway: Gateway, coding: str) -> None:
    packed = PACKED[coding.lower()](GOOD)
    assert (await gateway.post(CHAT, packed, headers={"Content-Encoding": coding})).text == GREETING
    damaged = await gateway.post(CHAT, packed[:-5], headers={"Content-Encoding": coding})
    assert (damaged.status, damaged.error["code"]) == (400, "invalid_json")
    assert f"is not the {coding.lower()} that" in damaged.error["message"]


async def test_a_bomb_ends_at_the_limit_and_nothing_is_expanded_for_strangers(
    guarded: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    expanded: list[int] = []
    gunzip = inflate.CODINGS["gzip"]

    def counted(data: bytes) -> Iterator[bytes]:
        for piece in gunzip(data):
            expanded.append(len(piece))
            yield piece

    monkeypatch.setitem(inflate.CODINGS, "gzip", counted)
    bomb = gzip.compress(b" " * 64_000_000)
    headers = {"Content-Encoding": "gzip"}
    assert (await guarded.post(CHAT, bomb, headers=headers | {"Authorization": "Bearer sk-wrong"})).status == 401
    assert not expanded
    assert (await guarded.post(CHAT, bomb, headers=headers | {"Authorization": "Bearer sk-team"})).status == 413
    assert sum(expanded) <= guarded.settings.max_body_bytes + inflate.STEP_BYTES


@pytest.mark.parametrize("path", ["/v1/a%0d%0ab", "/%0a", "/healthz%0a"])
async def test_line_breaks_in_a_path_are_a_path_like_any_other(gateway: Gateway, path: str) -> None:
    async with gateway.session.get(URL(gateway.url + path, encoded=True)) as response:
        assert (response.status, response.content_type) == (404, "application/json")
        assert (await response.json())["error"]["code"] == "unsupported_endpoint"


@pytest.mark.parametrize(("tree", "status"), [("/v1", 404), ("/api/v1", 400)])
async def test_an_unknown_model_has_the_status_of_its_contract(gateway: Gateway, tree: str, status: int) -> None:
    answer = await gateway.chat(path=f"{tree}/chat/completions", model="nobody/knows")
    assert answer.status == status
    assert "nobody/knows" in answer.error["message"]
    assert answer.error["availability"]["code"] == "model_not_found"


@pytest.mark.parametrize("tree", TREES)
@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/chat/completions", 405, "method_not_allowed"),
        ("POST", "/models", 405, "method_not_allowed"),
        ("GET", "/embeddings", 405, "method_not_allowed"),
        ("POST", "/rerank", 404, "unsupported_endpoint"),
        ("GET", "/responses/resp_1", 404, "unsupported_endpoint"),
        ("DELETE", "/responses/resp_1", 404, "unsupported_endpoint"),
        ("GET", "/realtime", 404, "unsupported_endpoint"),
        ("POST", "/messages/batches", 404, "unsupported_endpoint"),
        ("GET", "", 404, "unsupported_endpoint"),
    ],
)
async def test_other_paths_and_methods(
    gateway: Gateway, tree: str, method: str, path: str, status: int, code: str
) -> None:
    answer = await gateway.post(tree + path, b"", method=method)
    assert answer.status == status
    found = answer.error["code"] if tree == "/v1" else answer.error["metadata"]["reason"]
    assert found == code
    if status == 405:
        assert answer.headers["Allow"] in {"GET, HEAD", "POST"}


async def test_nobody_permitted_says_who_was_excluded_and_why(gateway: Gateway, upstream: Upstream) -> None:
    rules = Constraints(countries=AllowDeny(deny=("US",)))
    await gateway.configure(
        [frames.own_pool("a", country="US")],
        [frames.route("a", constraints=rules)],
        addresses={"a": [upstream.address]},
    )
    answer = await gateway.chat()
    assert (answer.status, answer.error["code"]) == (404, "no_permitted_backend")
    assert answer.error["availability"]["excluded_by"] == ["geo"]
    assert "default/a: country US is not permitted" in answer.error["message"]


async def test_a_pool_without_endpoints_is_unavailable_and_not_unknown(gateway: Gateway) -> None:
    await gateway.configure([frames.own_pool("a")], [frames.route("a")])
    answer = await gateway.chat()
    assert (answer.status, answer.error["code"]) == (503, "no_healthy_backend")


async def test_without_a_configuration_it_says_so() -> None:
    async with Gateway() as gateway:
        answer = await gateway.chat()
        assert (answer.status, answer.error["code"], answer.headers["Retry-After"]) == (503, "not_ready", "1")
        async with gateway.session.get(gateway.url + "/readyz") as response:
            assert response.status == 503
        async with gateway.session.get(gateway.url + "/healthz") as response:
            assert response.status == 200


# -- keys ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def guarded(upstream: Upstream) -> AsyncIterator[Gateway]:
    async with Gateway(auth="Required") as gateway:
        consumers = [
            frames.consumer("team", "sk-team", models=AllowDeny(deny=("acme/secret",))),
            frames.consumer("old", "sk-old", expires_at=1.0),
        ]
        await gateway.configure(
            [frames.own_pool("a", [frames.model(), frames.model("acme/secret")])],
            [frames.route("a"), frames.route("a", name="secret", models=["acme/secret"])],
            consumers,
            addresses={"a": [upstream.address]},
        )
        yield gateway


@pytest.mark.parametrize(
    "headers", [{"Authorization": "Bearer sk-team"}, {"authorization": "bearer sk-team"}, {"x-api-key": "sk-team"}]
)
async def test_a_key_opens(guarded: Gateway, headers: dict[str, str]) -> None:
    assert (await guarded.chat(headers=headers)).text == GREETING


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({}, "missing_key"),
        ({"Authorization": "Bearer sk-wrong"}, "invalid_api_key"),
        ({"Authorization": "Basic sk-team"}, "invalid_api_key"),
        ({"Authorization": "Bearer"}, "invalid_api_key"),
        ({"Authorization": "Bearer sk-old"}, "expired_api_key"),
        ({"x-api-key": "sk-wrong"}, "invalid_api_key"),
    ],
)
async def test_a_bad_key_does_not(guarded: Gateway, upstream: Upstream, headers: dict[str, str], code: str) -> None:
    for answer in (
        await guarded.chat(headers=headers),
        await guarded.post("/v1/models", b"", method="GET", headers=headers),
    ):
        assert (answer.status, answer.error["code"]) == (401, code)
        assert answer.headers["WWW-Authenticate"] == "Bearer"
        assert "sk-" not in answer.error["message"]
    assert not upstream.requests


async def test_a_wrong_key_is_refused_where_keys_are_optional_too(gateway: Gateway) -> None:
    assert (await gateway.chat(headers={"Authorization": "Bearer sk-wrong"})).status == 401
    assert (await gateway.chat()).status == 200


async def test_models_are_those_that_the_key_may_use(guarded: Gateway) -> None:
    headers = {"Authorization": "Bearer sk-team"}
    listed = await guarded.post("/v1/models", b"", method="GET", headers=headers)
    assert [model["id"] for model in listed.json["data"]] == [frames.MODEL]
    answer = await guarded.chat(model="acme/secret", headers=headers)
    assert (answer.status, answer.error["code"]) == (403, "model_not_allowed")


# -- what reaches a provider ---------------------------------------------------------------------------------------


async def test_a_provider_gets_its_own_credential_and_nothing_of_the_client(upstream: Upstream) -> None:
    headers = (Header(name="X-Title", value="tieline"), Header(name="X-Org", secret=SecretRef(id="org", version="1")))
    async with Gateway(auth="Required") as gateway:
        await gateway.configure(
            [frames.external_pool("b", upstream.base_url, headers=headers)],
            [frames.route("b")],
            [frames.consumer("team", "sk-team")],
            secrets={"b_key": "sk-provider", "org": "org-1"},
        )
        client = {
            "Authorization": "Bearer sk-team",
            "Cookie": "session=1",
            "X-Forwarded-For": "10.1.1.1",
            "X-Title": "mine",
        }
        answer = await gateway.chat(headers=client, user="ann", provider={"order": ["b"]}, stream=True)
        assert answer.done
        seen = await upstream.seen()
        assert seen.headers["Authorization"] == "Bearer sk-provider"
        assert (seen.headers["X-Title"], seen.headers["X-Org"]) == ("tieline", "org-1")
        assert {name.lower() for name in seen.headers} == {
            "host", "content-type", "content-length", "accept", "accept-encoding", "user-agent",
            "authorization", "x-title", "x-org",
        }  # fmt: skip
        assert seen.json["model"] == "chat"
        assert seen.json["stream_options"] == {"include_usage": True}
        assert seen.json["user"] != "ann"
        assert "provider" not in seen.json


async def test_answers_carry_no_headers_of_the_provider(gateway: Gateway, upstream: Upstream) -> None:
    body = json.dumps({"choices": [{"index": 0, "message": {"content": "x"}, "finish_reason": "stop"}]}).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nSet-Cookie: a=b\r\nX-Org: 1\r\nServer: nginx\r\n"
    upstream.default = replies.raw(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
    answer = await gateway.chat()
    assert answer.status == 200
    assert set(answer.headers) == {"Content-Type", "Content-Length", "Date", "Server", "X-Generation-Id"}
    assert answer.headers["Server"] == "tieline"


async def test_credentials_take_turns_and_a_refused_one_sits_out(upstream: Upstream) -> None:
    both = tuple(Credential(name=name, secret=SecretRef(id=name, version="1")) for name in ("one", "two"))
    async with Gateway() as gateway:
        await gateway.configure(
            [frames.external_pool("b", upstream.base_url, credentials=both)],
            [frames.route("b")],
            secrets={"one": "sk-1", "two": "sk-2"},
        )
        upstream.script(replies.unauthorized())
        for _ in range(3):
            assert (await gateway.chat()).status == 200
    keys = [seen.headers["Authorization"].removeprefix("Bearer ") for seen in upstream.completions]
    assert keys == ["sk-1", "sk-2", "sk-2", "sk-2"]


async def test_a_credential_bound_to_hosts_goes_nowhere_else(upstream: Upstream) -> None:
    bound = Credential(name="main", secret=SecretRef(id="k", version="1"), hosts=("api.example.com",))
    async with Gateway() as gateway:
        await gateway.configure(
            [frames.external_pool("b", upstream.base_url, credentials=(bound,))],
            [frames.route("b")],
            secrets={"k": "sk-1"},
        )
        answer = await gateway.chat()
    assert (answer.status, answer.error["code"]) == (503, "credentials_unavailable")
    assert not upstream.requests


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "127.1", "[::ffff:127.0.0.1]"])
async def test_an_external_pool_reaches_no_private_address(upstream: Upstream, host: str) -> None:
    async with Gateway() as gateway:
        await gateway.configure(
            [frames.external_pool("b", f"http://{host}:{upstream.port}", allow_private=False)],
            [frames.route("b")],
            secrets={"b_key": "sk-1"},
        )
        answer = await gateway.chat()
    assert answer.status == 502
    assert not upstream.requests


async def test_the_user_of_an_own_server_stays_as_it_is(gateway: Gateway, upstream: Upstream) -> None:
    await gateway.chat(user="ann")
    assert (await upstream.seen()).json["user"] == "ann"


async def test_usage_comes_only_when_asked_for_and_always_under_openrouters_contract(gateway: Gateway) -> None:
    silent = await gateway.chat(stream=True)
    asked = await gateway.chat(stream=True, stream_options={"include_usage": True})
    openrouter = await gateway.chat(stream=True, path="/api/v1/chat/completions")
    assert b'"usage"' not in silent.body
    for answer in (asked, openrouter):
        assert answer.events[-2]["choices"] == []
        assert answer.events[-2]["usage"]["completion_tokens"] == 3


async def test_a_pool_that_cannot_say_usage_is_not_asked(gateway: Gateway, upstream: Upstream) -> None:
    pool = frames.own_pool("a", [frames.model(stream_usage="Never")])
    await gateway.configure([pool], [frames.route("a")], addresses={"a": [upstream.address]})
    await gateway.chat(stream=True, stream_options={"include_usage": True})
    assert "stream_options" not in (await upstream.seen()).json


async def test_a_kept_connection_that_the_server_closed_costs_nothing(gateway: Gateway, upstream: Upstream) -> None:
    routes = [frames.route("a", retries=Retries(attempts=1))]
    await gateway.configure([frames.own_pool("a")], routes, addresses={"a": [upstream.address]})
    await gateway.chat()
    upstream.script(replies.close_before_headers())
    answer = await gateway.chat()
    assert answer.status == 200
    assert [seen.outcome for seen in upstream.completions] == ["answered", "cut by us", "answered"]
    endpoint = (await gateway.admin("/admin/endpoints"))["endpoints"][0]
    assert endpoint["consecutiveFailures"] == 0


@pytest.mark.parametrize(
    "breaks",
    [lambda _: [Wait(0.3), CLOSE], lambda _: [Wait(0.3), RESET], lambda _: [Raw(b"HTTP/1.1 200 OK\r\nX-A"), CLOSE]],
    ids=["late end", "late reset", "part of a head"],
)
async def test_a_kept_connection_that_breaks_under_the_request_is_the_servers_failure(
    gateway: Gateway, upstream: Upstream, breaks: Reply
) -> None:
    routes = [frames.route("a", retries=Retries(attempts=1))]
    await gateway.configure([frames.own_pool("a")], routes, addresses={"a": [upstream.address]})
    await gateway.chat()
    upstream.script(breaks)
    answer = await gateway.chat()
    assert (answer.status, answer.error["code"]) == (502, "reset_before_headers")
    assert len(upstream.completions) == 2, "the request was sent a second time"
    endpoint = (await gateway.admin("/admin/endpoints"))["endpoints"][0]
    assert endpoint["consecutiveFailures"] == 1


async def test_old_connections_excuse_one_repeat_alone(gateway: Gateway, upstream: Upstream) -> None:
    routes = [frames.route("a", retries=Retries(attempts=1))]
    await gateway.configure([frames.own_pool("a")], routes, addresses={"a": [upstream.address]})
    gate = asyncio.Event()
    upstream.script(*[replies.slow_headers(gate)] * 4)
    kept = [asyncio.create_task(gateway.chat()) for _ in range(4)]
    await upstream.seen(4)
    gate.set()
    await asyncio.gather(*kept)
    upstream.default = replies.close_before_headers()
    answer = await gateway.chat()
    assert (answer.status, answer.error["code"]) == (502, "reset_before_headers")
    assert len(upstream.completions) == 4 + 2
    endpoint = (await gateway.admin("/admin/endpoints"))["endpoints"][0]
    assert endpoint["consecutiveFailures"] == 1


async def test_cookies_of_a_provider_are_forgotten(upstream: Upstream) -> None:
    head = b"HTTP/1.1 500 No\r\nSet-Cookie: session=1; Path=/\r\nContent-Length: 0\r\n\r\n"
    upstream.script(replies.raw(head))
    async with Gateway() as gateway:
        await gateway.configure(
            [frames.external_pool("b", f"http://localhost:{upstream.port}")],
            [frames.route("b")],
            secrets={"b_key": "k"},
        )
        assert (await gateway.chat()).status == 200
    assert len(upstream.completions) == 2
    assert "Cookie" not in upstream.completions[1].headers


async def test_connections_are_kept_between_requests(gateway: Gateway, upstream: Upstream) -> None:
    for stream in (False, True, True, False):
        assert (await gateway.chat(stream=stream)).status == 200
    assert len({seen.peer for seen in upstream.completions}) == 1


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01 no HTTP\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-\x00secret\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-secret" + b"x" * 20_000 + b"\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nsk-secret\r\n",
    ],
)
async def test_what_is_no_http_is_refused_and_not_quoted(
    gateway: Gateway, caplog: pytest.LogCaptureFixture, sent: bytes
) -> None:
    caplog.set_level("DEBUG")
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.router.address[1])
    writer.write(sent)
    assert (await reader.readline()).split()[1] in {b"400", b"431"}
    writer.close()
    assert (await gateway.chat()).status == 200
    assert "secret" not in caplog.text
    assert "Traceback" not in caplog.text


async def test_a_body_that_does_not_come_is_given_up(upstream: Upstream) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        yield b'{"model":'
        await asyncio.Event().wait()

    async with Gateway(body_seconds=0.2) as gateway:
        await gateway.configure([frames.own_pool("a")], [frames.route("a")], addresses={"a": [upstream.address]})
        async with aiohttp.ClientSession() as session:
            headers = {"Content-Type": "application/json"}
            async with session.post(gateway.url + CHAT, data=dripping(), headers=headers) as response:
                assert response.status == 408
                assert (await response.json())["error"]["code"] == "body_timeout"


async def test_bodies_that_do_not_fit_together_are_refused_and_their_room_comes_back(upstream: Upstream) -> None:
    gate = asyncio.Event()
    upstream.default = replies.slow_headers(gate)
    async with Gateway(max_bodies_bytes=10_000) as gateway:
        await gateway.configure([frames.own_pool("a")], [frames.route("a")], addresses={"a": [upstream.address]})
        held = asyncio.create_task(gateway.chat(user="x" * 8_000))
        await upstream.seen()

        async def pieces() -> AsyncIterator[bytes]:
            yield GOOD[:-1]
            yield b', "user": "' + b"y" * 3_000 + b'"}'

        async with gateway.session.post(
            gateway.url + CHAT, data=pieces(), headers={"Content-Type": "application/json"}
        ) as chunked:
            refused = [chunked.status, chunked.headers["Retry-After"], (await chunked.json())["error"]["code"]]
        announced = await gateway.chat(user="y" * 3_000)
        assert refused == [announced.status, announced.headers["Retry-After"], announced.error["code"]]
        assert refused == [503, "1", "bodies_exhausted"]
        gate.set()
        assert (await held).status == 200
        assert (await gateway.chat(user="x" * 8_000)).status == 200
        assert len(upstream.completions) == 2
