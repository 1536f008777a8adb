"""The operator as a process against an API server that fails in every way: what it does, says, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import ssl
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tieline_api.names import ANNOTATION_EPOCH, CA_CONFIG_MAP, CA_KEY, LEASE, SNAPSHOT_PATH
from tieline_api.snapshot import (
    MAX_FRAME_BYTES,
    Ack,
    ConfigFrame,
    Heartbeat,
    Hello,
    SecretsFrame,
    decode_frame,
    encode,
)
from tieline_operator.resources import NAMESPACES, WATCHED

from tests.support.api_objects import ApiObjects
from tests.support.api_server import ApiServer
from tests.support.processes import ChildProcess
from tests.support.waiting import eventually
from tests.tieline_operator.manifests import consumer, external, namespace, ref, route, secret
from tests.tieline_operator.rig import OWN, RESOURCES

NAME = f"tieline-operator.{OWN}.svc"
CREDENTIAL = {"name": "main", "type": "APIKey", "apiKey": {"secretRef": {"name": "s", "key": "k"}}}
KEYED: dict[str, Any] = {"connection": {"credentials": [CREDENTIAL]}}
REVIEW = {
    "authenticated": True,
    "audiences": ["tieline-operator"],
    "user": {
        "username": f"system:serviceaccount:{OWN}:tieline-router",
        "extra": {"authentication.kubernetes.io/pod-name": ["r-0"]},
    },
}


def put(objects: ApiObjects, *bodies: Mapping[str, Any]) -> None:
    """A user writes objects."""
    for body in bodies:
        metadata = {k: v for k, v in body["metadata"].items() if k not in {"resourceVersion", "generation"}}
        objects.put(RESOURCES[body["kind"]], {**body, "metadata": metadata})


class Place:
    """An API server, a folder, and operators as processes."""

    def __init__(self, server: ApiServer, folder: Path) -> None:
        self.server = server
        self.objects = server.objects
        self.folder = folder
        self.log = folder / "operator.log"
        self.processes: list[ChildProcess] = []
        self.server.reviews["router"] = REVIEW

    def start(self, identity: str = "op-1", *options: str, level: str = "debug") -> ChildProcess:
        process = ChildProcess(
            identity,
            [
                *(sys.executable, "-m", "tieline_operator", f"--kubeconfig={self.server.kubeconfig(self.folder)}"),
                *(f"--namespace={OWN}", f"--identity={identity}", "--snapshot-host=127.0.0.1", "--snapshot-port=0"),
                *("--metrics-host=127.0.0.1", "--metrics-port=0", f"--log-level={level}", "--heartbeat-seconds=0.1"),
                *("--probe-seconds=0.2", "--lease-seconds=3", "--lease-renew-deadline-seconds=2"),
                *("--lease-retry-seconds=0.2", "--resync-seconds=600", "--expected-routers=default=1", *options),
            ],
            self.log,
            cwd=self.folder,
            environment={**os.environ, "PYTHONWARNINGS": "default"},
        )
        self.processes.append(process)
        return process

    def lines(self) -> list[dict[str, Any]]:
        found = []
        for line in self.log.read_text().splitlines():
            assert line.startswith("{"), f"not a JSON line: {line}"
            found.append(json.loads(line))
        return found

    def messages(self, part: str) -> list[str]:
        return [line["message"] for line in self.lines() if part in line["message"]]

    async def port(self, what: str, count: int = 1) -> int:
        """The port that the newest of so many processes logged."""
        lines = await eventually(
            lambda: found if len(found := self.messages(f"{what} at port ")) >= count else None, f"{what} to listen"
        )
        return int(re.findall(r"port (\d+)", lines[-1])[0])

    async def probe(self, path: str, count: int = 1) -> tuple[int, str]:
        port = await self.port("probes and metrics", count)
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return answer.status, await answer.text()

    async def ended(self, process: ChildProcess) -> int:
        def look() -> tuple[int] | None:
            return None if process.returncode is None else (process.returncode,)

        return (await eventually(look, "the process's end", 20))[0]

    def epoch(self) -> int:
        return int(self.objects.get("leases", OWN, LEASE)["metadata"]["annotations"][ANNOTATION_EPOCH])

    def programmed(self, name: str = "coder") -> str:
        status = self.objects.get("modelroutes", "ai", name).get("status") or {}
        return next((item["summary"] for item in status.get("routers", ()) if item["class"] == "default"), "")

    @asynccontextmanager
    async def router(
        self, count: int = 1, hello: Hello | None = None
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        port = await self.port("snapshot stream", count)
        bundle = self.objects.get("configmaps", OWN, CA_CONFIG_MAP)["data"][CA_KEY]
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(
                f"https://127.0.0.1:{port}{SNAPSHOT_PATH}",
                ssl=ssl.create_default_context(cadata=bundle),
                server_hostname=NAME,
                headers={"Authorization": "Bearer router"},
                max_msg_size=MAX_FRAME_BYTES,
            ) as socket,
        ):
            await socket.send_bytes(encode(hello or Hello()))
            yield socket


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with ApiServer() as server:
        made = Place(server, tmp_path)
        for name in ("ai", OWN):
            server.objects.put(NAMESPACES, namespace(name))
        put(server.objects, secret("s", {"k": "sk-very-secret"}), external(**KEYED), route(refs=[ref()]))
        put(server.objects, consumer("team", ("ci", "s", "k")))
        try:
            yield made
        finally:
            for process in made.processes:
                process.stop(signal.SIGKILL)


async def take(socket: aiohttp.ClientWebSocketResponse, until: type, *, ack: bool = True) -> Any:
    """Takes and acknowledges frames up to the next one of a type."""
    while True:
        async with asyncio.timeout(20):
            frame = decode_frame((await socket.receive()).data)
        if not isinstance(frame, Heartbeat) and ack:
            tag = str(type(frame).__struct_config__.tag)
            await socket.send_bytes(encode(Ack(kind=tag, revision=frame.revision)))
        if isinstance(frame, until):
            return frame


async def test_from_manifests_to_a_programmed_route_and_through_edits(place: Place) -> None:
    place.start()
    async with place.router() as socket:
        config = await take(socket, ConfigFrame)
        assert [item.models for item in config.config.routes] == [("coder",)]
        await eventually(lambda: place.programmed() == "1/1", "the acknowledgement in the status")
        put(place.objects, route(refs=[ref()], models=["coder", "coder-2"]))
        edited = await take(socket, ConfigFrame)
        assert edited.config.routes[0].models == ("coder", "coder-2")
        assert edited.revision.counter > config.revision.counter
        place.objects.delete("modelroutes", "ai", "coder")
        assert (await take(socket, ConfigFrame)).config.routes == ()
    assert await place.probe("/healthz") == (200, "ok\n")
    assert await place.probe("/readyz") == (200, "ok\n")
    status, metrics = await place.probe("/metrics")
    assert status == 200
    assert 'tieline_operator_objects{kind="ProviderPool"} 1.0' in metrics
    assert "sk-very-secret" not in metrics


async def test_no_secret_is_ever_logged_or_written_not_even_at_debug_level(place: Place) -> None:
    process = place.start(level="debug")
    async with place.router() as socket:
        assert (await take(socket, SecretsFrame)).values["ai/s/k"].value == "sk-very-secret"
        await take(socket, ConfigFrame)
        for version in ("sk-very-secret-2", "sk-very-secret-3"):
            put(place.objects, secret("s", {"k": version}))
            await take(socket, SecretsFrame)
        place.server.failing = 500
        await eventually(lambda: place.messages("unreachable"), "the outage")
        place.server.failing = None
        await eventually(lambda: place.messages("reachable again"), "its end")
        await eventually(lambda: place.programmed() == "1/1", "the status")
    process.send(signal.SIGTERM)
    assert await place.ended(process) == 0
    encoded = "c2stdmVyeS1zZWNyZXQ"  # base64 of the values' common beginning
    for text in (place.log.read_text(), json.dumps([write.body for write in place.objects.writes()])):
        assert "sk-very-secret" not in text
        assert encoded not in text


@pytest.mark.parametrize("outage", ["closed", "503", "403"])
async def test_an_outage_is_two_lines_and_what_changed_meanwhile_arrives_at_once(place: Place, outage: str) -> None:
    place.start(level="info")
    async with place.router() as socket:
        await take(socket, ConfigFrame)
        begun = len(place.lines())
        if outage == "closed":
            await place.server.close()
        else:
            place.server.failing = int(outage)
        async with asyncio.timeout(20):
            while decode_frame((await socket.receive()).data) != _beat(confirmed=False):
                pass
        put(place.objects, route("new", models=["new"], refs=[ref()]))
        place.objects.delete("modelroutes", "ai", "coder", tell=False)
        place.server.forget_history()
        place.server.failing = None
        if outage == "closed":
            await place.server.open()
        async with asyncio.timeout(5):
            while [item.models for item in (await take(socket, ConfigFrame)).config.routes] != [("new",)]:
                pass
        await eventually(lambda: place.programmed("new") == "1/1", "the status after the outage")
        put(place.objects, route("newer", models=["newer"], refs=[ref()]))  # kopf's watches are back too
        assert len((await take(socket, ConfigFrame)).config.routes) == 2
    said = [line["message"] for line in place.lines()[begun:] if line["level"] != "info"]
    if outage == "closed":
        assert len(said) == 1, said
    if outage == "503":  # told once two probes have failed, which a short one may not live to see
        assert len(said) <= 1, said
    assert len(said) == len(set(said)), said
    assert place.processes[0].returncode is None


def _beat(*, confirmed: bool) -> Heartbeat:
    return Heartbeat(schema=1, endpoints_confirmed=confirmed)


async def test_a_relist_after_410_drops_what_vanished(place: Place) -> None:
    place.start("op-1", "--resync-seconds=1")
    async with place.router() as socket:
        await take(socket, ConfigFrame)
        place.objects.delete("modelroutes", "ai", "coder", tell=False)
        place.server.forget_history()
        assert (await take(socket, ConfigFrame)).config.routes == ()


async def test_killed_and_restarted_it_goes_on_in_the_next_epoch_and_writes_no_status(place: Place) -> None:
    first = place.start()
    async with place.router() as socket:
        before = await take(socket, ConfigFrame)
        await eventually(lambda: place.programmed() == "1/1", "the status")
    first.send(signal.SIGKILL)
    await place.ended(first)
    writes = len(place.objects.writes("modelroutes"))
    place.start()
    hello = Hello(holds={"config": before.revision}, config_hash=before.content_hash)
    async with place.router(2, hello) as socket:
        secrets = await take(socket, SecretsFrame)
        assert secrets.revision.newer_than(before.revision)
        await take(socket, Heartbeat)
        put(place.objects, route("new", models=["new"], refs=[ref()]))
        after = await take(socket, ConfigFrame)
        await eventually(lambda: place.programmed("new") == "1/1", "the new route's status")
    assert after.revision.newer_than(before.revision)
    assert after.revision.installation == before.revision.installation
    assert place.epoch() == 2
    assert [write.name for write in place.objects.writes("modelroutes")[writes:] if write.name == "coder"] == []


async def test_a_second_operator_waits_unready_and_takes_over(place: Place) -> None:
    first = place.start("op-1")
    async with place.router() as socket:
        await take(socket, ConfigFrame)
    place.start("op-2")
    assert await eventually(lambda: place.messages("op-1 holds the Lease"), "the second to wait")
    status, text = await place.probe("/readyz", 2)
    assert (status, text) == (503, "another operator holds the Lease\n")
    assert (await place.probe("/healthz", 2))[0] == 200
    first.send(signal.SIGTERM)
    assert await place.ended(first) == 0
    async with place.router(2) as socket:
        assert (await take(socket, ConfigFrame)).revision.epoch == 2


async def test_who_loses_the_lease_ends_with_a_line(place: Place) -> None:
    process = place.start()
    await place.port("snapshot stream")
    lease = place.objects.get("leases", OWN, LEASE)
    lease["spec"]["holderIdentity"] = "thief"
    place.objects.replace("leases", lease)
    assert await place.ended(process) == 1
    assert "thief took the Lease" in place.lines()[-1]["message"]


async def test_the_end_of_kopfs_thread_ends_the_process_with_a_line(place: Place) -> None:
    process = place.start(level="info")
    await place.port("snapshot stream")
    place.server.watch_error = 500
    place.server.cut()
    assert await place.ended(process) == 1
    assert "kopf's thread ended: WatchingError" in place.lines()[-1]["message"]


async def test_missing_kinds_and_rights_are_named_until_they_are_there(place: Place) -> None:
    place.server.missing = {"modelroutes", "providerpools", "consumers"}
    place.server.forbidden = {("list", "endpointslices")}
    place.start()
    await eventually(lambda: place.messages("kubectl apply -f crds/"), "the line about the CRDs")
    await eventually(lambda: place.messages('cannot list resource "endpointslices"'), "the line about the right")
    assert (await place.probe("/readyz"))[0] == 503
    assert (await place.probe("/healthz"))[0] == 200
    place.server.missing, place.server.forbidden = set(), set()
    async with place.router() as socket:
        assert (await take(socket, ConfigFrame)).config.routes


async def test_some_namespaces_are_served_without_rights_on_the_cluster(place: Place) -> None:
    put(place.objects, external(meta={"namespace": "web"}), route("other", refs=[ref()], meta={"namespace": "web"}))
    place.start("op-1", "--watch-namespaces=ai")
    async with place.router() as socket:
        config = await take(socket, ConfigFrame)
        assert [item.key for item in config.config.routes] == ["ai/coder"]
        put(place.objects, route("more", models=["more"], refs=[ref()]))
        assert len((await take(socket, ConfigFrame)).config.routes) == 2
    clusterwide = {
        request[1] for request in place.server.requests if request[0] in {"list", "watch"} and not request[2]
    }
    assert clusterwide == set()
    assert len(WATCHED) == 7


async def test_a_taken_port_ends_the_process_with_a_line(place: Place) -> None:
    process = place.start("op-1", f"--metrics-port={place.server.port}")
    assert await place.ended(process) == 1
    assert "address already in use" in place.lines()[-1]["message"]


async def test_wrong_options_end_with_two(place: Place) -> None:
    process = place.start("op-1", "--workers=many")
    assert await place.ended(process) == 2
    assert "--workers (TIELINE_WORKERS)" in place.log.read_text()
