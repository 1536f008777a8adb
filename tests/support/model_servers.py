"""Model servers in the test's cluster: a Deployment and its Service, whose pods run as processes at their addresses.

Apply what `deployment` gives, make a `pod_set`, and `sync` it: first of all, and whenever the Deployment was scaled.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.support.api_client import Object
from tests.support.control_plane import ControlPlane
from tests.support.pods import PodSet

ROOT = Path(__file__).parents[2]
PORT = 8000

WHERE = ("--host", "$(POD_IP)", "--port", str(PORT))

UPSTREAM = ("python", "-m", "tests.support.upstream", *WHERE, "--name", "$(POD_NAME)")
"""The scripted OpenAI server, which calls itself by its pod's name; more of its options may follow."""

LLAMA = ("python", "-m", "tests.support.llama_server", *WHERE)
"""llama.cpp with a small real model; more of its options may follow."""


def deployment(name: str, command: Sequence[str], *, replicas: int = 1) -> tuple[Object, Object]:
    """A Deployment of that command and a Service of the same name with port `http` (8000)."""
    labels = {"app": name}
    fields = {"POD_NAME": "metadata.name", "POD_IP": "status.podIP"}
    container = {
        "name": "server",
        "image": "model-server",
        "command": list(command),
        "env": [{"name": key, "valueFrom": {"fieldRef": {"fieldPath": path}}} for key, path in fields.items()],
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/v1/models", "port": "http"}},
    }
    pod = {"containers": [container], "automountServiceAccountToken": False}
    pods = {
        "replicas": replicas,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": pod},
    }
    service = {"selector": labels, "ports": [{"name": "http", "port": PORT, "targetPort": "http"}]}
    return (
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": pods},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": service},
    )


def pod_set(plane: ControlPlane, namespace: str, name: str, folder: Path) -> PodSet:
    """The processes of such a Deployment's pods, none of them started yet."""
    return PodSet(plane, namespace, f"app={name}", folder, lambda _: {"PYTHONPATH": str(ROOT)})
