"""`tieline dev` as users run it: a process, a folder, real HTTP, edits that take effect or are refused."""

import json
import os
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.support import replies
from tests.support.processes import ChildProcess
from tests.support.upstream import Upstream
from tests.support.waiting import eventually

ROOT = Path(__file__).parents[2]
POOL = """\
apiVersion: tieline.dev/v1alpha1
kind: ProviderPool
metadata: {{name: own}}
spec:
  type: SelfHosted
  selfHosted: {{engine: OpenAICompatible, addresses: ["{address}"]}}
  models: [{{name: a/model}}]
"""
ROUTE = """\
apiVersion: tieline.dev/v1alpha1
kind: ModelRoute
metadata: {{name: {name}}}
spec:
  models: [{model}]
  backendRefs: [{{name: own, model: a/model}}]
"""
CONSUMER = """\
apiVersion: tieline.dev/v1alpha1
kind: Consumer
metadata: {name: team}
spec: {keys: [{name: a, secretRef: {name: keys, key: a}}]}
---
apiVersion: v1
kind: Secret
metadata: {name: keys, labels: {tieline.dev/use: credentials}}
stringData: {a: "${TEAM_KEY}"}
"""


@dataclass
class Dev:
    process: ChildProcess
    folder: Path
    api: str
    admin: str

    async def models(self, key: str | None = None) -> tuple[int, list[str]]:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"{self.api}/v1/models", headers=headers) as response,
        ):
            body: dict[str, Any] = await response.json()
        return response.status, [model["id"] for model in body.get("data", [])]

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.process.tail(1000).splitlines() if line.startswith('{"event"')]

    async def event(self, name: str, after: int) -> dict[str, Any]:
        """The first event of this name behind the first `after` events."""

        def look() -> dict[str, Any] | None:
            self.process.check()
            return next((event for event in self.events()[after:] if event["event"] == name), None)

        return await eventually(look, f"an event {name}")


async def start(folder: Path, log: Path, *options: str, **variables: str) -> Dev:
    command = [sys.executable, "-m", "tieline_cli", "dev", str(folder), "--port", "0", "--admin-port", "0"]
    command += ["--output", "json", *options]
    process = ChildProcess("dev", command, log, cwd=ROOT, environment={**os.environ, **variables})
    dev = Dev(process, folder, "", "")
    serving = await dev.event("serving", 0)
    dev.api, dev.admin = serving["api"], serving["admin"]
    return dev


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream(default=replies.ok("hello")) as server:
        yield server


@pytest.fixture
def folder(tmp_path: Path, upstream: Upstream) -> Path:
    path = tmp_path / "manifests"
    path.mkdir()
    (path / "pool.yaml").write_text(POOL.format(address=upstream.address))
    (path / "route.yaml").write_text(ROUTE.format(name="one", model="one"))
    return path


@pytest.fixture
async def dev(folder: Path, tmp_path: Path) -> AsyncIterator[Dev]:
    running = await start(folder, tmp_path / "dev.log")
    yield running
    assert running.process.stop() == 0, running.process.tail()


async def test_a_question_is_answered(dev: Dev) -> None:
    body = {"model": "one", "messages": [{"role": "user", "content": "hi"}]}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{dev.api}/v1/chat/completions", json=body) as response,
    ):
        answer = await response.json()
    assert response.status == 200, answer
    assert answer["choices"][0]["message"]["content"] == "hello"


async def test_an_edit_takes_effect_and_a_wrong_one_keeps_what_is_in_force(dev: Dev) -> None:
    (dev.folder / "two.yaml").write_text(ROUTE.format(name="two", model="two"))
    await dev.event("reloaded", 1)
    assert await dev.models() == (200, ["one", "two"])

    told = len(dev.events())
    (dev.folder / "two.yaml").write_text("models: [")
    kept = await dev.event("kept", told)
    assert "1 error" in kept["message"]
    assert "two.yaml" in dev.process.tail(100)
    assert await dev.models() == (200, ["one", "two"])

    told = len(dev.events())
    (dev.folder / "two.yaml").unlink()
    await dev.event("reloaded", told)
    assert await dev.models() == (200, ["one"])


async def test_a_broken_file_at_the_start_does_not_stop_the_good_ones(folder: Path, tmp_path: Path) -> None:
    (folder / "broken.yaml").write_text("a: [")
    dev = await start(folder, tmp_path / "dev.log")
    try:
        assert await dev.models() == (200, ["one"])
        assert "broken.yaml" in dev.process.tail(100)

        (folder / "two.yaml").write_text(ROUTE.format(name="two", model="two"))
        assert "left out: 1 error" in (await dev.event("reloaded", 1))["message"]
        assert await dev.models() == (200, ["one", "two"])

        told = len(dev.events())
        (folder / "broken.yaml").write_text(ROUTE.format(name="three", model="three").replace("own", "nowhere"))
        assert "PoolNotFound" in (await dev.event("kept", told))["message"]
        assert await dev.models() == (200, ["one", "two"])
    finally:
        dev.process.stop()


async def test_a_secret_of_another_shape_does_not_end_the_process(dev: Dev) -> None:
    (dev.folder / "secret.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: äöü}\n")
    assert "base64" in (await dev.event("kept", 1))["message"]
    assert await dev.models() == (200, ["one"])


async def test_beyond_loopback_every_caller_needs_a_key(folder: Path, tmp_path: Path) -> None:
    (folder / "team.yaml").write_text(CONSUMER)
    dev = await start(folder, tmp_path / "dev.log", "--host", "0.0.0.0", TEAM_KEY="tl-of-the-team")
    try:
        assert (await dev.models())[0] == 401
        assert await dev.models("tl-of-the-team") == (200, ["one"])
        assert "tl-of-the-team" not in dev.process.tail(1000)
    finally:
        dev.process.stop()


async def test_a_port_in_use_is_told_with_the_remedy(folder: Path, upstream: Upstream, tmp_path: Path) -> None:
    port = upstream.address.rpartition(":")[2]
    command = [sys.executable, "-m", "tieline_cli", "dev", str(folder), "--port", port, "--admin-port", "0"]
    process = ChildProcess("dev", command, tmp_path / "dev.log", cwd=ROOT, environment=os.environ)
    await eventually(lambda: process.returncode is not None, "tieline dev to end")
    assert process.stop() == 1
    assert "choose others with --port" in process.tail()


async def test_the_admin_api_explains_and_counts(dev: Dev) -> None:
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{dev.admin}/admin/explain", params={"model": "one"}) as response:
            assert (await response.json())["attempts"][0]["pool"] == "default/own"
        async with session.get(f"{dev.admin}/metrics") as response:
            assert "tieline_router_snapshot_counter" in await response.text()
