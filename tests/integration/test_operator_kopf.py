"""kopf's thread against an API server: events arrive on our loop, only labelled Secrets, and outages are survived."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tieline_operator import handlers
from tieline_operator.credentials import Connection
from tieline_operator.kopf_thread import KopfThread
from tieline_operator.resources import MODEL_ROUTES, SECRETS, WATCHED, Body, Resource

from tests.support.api_objects import Object
from tests.support.api_server import TOKEN, ApiServer
from tests.support.waiting import eventually
from tests.tieline_operator.manifests import route, secret


def fresh(body: Object) -> Object:
    metadata = {k: v for k, v in body["metadata"].items() if k not in {"resourceVersion", "generation"}}
    return {**body, "metadata": metadata}


class Watcher:
    """A thread and the events that it delivered."""

    def __init__(self, server: ApiServer, namespaces: tuple[str, ...] | None = None) -> None:
        self.server = server
        self.token = TOKEN
        self.events: list[tuple[str, str | None, str]] = []
        self.threads: set[str] = set()
        self.thread = KopfThread(WATCHED, namespaces, self._connect, self._deliver)
        self.ended = self.thread.start()

    async def _connect(self) -> Connection:
        return Connection(self.server.url, token=self.token)

    def _deliver(self, resource: Resource, change: str | None, body: Body) -> None:
        self.threads.add(threading.current_thread().name)
        self.events.append((resource.kind, change, body["metadata"]["name"]))

    async def saw(self, kind: str, change: str | None, name: str) -> None:
        await eventually(lambda: (kind, change, name) in self.events, f"{change} {kind} {name} in {self.events}")


@asynccontextmanager
async def watching(server: ApiServer, namespaces: tuple[str, ...] | None = None) -> AsyncIterator[Watcher]:
    watcher = Watcher(server, namespaces)
    try:
        yield watcher
    finally:
        await watcher.thread.stop()


async def test_events_arrive_on_the_loop_that_started_the_thread() -> None:
    async with ApiServer() as server:
        server.objects.put(MODEL_ROUTES, fresh(route("a")))
        async with watching(server) as watcher:
            await watcher.saw("ModelRoute", None, "a")
            server.objects.put(MODEL_ROUTES, fresh(route("b")))
            await watcher.saw("ModelRoute", "ADDED", "b")
            server.objects.put(MODEL_ROUTES, fresh(route("b", models=["c"])))
            await watcher.saw("ModelRoute", "MODIFIED", "b")
            server.objects.delete("modelroutes", "ai", "b")
            await watcher.saw("ModelRoute", "DELETED", "b")
            assert watcher.threads == {threading.current_thread().name}
        assert server.objects.writes() == []


async def test_only_labelled_secrets_are_read() -> None:
    async with ApiServer() as server:
        for name, labelled in (("bare", False), ("labelled", True)):
            server.objects.put(SECRETS, fresh(secret(name, {"k": "v"}, labelled=labelled)))
        async with watching(server) as watcher:
            await watcher.saw("Secret", None, "labelled")
            server.objects.put(SECRETS, fresh(secret("bare-2", {"k": "v"}, labelled=False)))
            server.objects.put(SECRETS, fresh(secret("labelled-2", {"k": "v"})))
            await watcher.saw("Secret", "ADDED", "labelled-2")
            assert not [event for event in watcher.events if event[2].startswith("bare")]


@pytest.mark.parametrize("outage", ["closed", "500", "403", "401"])
async def test_after_an_outage_events_come_again(outage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handlers, "RETRY_SECONDS", 0.05)
    async with ApiServer() as server, watching(server) as watcher:
        server.objects.put(MODEL_ROUTES, fresh(route("a")))
        await eventually(lambda: ("ModelRoute", "a") in {(kind, name) for kind, _, name in watcher.events}, "a")
        before = len(server.requests)
        if outage == "closed":
            await server.close()
        else:
            server.failing = int(outage)
            server.cut()
            await eventually(lambda: server.refusals >= 10, "tries")
        assert await watcher.thread.alive()
        server.objects.put(MODEL_ROUTES, fresh(route("b")))
        server.failing = None
        if outage == "closed":
            await server.open()
        await eventually(lambda: ("ModelRoute", "b") in {(kind, name) for kind, _, name in watcher.events}, "b")
        assert len(server.requests) > before
        assert not watcher.ended.done()


async def test_a_rotated_token_is_taken_up_after_a_refusal() -> None:
    async with ApiServer() as server, watching(server) as watcher:
        server.objects.put(MODEL_ROUTES, fresh(route("a")))
        await eventually(lambda: watcher.events, "the first event")
        server.tokens, watcher.token = {"new"}, "new"
        server.cut()
        server.objects.put(MODEL_ROUTES, fresh(route("b")))
        await eventually(lambda: "b" in {name for _, _, name in watcher.events}, "b")


async def test_410_lists_anew_and_tells_nothing_of_what_vanished() -> None:
    """The reason for our own resync: kopf never says DELETED for it."""
    async with ApiServer() as server:
        for name in ("a", "b"):
            server.objects.put(MODEL_ROUTES, fresh(route(name)))
        async with watching(server) as watcher:
            await watcher.saw("ModelRoute", None, "b")
            watcher.events.clear()
            server.objects.delete("modelroutes", "ai", "b", tell=False)
            server.forget_history()
            await watcher.saw("ModelRoute", None, "a")
            assert {event[1:] for event in watcher.events if event[0] == "ModelRoute"} == {(None, "a")}


async def test_with_some_namespaces_only_those_are_watched() -> None:
    async with ApiServer() as server, watching(server, ("ai", "tieline-system")) as watcher:
        server.objects.put(MODEL_ROUTES, fresh(route("other", meta={"namespace": "web"})))
        server.objects.put(MODEL_ROUTES, fresh(route("mine")))
        await eventually(lambda: "mine" in {name for _, _, name in watcher.events}, "the route")
        assert {request[2] for request in server.requests} == {"ai", "tieline-system"}
        assert "other" not in {name for _, _, name in watcher.events}


async def test_it_stops_when_asked_and_ends_by_itself_with_a_reason() -> None:
    async with ApiServer() as server:
        watcher = Watcher(server)
        await eventually(lambda: server.asked("watch", "modelroutes"), "the watch")
        assert await watcher.thread.alive()
        await watcher.thread.stop()
        async with asyncio.timeout(10):
            await watcher.ended
        assert not await watcher.thread.alive()
        failing = Watcher(server)
        server.watch_error = 500
        server.cut()
        async with asyncio.timeout(20):
            await failing.ended
        assert "WatchingError" in failing.thread.why
