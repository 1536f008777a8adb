"""The stage of the comparison: mocks, gateways as child processes on their core, and what each of them serves.

A gateway that cannot be installed, does not start or does not answer an API is n/a with the reason, never an error.
Used by `run`, from the main thread (children die with it).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench.gateways import process
from bench.gateways.environments import NotInstallable
from bench.gateways.gateways import GATEWAYS, Gateway, Place, process_environment
from bench.gateways.turn import Clients, Target
from bench.gateways.workloads import APIS, PATHS, Api
from tests.support.processes import ChildProcess, ProcessDied, free_ports

START_SECONDS = 120
PROBE_SECONDS = 20
POLL_SECONDS = 0.1


@dataclass
class Running:
    """A gateway on its core; `served` says per API None, or why not."""

    gateway: Gateway
    child: ChildProcess
    served: dict[Api, str | None] = field(default_factory=dict)

    @property
    def target(self) -> Target:
        return Target(self.gateway.port, self.child.pid, self.gateway.key, self.gateway.models)


class NotServing(Exception):
    """A gateway that did not come up; the message says why, in one line."""


class Stage:
    """Mocks and gateways of one comparison. `folder` is thrown away afterwards."""

    def __init__(self, folder: Path, program: Path, console: Console, checkout: Path) -> None:
        self.gateway_core, self.load_core = process.cores()
        self.clients = Clients(program, self.load_core, folder / "clients.log")
        self.mock = Target(0)
        self._folder = folder
        self._program = program
        self._console = console
        self._checkout = checkout
        self._tls_port = 0

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """With both mocks."""
        certificate = self._folder / "mock.pem"
        with (
            self.clients.started(["mock"]) as plain,
            self.clients.started(["mock", "-tls", str(certificate)]) as tls,
        ):
            self.mock = Target(plain.hear()["port"], plain.pid)
            self._tls_port = tls.hear()["port"]
            yield

    def prepare(self, name: str) -> Gateway:
        """Install and configure.

        Raises:
            NotServing: it cannot be had here.
        """
        folder = self._folder / name
        folder.mkdir(exist_ok=True)
        port, spare = free_ports(2)
        certificate = self._folder / "mock.pem"
        place = Place(folder, port, spare, self.mock.port, self._tls_port, certificate, self._console, self._checkout)
        try:
            return GATEWAYS[name](place)
        except NotInstallable as error:
            raise NotServing(str(error)) from None

    @contextlib.contextmanager
    def running(self, gateway: Gateway) -> Iterator[Running]:
        """Start and probe; stopped at the end.

        Raises:
            NotServing: it did not answer one request of one API.
        """
        log = self._folder / f"{gateway.name}.log"
        with process.pinned(self.gateway_core):
            environment = process_environment(gateway)
            child = ChildProcess(gateway.name, gateway.command, log, cwd=self._folder, environment=environment)
        try:
            found = Running(gateway, child)
            self._wait(found)
            found.served = {api: probe(gateway, api) for api in APIS}
            yield found
        finally:
            process.resume(child.pid)
            child.stop(signal.SIGKILL)

    def _wait(self, found: Running) -> None:
        """Until it answers a chat completion."""
        deadline = time.monotonic() + START_SECONDS
        reason: str | None = "no answer"
        while time.monotonic() < deadline:
            try:
                found.child.check()
            except ProcessDied as error:
                raise NotServing(f"did not start: {' '.join(str(error).split())[-300:]}") from None
            reason = probe(found.gateway, "chat")
            if reason is None:
                return
            time.sleep(POLL_SECONDS)
        raise NotServing(f"no answer to a chat completion within {START_SECONDS} s: {reason}")


def body_of(api: Api, model: str) -> dict[str, object]:
    prompt = "Say hello."
    if api == "responses":
        return {"model": model, "input": prompt, "store": False}
    body: dict[str, object] = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    return body | {"max_tokens": 16} if api == "messages" else body


def probe(gateway: Gateway, api: Api) -> str | None:
    """One plain request; None when it was answered by the mock, else the reason why not."""
    headers = {"Content-Type": "application/json", "anthropic-version": "2023-06-01"}
    if gateway.key:
        headers["Authorization"] = f"Bearer {gateway.key}"
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PROBE_SECONDS)
    try:
        connection.request("POST", PATHS[api], json.dumps(body_of(api, gateway.model(api))), headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    if answer.status == 200 and "t=" in text:
        return None
    return f"answers {answer.status}: {' '.join(text.split())[:120]}"
