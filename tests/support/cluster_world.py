"""What one namespace of the cluster floor holds: manifests of all kinds, model servers, questions and conditions.

The functions make objects as users write them; a `Tenant` applies them by kubectl, asks routers with its own key and
waits for what the operator says in status. It judges nothing. Synchronous, for the main thread of a test.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import urllib3
from tieline_api.names import API_VERSION, CONSUMER, LABEL_USE, MODEL_ROUTE, PROVIDER_POOL, USE_CREDENTIALS

from tests.support import model_servers, service_names
from tests.support.api_client import Object
from tests.support.installation import Installation
from tests.support.kubectl import Kubectl
from tests.support.pods import PodProcess, PodSet
from tests.support.processes import ChildProcess
from tests.support.waiting import wait_until

MODEL = "acme/small"
"""The canonical name of the model that every pool here offers unless it says otherwise."""
NAME = "small"
"""The name that clients send, and that of the route."""
PATIENCE = 60.0
"""Seconds that are waited for what takes well below one on an idle machine."""
PERMISSIVE: Mapping[str, Any] = {"operator": {"settings": {"allowInsecure": True, "allowPrivate": True}}}
"""The chart's values under which a bought API may be a scripted one: plain http, at an address of the cluster."""

_http = urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=30))


# -- manifests ---------------------------------------------------------------------------------------------------------


def manifest(kind: str, name: str, spec: Mapping[str, Any]) -> Object:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}


def offer(model: str = MODEL, price: str = "0.10", **more: Any) -> Object:
    """One entry of a pool's `models`, at one price for prompt and completion."""
    return {"name": model, "pricing": {"base": {"prompt": price, "completion": price}}, **more}


def own_pool(name: str = "own", *, service: str | None = None, models: Sequence[Object] = (), **spec: Any) -> Object:
    """A SelfHosted pool behind port 8000 of a Service, which by default has the pool's name."""
    hosted = {"engine": "OpenAICompatible", "serviceRef": {"name": service or name, "port": model_servers.PORT}}
    return manifest(
        PROVIDER_POOL, name, {"type": "SelfHosted", "selfHosted": hosted, "models": list(models) or [offer()], **spec}
    )


def bought_pool(
    name: str = "bought", *, url: str, secret: str = "bought-key", models: Sequence[Object] = (), **spec: Any
) -> Object:
    """An External pool over plain http with the key `apiKey` of a Secret; wants an operator that is `PERMISSIVE`."""
    reference = {"name": secret, "key": "apiKey"}
    connection = {
        "credentials": [{"name": "main", "type": "APIKey", "apiKey": {"secretRef": reference}}],
        "allowInsecure": True,
        "allowPrivate": True,
    }
    whole = {"type": "External", "external": {"baseURL": url}, "connection": connection}
    return manifest(PROVIDER_POOL, name, {**whole, "models": list(models) or [offer()], **spec})


def route(*pools: str, name: str = NAME, models: Sequence[str] = (), **spec: Any) -> Object:
    """A route to pools in this order of priority."""
    backends = [{"name": pool, "model": MODEL, "priority": index} for index, pool in enumerate(pools)]
    return manifest(MODEL_ROUTE, name, {"models": list(models) or [name], "backendRefs": backends, **spec})


def consumer(name: str = "team", *, secret: str = "team-keys", key: str = "main", **spec: Any) -> Object:
    reference = {"name": secret, "key": key}
    return manifest(CONSUMER, name, {"keys": [{"name": "main", "secretRef": reference}], **spec})


def secret(name: str, *, labelled: bool = True, **values: str) -> Object:
    labels = {"labels": {LABEL_USE: USE_CREDENTIALS}} if labelled else {}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, **labels}, "stringData": values}


# -- a namespace -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """A plain answer of a router's API."""

    status: int
    json: Any

    @property
    def text(self) -> str:
        """The content; of the scripted server it names the pod."""
        return str(self.json["choices"][0]["message"]["content"])

    @property
    def error(self) -> Any:
        return self.json["error"]


class Tenant:
    """One namespace, its key, and its model servers; `close` ends what it started."""

    def __init__(self, installation: Installation, kubectl: Kubectl, namespace: str, folder: Path) -> None:
        self.installation = installation
        self.kubectl = kubectl
        self.namespace = namespace
        self.key = f"sk-{namespace}"
        self._folder = folder
        self._servers: dict[str, PodSet] = {}
        self._stand_ins: list[ChildProcess] = []

    def close(self) -> None:
        for server in self._stand_ins:
            server.stop()
        for servers in self._servers.values():
            servers.stop()

    # -- what users do -------------------------------------------------------------------------------------------------

    def apply(self, *objects: Object) -> None:
        self.kubectl.apply(*objects)

    def apply_consumer(self) -> None:
        """A Consumer and the Secret with this namespace's key; every router knows it then."""
        self.apply(secret("team-keys", main=self.key), consumer())
        wanted = f"{self.namespace}/team"
        for router in self.installation.routers:
            wait_until(partial(_knows_consumer, router, wanted), f"{router.name} to know consumer {wanted}", PATIENCE)

    def serve(self, name: str = "own", *options: str, replicas: int = 1) -> PodSet:
        """Scripted model servers behind a Service of that name; each answers with the name of its pod."""
        self.apply(*model_servers.deployment(name, [*model_servers.UPSTREAM, *options], replicas=replicas))
        servers = model_servers.pod_set(self.installation.plane, self.namespace, name, self._folder)
        self._servers[name] = servers
        return self.follow(servers, replicas)

    def follow(self, servers: PodSet, replicas: int) -> PodSet:
        """Wait until the Deployment has so many pods, and start and stop processes accordingly."""
        wait_until(lambda: len(servers.pods()) == replicas, f"{replicas} pods of {servers.selector}", PATIENCE)
        servers.sync()
        return servers

    def stand_in_for(self, service: str) -> None:
        """Let a Service's name resolve, for processes started from now on, and one more server answer at its address,
        since there is neither cluster DNS nor kube-proxy here; it answers with `service-NAME`.

        Raises `Unavailable` where mounts are not permitted.
        """
        address = self.get("service", service)["spec"]["clusterIP"]
        service_names.add(f"{service}.{self.namespace}.svc", address)
        where = ["--host", address, "--port", str(model_servers.PORT), "--name", f"service-{service}"]
        command = [sys.executable, "-m", "tests.support.upstream", *where]
        log = self._folder / f"service-{service}.log"
        root = model_servers.ROOT
        self._stand_ins.append(ChildProcess(f"service-{service}", command, log, cwd=root, environment=os.environ))
        wait_until(lambda: "listening" in self._stand_ins[-1].tail(), f"a server at {address}", PATIENCE)

    # -- what the operator says ----------------------------------------------------------------------------------------

    def get(self, kind: str, name: str) -> Object:
        found: Object = self.kubectl.json("get", kind, name)
        return found

    def condition(self, kind: str, name: str, type_: str) -> Object | None:
        """The condition, if it speaks of the newest generation."""
        found = self.get(kind, name)
        for condition in found.get("status", {}).get("conditions", ()):
            if condition["type"] == type_ and condition.get("observedGeneration") == found["metadata"]["generation"]:
                return dict(condition)
        return None

    def wait_condition(
        self, kind: str, name: str, type_: str, status: str = "True", reason: str | None = None
    ) -> Object:
        """The condition, once it has this status (and reason) for the newest generation."""
        seen: list[Object | None] = [None]

        def look() -> Object | None:
            seen[0] = found = self.condition(kind, name, type_)
            wanted = found is not None and found["status"] == status and reason in {None, found["reason"]}
            return found if wanted else None

        try:
            return wait_until(look, f"{kind} {name} to be {type_}={status} {reason or ''}", PATIENCE)
        except TimeoutError as error:
            raise TimeoutError(f"{error}; it was {seen[0]}") from None

    def wait_ready(self, *names: str) -> None:
        """Wait until routes are Ready, which means that every router has their newest generation in force, and until
        every router knows where the servers are, which no condition tells."""
        for name in names or (NAME,):
            self.wait_condition(MODEL_ROUTE, name, "Ready")
        self.wait_addresses()

    def wait_addresses(self) -> None:
        """Wait until every router that runs asks this namespace's servers where they are, by confirmed addresses."""
        wanted = self._addresses()
        for router in self.installation.routers:
            if router.running:
                what = f"{router.name} to know the servers {sorted(wanted)}"
                wait_until(partial(_knows_addresses, router, wanted), what, PATIENCE)

    def _addresses(self) -> set[tuple[str, str]]:
        servers = {
            name: {f"{process.address}:{model_servers.PORT}" for process in found.processes}
            for name, found in self._servers.items()
        }
        pools = self.kubectl.json("get", PROVIDER_POOL)["items"]
        services = {
            pool["metadata"]["name"]: pool["spec"].get("selfHosted", {}).get("serviceRef", {}).get("name")
            for pool in pools
        }
        return {
            (f"{self.namespace}/{pool}", address)
            for pool, service in services.items()
            for address in servers.get(service, ())
        }

    # -- what applications do ------------------------------------------------------------------------------------------

    def ask(self, router: PodProcess, model: str = NAME) -> Answer:
        """A plain chat completion with this namespace's key."""
        body = {"model": model, "messages": [{"role": "user", "content": "Say hello."}]}
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        answer = _http.request(
            "POST", f"{router.url('http')}/v1/chat/completions", body=json.dumps(body).encode(), headers=headers
        )
        return Answer(answer.status, json.loads(answer.data))

    def answered_by(self, router: PodProcess, server: str, model: str = NAME) -> bool:
        """Whether a router answers, from a server whose name begins so."""
        answer = self.ask(router, model)
        return answer.status == 200 and f"from {server}" in answer.text

    def wait_answer(self, router: PodProcess, status: int, model: str = NAME) -> Answer:
        """The first answer of that status: for what follows a change that no status reports."""
        seen: list[Answer] = []

        def look() -> Answer | None:
            seen[:] = [self.ask(router, model)]
            return seen[0] if seen[0].status == status else None

        try:
            return wait_until(look, f"{router.name} to answer {status} for {model}", PATIENCE)
        except TimeoutError as error:
            raise TimeoutError(f"{error}: {seen[0]}") from None


def admin_get(router: PodProcess, path: str) -> Any:
    """A JSON answer of a router's admin port."""
    answer = _http.request("GET", router.url("admin") + path)
    return json.loads(answer.data)


def _knows_addresses(router: PodProcess, wanted: set[tuple[str, str]]) -> bool:
    """Whether a router would ask pools (`namespace/name`) at these addresses now, as far as its routes use them."""
    used = {pool["key"] for pool in admin_get(router, "/admin/snapshot")["config"].get("pools", ())}
    found = admin_get(router, "/admin/endpoints")["endpoints"]
    ready = {(endpoint["pool"], endpoint["address"]) for endpoint in found if endpoint["ready"]}
    return {(pool, address) for pool, address in wanted if pool in used} <= ready


def _knows_consumer(router: PodProcess, key: str) -> bool:
    config = admin_get(router, "/admin/snapshot").get("config", {})
    return any(found["key"] == key and found.get("keys") for found in config.get("consumers", ()))
