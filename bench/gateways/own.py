"""Tieline under test: the real `tieline-router`, keys required, fed by a last-known-good file as after a restart.

The configuration is what an operator would have sent: routes, pools with prices, limits and a spare, consumers with
hashed keys, addresses, and secrets sealed with the state key. Writes files; starts nothing.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from tieline_api.commandline import tieline_version
from tieline_api.snapshot import (
    SCHEMA,
    Backend,
    Config,
    ConfigFrame,
    Consumer,
    ConsumerKey,
    Credential,
    Endpoint,
    EndpointsFrame,
    Limits,
    Model,
    Pool,
    PoolEndpoints,
    Prices,
    Pricing,
    Protocol,
    Revision,
    Route,
    SecretRef,
    SecretsFrame,
    SecretValue,
    Tls,
    content_hash,
)
from tieline_router.runtime import state_file

KEY = "sk-bench-0"
TLS_MODEL = "bench-tls"
NAMESPACE = "bench"
ROUTES = 100
KEYS = 1000
APIS = ("ChatCompletions", "Responses", "Messages")
PROTOCOLS = (Protocol(type="OpenAI", path="/v1"), Protocol(type="Anthropic", path="/v1"))


class Files(NamedTuple):
    """What the router reads, and where its log goes (standard error)."""

    state: Path
    key: Path


def version() -> str:
    return tieline_version()


def source_roots(checkout: Path) -> dict[str, str]:
    """Environment that makes Python take Tieline from a checkout, also where another one is installed."""
    return {"PYTHONPATH": os.pathsep.join(str(checkout / root) for root in ("router", "crds"))}


def command(files: Files, port: int, admin_port: int) -> tuple[str | Path, ...]:
    """Production's defaults but for the addresses; the log goes where the container's would."""
    return (
        *(sys.executable, "-m", "tieline_router", "--host", "127.0.0.1", "--port", str(port)),
        *("--admin-host", "127.0.0.1", "--admin-port", str(admin_port), "--auth", "Required"),
        *("--state-file", files.state, "--state-key-file", files.key),
        # Nobody confirms addresses here, and without confirmation they would be given up after a minute.
        *("--endpoints-confirm-seconds", "86400"),
    )


def write(folder: Path, mock: int, tls_mock: int, tls_certificate: Path) -> Files:
    """The router's files in `folder`."""
    files = Files(folder / "state.jsonl", folder / "state.key")
    files.key.write_text("a key of the benchmark, thrown away")
    content = Config(pools=tuple(_pools(mock, tls_mock)), routes=tuple(_routes()), consumers=tuple(_consumers()))
    revision = Revision("00000000-0000-4000-8000-00000000be0c", 1, 1)
    config = ConfigFrame(
        schema=SCHEMA,
        revision=revision,
        scope="gateway",
        router_class="default",
        content_hash=content_hash(content),
        config=content,
    )
    addresses = {f"{NAMESPACE}/own": PoolEndpoints(endpoints=(Endpoint(address=f"127.0.0.1:{mock}"),))}
    endpoints = EndpointsFrame(schema=SCHEMA, revision=revision, pools=addresses)
    values = {
        "bought-key": SecretValue(version="1", value="sk-mock"),
        "ca": SecretValue(version="1", value=tls_certificate.read_text()),
    }
    secrets = SecretsFrame(schema=SCHEMA, revision=revision, values=values)
    saved = state_file.Saved(config=config, endpoints=endpoints, secrets=secrets)
    state_file.save(files.state, saved, state_file.read_seal(files.key))
    return files


def _model(name: str, price: str) -> Model:
    pricing = Pricing(base=Prices(prompt=Decimal(price), completion=Decimal(price)))
    return Model(name=name, upstream_name=name, apis=APIS, pricing=pricing, context_length=131072)


def _pools(mock: int, tls_mock: int) -> Iterator[Pool]:
    """One of our own that answers, one bought that would step in, one bought behind TLS."""
    limits = Limits(concurrency=10_000, queue_depth=1000, queue_seconds=1.0)
    yield Pool(
        key=f"{NAMESPACE}/bought",
        slug="bought",
        display_name="bought",
        type="External",
        base_url=f"http://127.0.0.1:{mock}",
        allow_private=True,
        protocols=PROTOCOLS,
        credentials=(_credential(),),
        limits=limits,
        models=(_model("bench", "2"),),
    )
    yield Pool(
        key=f"{NAMESPACE}/bought-tls",
        slug="bought-tls",
        display_name="bought behind TLS",
        type="External",
        base_url=f"https://127.0.0.1:{tls_mock}",
        allow_private=True,
        protocols=PROTOCOLS,
        credentials=(_credential(),),
        tls=Tls(ca=SecretRef(id="ca", version="1")),
        limits=limits,
        models=(_model(TLS_MODEL, "2"),),
    )
    yield Pool(
        key=f"{NAMESPACE}/own",
        slug="own",
        display_name="own",
        type="SelfHosted",
        allow_loopback=True,
        protocols=PROTOCOLS,
        limits=limits,
        models=(_model("bench", "1"),),
    )


def _credential() -> Credential:
    return Credential(name="main", secret=SecretRef(id="bought-key", version="1"))


def _routes() -> Iterator[Route]:
    own, bought = Backend(pool=f"{NAMESPACE}/own"), Backend(pool=f"{NAMESPACE}/bought", priority=1)
    yield Route(key=f"{NAMESPACE}/bench", namespace=NAMESPACE, models=("bench",), backends=(own, bought))
    tls = Backend(pool=f"{NAMESPACE}/bought-tls")
    yield Route(key=f"{NAMESPACE}/bench-tls", namespace=NAMESPACE, models=(TLS_MODEL,), backends=(tls,))
    for number in range(ROUTES):
        name = f"other-{number:03}"
        alias = (Backend(pool=f"{NAMESPACE}/own", model="bench"),)
        yield Route(key=f"{NAMESPACE}/{name}", namespace=NAMESPACE, models=(name,), backends=alias)


def _consumers() -> Iterator[Consumer]:
    for number in range(KEYS):
        sha256 = hashlib.sha256(f"sk-bench-{number}".encode()).hexdigest()
        keys = (ConsumerKey(name="main", sha256=sha256),)
        yield Consumer(key=f"{NAMESPACE}/consumer-{number:04}", namespace=NAMESPACE, keys=keys)
