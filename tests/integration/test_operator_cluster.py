"""The operator's API client over real sockets: pages, server-side apply, errors, credentials, outages."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from tieline_operator.cluster import CHUNK, CREDENTIALS_SECONDS, Cluster
from tieline_operator.credentials import Connection, NoCredentials, connect
from tieline_operator.errors import ApiError, Conflict, Forbidden, NotFound, Unavailable, Unserved
from tieline_operator.outage import Outage
from tieline_operator.resources import CONFIG_MAPS, MODEL_ROUTES, SECRETS

from tests.support.api_objects import manifest
from tests.support.api_server import TOKEN, ApiServer
from tests.tieline_operator.manifests import route, secret


class Client:
    """A client and what it reported."""

    def __init__(self, login: Callable[[], Awaitable[Connection]]) -> None:
        self.calls: list[tuple[str, str, str]] = []
        self.recoveries = 0
        self.outage = Outage()
        self.cluster = Cluster(login, self.outage, time.monotonic, self._count, self._recover)

    def _count(self, verb: str, plural: str, outcome: str) -> None:
        self.calls.append((verb, plural, outcome))

    def _recover(self) -> None:
        self.recoveries += 1


@asynccontextmanager
async def client_of(server: ApiServer, token: str = TOKEN) -> AsyncIterator[Client]:
    async def login() -> Connection:
        return Connection(server.url, token=token)

    client = Client(login)
    async with client.cluster:
        yield client


async def test_a_long_list_comes_in_pages_and_whole() -> None:
    async with ApiServer() as server, client_of(server) as client:
        for number in range(CHUNK + 3):
            server.objects.put(MODEL_ROUTES, route(f"r-{number:04}", meta={"resourceVersion": None}))
        bodies = await client.cluster.list(MODEL_ROUTES)
        assert len({body["metadata"]["name"] for body in bodies}) == CHUNK + 3
        assert {(body["kind"], body["apiVersion"]) for body in bodies} == {("ModelRoute", "tieline.dev/v1alpha1")}
        assert server.asked("list", "modelroutes") == 2


async def test_a_list_whose_pages_are_gone_is_asked_for_whole() -> None:
    async with ApiServer() as server, client_of(server) as client:
        for number in range(CHUNK + 3):
            server.objects.put(MODEL_ROUTES, route(f"r-{number:04}", meta={"resourceVersion": None}))
        server.page_of_410 = True
        assert len(await client.cluster.list(MODEL_ROUTES)) == CHUNK + 3


async def test_only_labelled_secrets_are_listed_and_metadata_has_no_value() -> None:
    async with ApiServer() as server, client_of(server) as client:
        server.objects.put(SECRETS, secret("labelled", {"k": "v"}))
        server.objects.put(SECRETS, secret("bare", {"k": "v"}, labelled=False))
        assert [body["metadata"]["name"] for body in await client.cluster.list(SECRETS)] == ["labelled"]
        found = await client.cluster.get_metadata(SECRETS, "ai", "bare")
        assert found is not None
        assert set(found) == {"metadata"}
        assert await client.cluster.get_metadata(SECRETS, "ai", "none") is None


async def test_status_goes_through_server_side_apply_and_never_to_another_object_of_the_name() -> None:
    async with ApiServer() as server, client_of(server) as client:
        body = server.objects.put(MODEL_ROUTES, route(meta={"resourceVersion": None}))
        written = await client.cluster.apply_status(MODEL_ROUTES, body, {"conditions": []})
        assert written["status"] == {"conditions": []}
        server.objects.delete("modelroutes", "ai", "coder")
        with pytest.raises(NotFound):
            await client.cluster.apply_status(MODEL_ROUTES, body, {})
        server.objects.put(MODEL_ROUTES, route(meta={"resourceVersion": None}))
        with pytest.raises(Conflict):
            await client.cluster.apply_status(MODEL_ROUTES, body, {})


async def test_a_write_over_a_newer_version_is_a_conflict() -> None:
    async with ApiServer() as server, client_of(server) as client:
        body = await client.cluster.create(CONFIG_MAPS, "ai", manifest("ConfigMap", "ai", "x", data={"a": "1"}))
        newer = await client.cluster.replace(CONFIG_MAPS, {**body, "data": {"a": "2"}})
        with pytest.raises(Conflict):
            await client.cluster.replace(CONFIG_MAPS, {**body, "data": {"a": "3"}})
        with pytest.raises(Conflict):
            await client.cluster.create(CONFIG_MAPS, "ai", manifest("ConfigMap", "ai", "x"))
        assert await client.cluster.get(CONFIG_MAPS, "ai", "x") == newer
        assert await client.cluster.get(CONFIG_MAPS, "ai", "y") is None


async def test_a_missing_right_is_named() -> None:
    async with ApiServer() as server, client_of(server) as client:
        server.forbidden = {("list", "modelroutes")}
        with pytest.raises(Forbidden, match=r"verb list on modelroutes\.tieline\.dev"):
            await client.cluster.list(MODEL_ROUTES)
        assert client.calls == [("list", "modelroutes", "403")]


@pytest.mark.parametrize("status", [500, 503, 429, 401])
async def test_a_call_that_is_answered_with_an_error_is_no_outage(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with ApiServer() as server, client_of(server) as client:
        for _ in range(5):
            server.failing = status
            with pytest.raises(Unserved, match=str(status)):
                await client.cluster.list(MODEL_ROUTES)
            server.failing = None
            await client.cluster.list(MODEL_ROUTES)
        assert not client.outage.active
        assert (client.recoveries, caplog.records) == (0, [])


@pytest.mark.parametrize("status", [500, 503, 429, 401])
async def test_a_server_that_does_not_serve_the_probe_is_an_outage_with_two_lines(
    status: int, caplog: pytest.LogCaptureFixture
) -> None:
    async with ApiServer() as server, client_of(server) as client:
        server.failing = status
        for _ in range(5):
            with pytest.raises(Unavailable):
                await client.cluster.probe(None)
        server.failing = None
        with caplog.at_level("INFO"):
            await client.cluster.list(MODEL_ROUTES)
            assert client.recoveries == 0
            await client.cluster.probe(None)
        assert [record.message.split(":")[0].split(" after")[0] for record in caplog.records] == [
            "API server unreachable",
            "API server reachable again",
        ]
        assert client.recoveries == 1


@asynccontextmanager
async def answering(status: int, text: str, headers: Mapping[str, str]) -> AsyncIterator[Client]:
    """A client of something that answers everything alike."""

    async def answer(_: web.BaseRequest) -> web.Response:
        return web.Response(status=status, text=text, headers=headers)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]

    async def login() -> Connection:
        return Connection(f"http://127.0.0.1:{port}", token=None)

    client = Client(login)
    try:
        async with client.cluster:
            yield client
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("status", "text"), [(200, "<html>log in</html>"), (200, "[]"), (200, ""), (302, "")])
async def test_an_answer_of_something_else_is_worth_another_try_and_names_the_proxy(status: int, text: str) -> None:
    async with answering(status, text, {"Location": "/login"}) as client:
        with pytest.raises(Unserved, match="proxies"):
            await client.cluster.list(MODEL_ROUTES)
        assert client.calls == [("list", "modelroutes", "unreadable")]


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), ("86400", 60.0), ("soon", 0.0), ("-1", 0.0)])
async def test_the_pause_that_the_server_asks_for_is_told(header: str, seconds: float) -> None:
    async with answering(429, "slower", {"Retry-After": header}) as client:
        with pytest.raises(Unserved) as caught:
            await client.cluster.list(MODEL_ROUTES)
        assert caught.value.retry_after == seconds


async def test_credentials_that_cannot_be_read_anew_are_no_end() -> None:
    async with ApiServer() as server:
        now, readable = 0.0, True

        async def login() -> Connection:
            if not readable:
                raise NoCredentials("the token's file is gone")
            return Connection(server.url, token=TOKEN)

        cluster = Cluster(login, Outage(), lambda: now)
        async with cluster:
            await cluster.list(MODEL_ROUTES)
            now, readable = CREDENTIALS_SECONDS + 1, False
            await cluster.list(MODEL_ROUTES)
            server.tokens = set()
            with pytest.raises(Unavailable, match="the token's file is gone"):
                await cluster.list(MODEL_ROUTES)


async def test_a_closed_port_is_an_outage_and_ends_by_itself() -> None:
    async with ApiServer() as server, client_of(server) as client:
        await client.cluster.list(MODEL_ROUTES)
        await server.close()
        for _ in range(3):
            with pytest.raises(Unavailable):
                await client.cluster.probe(None)
        assert client.outage.active
        await server.open()
        await client.cluster.probe(None)
        assert client.recoveries == 1


async def test_a_refusal_is_an_answer_and_no_outage() -> None:
    async with ApiServer() as server, client_of(server) as client:
        for _ in range(3):
            with pytest.raises(ApiError):
                await client.cluster.replace(MODEL_ROUTES, route("none"))
        assert not client.outage.active
        assert client.outage.reached_within(60, time.monotonic())


async def test_a_rotated_token_is_read_again() -> None:
    token = "old"

    async with ApiServer() as server:

        async def login() -> Connection:
            return Connection(server.url, token=token)

        client = Client(login)
        server.tokens = {"old"}
        async with client.cluster:
            await client.cluster.list(MODEL_ROUTES)
            server.tokens, token = {"new"}, "new"
            await client.cluster.list(MODEL_ROUTES)
            assert client.calls == [("list", "modelroutes", "ok")] * 2


async def test_a_token_review_says_who_it_is() -> None:
    async with ApiServer() as server, client_of(server) as client:
        server.reviews["abc"] = {"authenticated": True, "user": {"username": "x"}}
        assert (await client.cluster.review_token("abc", "tieline-operator"))["authenticated"] is True
        assert (await client.cluster.review_token("xyz", "tieline-operator"))["authenticated"] is False


async def test_credentials_of_a_kubeconfig(tmp_path: Path) -> None:
    async with ApiServer() as server:
        found = await connect(server.kubeconfig(tmp_path))
        assert (found.server, found.token) == (server.url, TOKEN)
        assert TOKEN not in repr(found)


async def test_without_credentials_the_missing_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(NoCredentials, match="--kubeconfig"):
        await connect(None)
    with pytest.raises(NoCredentials, match=r"none\.kubeconfig"):
        await connect(tmp_path / "none.kubeconfig")
