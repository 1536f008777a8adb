"""The snapshot stream over real TLS and WebSockets: who is let in, what is sent, who is cut off."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType
from tieline_api.names import CA_CONFIG_MAP, CA_KEY, SNAPSHOT_PATH
from tieline_api.snapshot import (
    MAX_FRAME_BYTES,
    Ack,
    Config,
    ConfigFrame,
    Frame,
    Heartbeat,
    Hello,
    Notice,
    Revision,
    Route,
    decode_frame,
    encode,
)
from tieline_operator.compile import Compiled
from tieline_operator.delivery import server as module
from tieline_operator.delivery.authentication import Authenticator
from tieline_operator.delivery.keeper import Keeper
from tieline_operator.delivery.publications import Publication, Target
from tieline_operator.delivery.server import SnapshotServer
from tieline_operator.delivery.sessions import Hub
from tieline_operator.errors import Unavailable

from tests.support.api_objects import ApiObjects, FakeCluster
from tests.support.waiting import eventually

OWN = "tieline-system"
NAME = f"tieline-operator.{OWN}.svc"
TARGET = Target("gateway", "default")
START = datetime.now(UTC)
EVERYTHING = Hello()
"""Of a router that holds nothing."""
POD = "authentication.kubernetes.io/pod-name"


def review(pod: str, account: str = f"{OWN}:tieline-router") -> Mapping[str, Any]:
    return {
        "authenticated": True,
        "audiences": ["tieline-operator"],
        "user": {"username": f"system:serviceaccount:{account}", "extra": {POD: [pod]}},
    }


class Stream:
    """A served hub, and a client's way to it."""

    def __init__(self) -> None:
        self.objects = ApiObjects()
        self.cluster = FakeCluster(self.objects)
        self.now = START
        self.keeper = Keeper(self.cluster, OWN, (NAME,), lambda: self.now)
        self.hub = Hub(wanted=lambda: None, acked=lambda _: None)
        self.hub.term = ("lease-uid", 1)
        self.unready: str | None = None
        self.refused: list[int] = []
        self.noticed: list[tuple[str, Notice]] = []
        self.overtaken: list[tuple[str, int]] = []
        self.answered: list[tuple[str, str]] = []
        self.reviews: dict[str, Mapping[str, Any]] = {"good": review("r-0"), "other": review("r-1")}
        self.away = False
        self.server = SnapshotServer(
            self.hub,
            Authenticator(self._review, OWN, ("tieline-router",), lambda: 0.0),
            ready=lambda: self.unready,
            confirmed=lambda: True,
            refused=self.refused.append,
            answered=lambda kind, result: self.answered.append((kind, result)),
            overtaken=lambda pod, newer: self.overtaken.append((pod, newer.epoch)),
            noticed=lambda scope, notice: self.noticed.append((scope, notice)),
            max_routers=2,
            heartbeat_seconds=0.05,
        )
        self.counter = 0

    async def _review(self, token: str, audience: str) -> Mapping[str, Any]:
        if self.away:
            raise Unavailable("API server: gone")
        return self.reviews.get(token, {"authenticated": False})

    def publish(self, generation: int = 1, size: int = 1, target: Target = TARGET) -> None:
        publication = self.hub.publications.setdefault(target, Publication(target))
        routes = tuple(
            Route(key=f"ai/r-{index}", namespace="ai", generation=generation, models=(f"m-{index}",))
            for index in range(size)
        )
        frames = publication.update(Compiled(Config(routes=routes), {}, {}, {}), self._next, 0.0)
        self.hub.broadcast(publication, frames)

    def _next(self) -> Revision:
        self.counter += 1
        return Revision("lease-uid", 1, self.counter)

    def trust(self) -> ssl.SSLContext:
        bundle = self.objects.get("configmaps", OWN, CA_CONFIG_MAP)["data"][CA_KEY]
        return ssl.create_default_context(cadata=bundle)

    @asynccontextmanager
    async def connect(
        self, token: str | None = "good", hello: Hello | None = EVERYTHING, trust: ssl.SSLContext | None = None
    ) -> AsyncIterator[ClientWebSocketResponse]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                f"https://127.0.0.1:{self.server.port}{SNAPSHOT_PATH}",
                ssl=trust or self.trust(),
                server_hostname=NAME,
                headers=headers,
                max_msg_size=MAX_FRAME_BYTES,
            ) as socket,
        ):
            if hello is not None:
                await socket.send_bytes(encode(hello))
            yield socket


@asynccontextmanager
async def served(*, beat: bool = False, since: timedelta = timedelta()) -> AsyncIterator[Stream]:
    """`since`: how long ago its certificate was made."""
    stream = Stream()
    stream.now = START - since
    await stream.keeper.ensure()
    await stream.server.start("127.0.0.1", 0, stream.keeper.context)
    beating = asyncio.create_task(stream.server.beat()) if beat else None
    try:
        yield stream
    finally:
        if beating is not None:
            beating.cancel()
        await stream.server.stop()


async def frame_of(socket: ClientWebSocketResponse) -> Frame:
    async with asyncio.timeout(10):
        message = await socket.receive()
    assert message.type is WSMsgType.BINARY, message
    return decode_frame(message.data)


async def end_of(socket: ClientWebSocketResponse) -> tuple[int | None, str]:
    """How the server closed: code and reason."""
    async with asyncio.timeout(10):
        message = await socket.receive()
        while message.type is WSMsgType.BINARY:
            message = await socket.receive()
    return socket.close_code, str(message.extra or "")


async def config_of(socket: ClientWebSocketResponse) -> ConfigFrame:
    while not isinstance(frame := await frame_of(socket), ConfigFrame):
        pass
    return frame


async def test_a_router_gets_everything_then_changes_and_its_acknowledgements_count() -> None:
    async with served() as stream:
        stream.publish()
        async with stream.connect() as socket:
            kinds = []
            for _ in range(4):
                frame = await frame_of(socket)
                assert not isinstance(frame, Heartbeat)
                kinds.append(type(frame).__struct_config__.tag)
                await socket.send_bytes(encode(Ack(kind=str(kinds[-1]), revision=frame.revision)))
            assert kinds == ["secrets", "endpoints", "config", "overlay"]
            await eventually(lambda: stream.hub.acked(TARGET, 3), "the acknowledgement")
            stream.publish(generation=2)
            changed = await frame_of(socket)
            assert isinstance(changed, ConfigFrame)
            await socket.send_str(encode(Ack(kind="config", revision=changed.revision, error="no")).decode())
            await eventually(lambda: stream.hub.rejected(TARGET), "the refusal")
        assert ("config", "refused") in stream.answered


async def test_heartbeats_come_at_their_pace() -> None:
    async with served(beat=True) as stream, stream.connect() as socket:
        for _ in range(3):
            frame = await frame_of(socket)
            assert isinstance(frame, Heartbeat)
            assert frame.endpoints_confirmed


async def test_a_heartbeat_says_how_many_routers_share_the_pools() -> None:
    async with served(beat=True) as stream, stream.connect() as first, stream.connect("other"):
        while not (isinstance(frame := await frame_of(first), Heartbeat) and frame.routers == 2):
            pass


async def test_a_notice_is_handed_on_with_the_scope_of_the_router() -> None:
    notice = Notice(pool="ai/api", credential="main", status=401)
    async with served() as stream, stream.connect() as socket:
        await socket.send_bytes(encode(notice))
        await eventually(lambda: stream.noticed == [("gateway", notice)], "the notice")


@pytest.mark.parametrize(
    ("token", "status", "message"),
    [
        (None, 401, "Authorization: Bearer"),
        ("wrong", 401, "not accepted"),
        ("stranger", 403, "--router-service-accounts"),
        ("unbound", 403, "not bound to a pod"),
        ("elsewhere", 401, "audience"),
    ],
)
async def test_who_is_not_let_in_is_told_why(token: str | None, status: int, message: str) -> None:
    async with served() as stream:
        stream.reviews |= {
            "stranger": review("x", f"{OWN}:default"),
            "unbound": {**review("x"), "user": {"username": f"system:serviceaccount:{OWN}:tieline-router"}},
            "elsewhere": {**review("x"), "audiences": ["vault"]},
        }
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        url = f"https://127.0.0.1:{stream.server.port}{SNAPSHOT_PATH}"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, ssl=stream.trust(), server_hostname=NAME, headers=headers) as answer,
        ):
            assert answer.status == status
            error = (await answer.json())["error"]
        assert error["code"] == status
        assert message in error["message"]
        assert stream.refused == [status]
        assert len(stream.hub) == 0


@pytest.mark.parametrize("cause", ["unready", "away", "full"])
async def test_not_now_is_503_with_retry_after(cause: str) -> None:
    async with served() as stream:
        stream.reviews["third"] = review("r-2")
        stream.unready = "another operator holds the Lease" if cause == "unready" else None
        stream.away = cause == "away"
        async with AsyncExitStack() as others:
            for token in ("good", "other") if cause == "full" else ():
                await others.enter_async_context(stream.connect(token))
            if cause == "full":
                await eventually(lambda: len(stream.hub) == 2, "both routers")
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await others.enter_async_context(stream.connect("third"))
        assert caught.value.status == 503
        assert caught.value.headers is not None
        assert caught.value.headers["Retry-After"] == "2"


async def test_a_stranger_that_keeps_knocking_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as stream:
        for _ in range(5):
            with pytest.raises(aiohttp.WSServerHandshakeError):
                async with stream.connect("wrong"):
                    pass
        assert stream.refused == [401] * 5
    assert len([record for record in caplog.records if "refused" in record.message]) == 1


async def test_plain_http_to_the_path_is_answered_with_what_it_is() -> None:
    async with served() as stream:
        url = f"https://127.0.0.1:{stream.server.port}{SNAPSHOT_PATH}"
        headers = {"Authorization": "Bearer good"}
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, ssl=stream.trust(), server_hostname=NAME, headers=headers) as answer,
        ):
            assert answer.status == 426


@pytest.mark.parametrize(
    ("first", "reason"),
    [
        (b"{}", "not a router's message"),
        (b"\xff\xfe", "not a router's message"),
        (encode(Ack(kind="config", revision=Revision("x", 1, 1))), "must be Hello"),
        (encode(Hello(schemas=(99,))), "reads schema 99"),
        (encode(Hello(router_class="Not A Label")), "not a DNS label"),
        (encode(Hello(router_class="x" * 64)), "not a DNS label"),
    ],
)
async def test_a_first_message_that_is_none_ends_the_stream_with_its_reason(first: bytes, reason: str) -> None:
    async with served() as stream, stream.connect(hello=None) as socket:
        await socket.send_bytes(first)
        _, said = await end_of(socket)
        assert reason in said
        assert len(stream.hub) == 0


async def test_a_router_that_says_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HELLO_SECONDS", 0.05)
    async with served() as stream, stream.connect(hello=None) as socket:
        _, said = await end_of(socket)
        assert "no Hello" in said


async def test_a_later_message_that_is_no_acknowledgement_ends_the_stream() -> None:
    async with served() as stream, stream.connect() as socket:
        await socket.send_bytes(encode(Hello()))
        _, said = await end_of(socket)
        assert "expected Ack" in said
        await eventually(lambda: len(stream.hub) == 0, "the router's leave")


async def test_an_overlong_message_ends_the_stream_and_no_other() -> None:
    async with served() as stream, stream.connect("other") as calm, stream.connect() as socket:
        await socket.send_bytes(b"x" * (module.MAX_MESSAGE_BYTES + 1))
        code, _ = await end_of(socket)
        assert code in {1009, 1006}  # the reset that unread bytes cause may overtake the reason
        stream.publish()
        assert (await config_of(calm)).config.routes


def transport_of(socket: ClientWebSocketResponse) -> asyncio.Transport:
    connection = socket._response.connection
    assert connection is not None
    assert isinstance(connection.transport, asyncio.Transport)
    return connection.transport


async def test_a_slow_router_does_not_hold_up_another_and_gets_the_newest() -> None:
    async with served() as stream, stream.connect("other") as slow, stream.connect() as quick:
        await eventually(lambda: len(stream.hub) == 2, "both routers")
        transport_of(slow).pause_reading()
        for generation in range(1, 9):  # 36 MB, more than the kernel's buffers take
            stream.publish(generation, size=50_000)
            frame = await config_of(quick)
            assert frame.config.routes[0].generation == generation
        transport_of(slow).resume_reading()
        seen = [(await config_of(slow)).config.routes[0].generation]
        while seen[-1] != 8:
            seen.append((await config_of(slow)).config.routes[0].generation)
        assert len(seen) < 8


async def test_a_router_that_takes_nothing_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEND_SECONDS", 0.2)
    monkeypatch.setattr(module, "CLOSE_SECONDS", 0.2)
    async with served() as stream, stream.connect() as stuck:
        await eventually(lambda: len(stream.hub) == 1, "the router")
        transport_of(stuck).pause_reading()
        for generation in (1, 2, 3):  # the first ones fill the kernel's buffers, a later one has to wait
            stream.publish(generation, size=100_000)
            await eventually(lambda: not any(item._outbox for item in stream.hub.sessions()), "an empty outbox")
        await eventually(lambda: len(stream.hub) == 0, "the stuck router's end", seconds=10)
        transport_of(stuck).resume_reading()


async def test_the_same_pod_twice_keeps_the_newer_stream() -> None:
    async with served() as stream, stream.connect() as older:
        await eventually(lambda: len(stream.hub) == 1, "the first stream")
        async with stream.connect() as newer:
            _, said = await end_of(older)
            assert "connected anew" in said
            stream.publish()
            assert (await config_of(newer)).config.routes
            assert len(stream.hub) == 1


async def test_a_revoked_token_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REVIEW_SECONDS", 0.05)
    async with served() as stream:
        stream.server._authenticator._clock = iter(range(0, 10**9, 100)).__next__
        async with stream.connect() as socket:
            await eventually(lambda: len(stream.hub) == 1, "the router")
            del stream.reviews["good"]
            _, said = await end_of(socket)
            assert "not accepted" in said


async def test_stopping_says_goodbye() -> None:
    async with served() as stream, stream.connect() as socket:
        await eventually(lambda: len(stream.hub) == 1, "the router")
        stopping = asyncio.create_task(stream.server.stop())
        code, said = await end_of(socket)
        assert (code, said) == (1001, "the operator is stopping")
        await stopping


async def test_a_renewed_certificate_is_served_to_the_next_router_whose_bundle_is_of_yesterday() -> None:
    async with served(since=timedelta(days=61)) as stream:
        yesterday = stream.trust()
        async with stream.connect(trust=yesterday) as old:
            await eventually(lambda: len(stream.hub) == 1, "the first router")
            first = _serial(old)
            stream.now = START
            await stream.keeper.ensure()
            async with stream.connect("other", trust=yesterday) as new:
                assert _serial(new) != first
            stream.publish()
            assert (await config_of(old)).config.routes


def _serial(socket: ClientWebSocketResponse) -> str:
    """Serial number of the certificate that was served."""
    connection: ssl.SSLObject = socket.get_extra_info("ssl_object")
    certificate = connection.getpeercert()
    assert certificate is not None
    return str(certificate["serialNumber"])


async def test_only_a_gateway_router_can_say_that_the_operator_was_set_back() -> None:
    hello = Hello(holds={"config": Revision("lease-uid", 7, 1)})
    async with served() as stream:
        stream.reviews["sidecar"] = review("p-0", "ai:app")
        async with stream.connect("sidecar", hello):
            await eventually(lambda: len(stream.hub) == 1, "the sidecar")
            assert stream.overtaken == []
            async with stream.connect("good", hello):
                await eventually(lambda: len(stream.hub) == 2, "the gateway router")
                assert stream.overtaken == [("r-0", 7)]


async def test_one_token_cannot_hold_many_streams_open_before_hello() -> None:
    async with served() as stream, AsyncExitStack() as others:
        for _ in range(module.MAX_GREETING):
            await others.enter_async_context(stream.connect(hello=None))
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await others.enter_async_context(stream.connect(hello=None))
        assert caught.value.status == 503
        async with stream.connect("other"):
            await eventually(lambda: len(stream.hub) == 1, "another router")
