"""The router as a process: command line, start from files, signals and drain, and what it loads and logs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
from tieline_router.runtime.sealed import Seal
from tieline_router.runtime.state_file import Saved, save
from tieline_router.settings import RouterSettings

from tests.support import frames, replies
from tests.support.gateway import MESSAGES
from tests.support.openai_answers import GREETING
from tests.support.processes import ChildProcess
from tests.support.upstream import Upstream
from tests.support.waiting import eventually

SECRET = "sk-provider-secret-value"
KEY = "sk-consumer-key-value"
PROMPT = "a prompt that nobody may log"
STATE_KEY = b"0123456789abcdef"


class RouterProcess:
    """`tieline-router` on free ports; `serving` waits until it listens and reads the ports from its log."""

    def __init__(self, folder: Path, *arguments: str, **variables: str) -> None:
        command = [sys.executable, "-m", "tieline_router", "--host", "127.0.0.1", "--port", "0"]
        command += ["--admin-host", "127.0.0.1", "--admin-port", "0", *arguments]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("TIELINE_")}
        self.log = folder / "router.log"
        self.child = ChildProcess("router", command, self.log, cwd=folder, environment={**environment, **variables})
        self.url = self.admin_url = ""

    async def serving(self) -> None:
        found = await eventually(self._ports, "the router to listen")
        self.url, self.admin_url = (f"http://127.0.0.1:{port}" for port in found)

    def _ports(self) -> tuple[str, ...] | None:
        self.child.check()
        found = re.search(r"serving on 127\.0\.0\.1:(\d+), admin on 127\.0\.0\.1:(\d+)", self.log.read_text())
        return found.groups() if found else None


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    async with Upstream() as upstream:
        yield upstream


@pytest.fixture
def folder(tmp_path: Path, upstream: Upstream) -> Path:
    """A state file with a route to the upstream, its credential sealed, and a consumer."""
    pools = [frames.external_pool("b", upstream.base_url)]
    config = frames.config(pools, [frames.route("b")], [frames.consumer("team", KEY)])
    save(tmp_path / "state", Saved(config=config, secrets=frames.secrets(b_key=SECRET)), Seal(STATE_KEY))
    (tmp_path / "state-key").write_bytes(STATE_KEY)
    return tmp_path


@pytest.fixture
def started() -> Iterator[list[RouterProcess]]:
    routers: list[RouterProcess] = []
    yield routers
    for router in routers:
        router.child.stop(signal.SIGKILL)


def start(started: list[RouterProcess], folder: Path, *arguments: str) -> RouterProcess:
    files = ("--state-file", str(folder / "state"), "--state-key-file", str(folder / "state-key"))
    router = RouterProcess(folder, *files, *arguments)
    started.append(router)
    return router


async def ask(session: aiohttp.ClientSession, url: str, *, stream: bool = False) -> aiohttp.ClientResponse:
    body = {"model": frames.MODEL, "messages": [{"role": "user", "content": PROMPT}], "stream": stream}
    return await session.post(f"{url}/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {KEY}"})


def accepts(url: str) -> bool:
    """Whether anybody listens there."""
    port = int(url.rpartition(":")[2])
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_sigterm_loses_no_request(folder: Path, upstream: Upstream, started: list[RouterProcess]) -> None:
    gate = asyncio.Event()
    upstream.script(replies.ok(gate=gate))
    router = start(started, folder, "--drain-delay-seconds", "1")
    await router.serving()
    async with aiohttp.ClientSession() as session:
        response = await ask(session, router.url, stream=True)
        begun = await response.content.readuntil(b"\n\n")
        router.child.send(signal.SIGTERM)
        await eventually(lambda: "draining: 1 requests" in router.log.read_text(), "the drain to begin")
        async with session.get(router.url + "/readyz") as probe:
            assert probe.status == 503
        late = await ask(session, router.url)
        assert late.status == 200, "new requests are served while load balancers look"
        assert late.headers["Connection"] == "close", "and their clients are sent elsewhere"
        gate.set()
        rest = await response.content.read()
    assert (begun + rest).endswith(b"data: [DONE]\n\n")
    assert await asyncio.to_thread(router.child.stop, signal.SIGCONT) == 0


async def test_a_drain_has_an_end(folder: Path, upstream: Upstream, started: list[RouterProcess]) -> None:
    upstream.script(replies.hang_mid_stream())
    router = start(started, folder, "--drain-delay-seconds", "0", "--drain-seconds", "0.2")
    await router.serving()
    async with aiohttp.ClientSession() as session:
        response = await ask(session, router.url, stream=True)
        await response.content.readuntil(b"\n\n")
        assert await asyncio.to_thread(router.child.stop) == 0
    await upstream.disconnected()
    assert "1 requests are cut" in router.log.read_text()


async def test_a_second_signal_cuts(folder: Path, upstream: Upstream, started: list[RouterProcess]) -> None:
    upstream.script(replies.hang_mid_stream())
    router = start(started, folder, "--drain-delay-seconds", "0", "--drain-seconds", "60")
    await router.serving()
    async with aiohttp.ClientSession() as session:
        response = await ask(session, router.url, stream=True)
        await response.content.readuntil(b"\n\n")
        router.child.send(signal.SIGTERM)
        await eventually(lambda: not accepts(router.url), "the listener to close")
        assert response.content.exception() is None, "the request in flight goes on"
        assert await asyncio.to_thread(router.child.stop, signal.SIGINT) == 0


async def test_no_secret_key_or_prompt_stands_in_log_metrics_or_admin(
    folder: Path, upstream: Upstream, started: list[RouterProcess]
) -> None:
    echo = replies.error(400, f"bad key {SECRET} for prompt {PROMPT}", "invalid_request_error")
    upstream.script(replies.ok(), echo, replies.error(401, f"Incorrect API key: {SECRET}", "invalid_request_error"))
    router = start(started, folder, "--log-level", "debug", "--drain-delay-seconds", "0")
    await router.serving()
    seen = ""
    async with aiohttp.ClientSession() as session:
        for _ in range(3):
            await (await ask(session, router.url)).read()
        for path in ("/metrics", "/admin/snapshot", "/admin/endpoints", f"/admin/explain?model={frames.MODEL}"):
            async with session.get(router.admin_url + path) as response:
                assert response.status == 200
                seen += await response.text()
        hashed = frames.consumer("team", KEY).keys[0].sha256
    await asyncio.to_thread(router.child.stop)
    seen += router.log.read_text() + (folder / "state").read_text()
    seen = seen.replace(json.dumps(hashed), "", 1)  # the state file holds the hash, as the configuration does
    for hidden in (SECRET, KEY, PROMPT, hashed, STATE_KEY.decode()):
        assert hidden not in seen
    line = next(json.loads(text) for text in seen.splitlines() if '"message":"request"' in text)
    assert (line["outcome"], line["consumer"], line["key"]) == ("ok", "default/team", "key-0")
    assert line["completion_tokens"] == 3


async def test_a_port_that_is_taken_ends_it_with_a_reason(folder: Path, upstream: Upstream) -> None:
    router = RouterProcess(folder, "--port", str(upstream.port))
    code = await asyncio.to_thread(router.child._process.wait, 30)
    assert code == 1
    assert "choose another address with --host, --port, --admin-port" in router.log.read_text()


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["--port", "eighty"], {}, "--port (TIELINE_PORT): Input should be a valid integer"),
        ([], {"TIELINE_AUTH": "Maybe"}, "--auth (TIELINE_AUTH): Input should be 'Required' or 'Optional', not 'Maybe'"),
        ([], {"TIELINE_PORT": "tcp://10.0.0.1:80"}, "set enableServiceLinks: false"),
        (["--operator-url", "http://operator"], {}, "must begin with https://"),
        (["--state-key-file", "/key"], {}, "seals --state-file, which is not set"),
        (["--prot", "80"], {}, "unrecognized arguments: --prot 80"),
    ],
)
def test_a_wrong_setting_ends_it_with_its_name(arguments: list[str], variables: dict[str, str], words: str) -> None:
    command = [sys.executable, "-m", "tieline_router", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **variables}, check=False)
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr


def test_help_names_every_option_its_default_and_its_variable() -> None:
    command = [sys.executable, "-m", "tieline_router", "--help"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    flat = " ".join(shown.split())
    for name, setting in RouterSettings.model_fields.items():
        assert f"--{name.replace('_', '-')}" in flat
        assert f"[env: TIELINE_{name.upper()}]" in flat
        assert setting.description
    assert "(default: 8080)" in flat


def test_the_process_loads_neither_kopf_nor_kubernetes() -> None:
    program = """
import pkgutil, sys, tieline_router
for module in pkgutil.walk_packages(tieline_router.__path__, "tieline_router."):
    __import__(module.name)
found = sorted({"kopf", "kubernetes", "tieline_operator", "tieline_cli", "yaml", "rich"} & set(sys.modules))
sys.exit(f"loaded: {found}" if found else 0)
"""
    subprocess.run([sys.executable, "-c", program], check=True)


async def test_the_official_client_works_plain_and_streaming(
    folder: Path, upstream: Upstream, started: list[RouterProcess]
) -> None:
    import openai
    from openai.types.chat import ChatCompletionUserMessageParam

    router = start(started, folder)
    await router.serving()
    messages = [ChatCompletionUserMessageParam(role="user", content=MESSAGES[0]["content"])]
    async with openai.AsyncOpenAI(api_key=KEY, base_url=f"{router.url}/v1", max_retries=0) as client:
        assert [model.id async for model in client.models.list()] == [frames.MODEL]

        answer = await client.chat.completions.create(model=frames.MODEL, messages=messages)
        assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == (GREETING, "stop")
        assert answer.id.startswith("gen-")
        assert answer.model_extra is not None
        assert answer.model_extra["provider"] == "b"

        options: openai.types.chat.ChatCompletionStreamOptionsParam = {"include_usage": True}
        stream = await client.chat.completions.create(
            model=frames.MODEL, messages=messages, stream=True, stream_options=options
        )
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == GREETING
        assert chunks[-1].usage is not None

        upstream.script(replies.truncated(2))
        broken = await client.chat.completions.create(model=frames.MODEL, messages=messages, stream=True)
        with pytest.raises(openai.APIError, match="ended in the middle"):
            _ = [chunk async for chunk in broken]

        with pytest.raises(openai.NotFoundError, match="No route serves this model"):
            await client.chat.completions.create(model="nobody/knows", messages=messages)
        with pytest.raises(openai.AuthenticationError):
            await client.with_options(api_key="sk-wrong").models.list()
