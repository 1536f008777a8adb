"""A pod of kwok's run as a real process: its variables, volumes, tokens, address and probe are the pod's own."""

from __future__ import annotations

import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import model_servers
from tests.support.api_client import ApiClient, Object
from tests.support.control_plane import ControlPlane
from tests.support.kubectl import Kubectl
from tests.support.pods import PodProcess, move_path
from tests.support.processes import ProcessDied
from tests.support.waiting import wait_until

ECHO = """
import http.server, json, os, pathlib

class Echo(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        files = {k: pathlib.Path(v) for k, v in os.environ.items() if k.endswith("_FILE")}
        texts = {k: f.read_text() for k, f in files.items() if f.exists()}
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps({"variables": dict(os.environ), "files": texts}).encode())

    def log_message(self, *words):
        print("asked", flush=True)

print("starting", flush=True)
http.server.HTTPServer((os.environ["HOST"], 8000), Echo).serve_forever()
"""


def pod_manifest(command: list[str]) -> Object:
    container = {
        "name": "echo",
        "image": "echo",
        "command": command,
        "ports": [{"name": "http", "containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": "http"}},
        "env": [
            {"name": "GREETING", "value": "hello"},
            {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "HOST", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "SETTING_FILE", "value": "/etc/settings/colour"},
            {"name": "PASSWORD_FILE", "value": "/etc/password/renamed"},
            {"name": "TOKEN_FILE", "value": "/var/run/own/token"},
            {"name": "API_TOKEN_FILE", "value": "/var/run/secrets/kubernetes.io/serviceaccount/token"},
            {"name": "ABSENT_FILE", "value": "/etc/absent/file"},
        ],
        "volumeMounts": [
            {"name": "settings", "mountPath": "/etc/settings"},
            {"name": "password", "mountPath": "/etc/password"},
            {"name": "own", "mountPath": "/var/run/own"},
            {"name": "absent", "mountPath": "/etc/absent"},
            {"name": "state", "mountPath": "/state"},
        ],
    }
    token = {"serviceAccountToken": {"audience": "tieline-operator", "expirationSeconds": 3600, "path": "token"}}
    volumes = [
        {"name": "settings", "configMap": {"name": "settings"}},
        {"name": "password", "secret": {"secretName": "password", "items": [{"key": "key", "path": "renamed"}]}},
        {"name": "own", "projected": {"sources": [token]}},
        {"name": "absent", "configMap": {"name": "absent", "optional": True}},
        {"name": "state", "emptyDir": {}},
    ]
    spec = {"containers": [container], "volumes": volumes, "serviceAccountName": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "echo", "labels": {"app": "echo"}}, "spec": spec}


def running_pod(admin: ApiClient, namespace: str) -> Object:
    def look() -> Object | None:
        pod = admin.get(f"/api/v1/namespaces/{namespace}/pods/echo")
        return pod if pod["status"].get("podIP") else None

    return wait_until(look, "kwok to give the pod an address")


@pytest.fixture
def echo(
    control_plane: ControlPlane, admin: ApiClient, namespace: str, kubectl: Kubectl, tmp_path: Path
) -> Iterator[PodProcess]:
    kubectl("create", "configmap", "settings", "--from-literal=colour=blue")
    kubectl("create", "secret", "generic", "password", "--from-literal=key=s3cret")
    kubectl.apply(pod_manifest(["python", "-c", ECHO]))
    process = PodProcess(control_plane, running_pod(admin, namespace), tmp_path, {"GREETING": "hello from the test"})
    yield process
    process.stop()


def fetch(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return bytes(answer.read())


def ask(echo: PodProcess) -> Object:
    seen: Object = json.loads(fetch(echo.url("http")))
    return seen


def test_process_sees_what_the_pod_says(
    echo: PodProcess, kubectl: Kubectl, admin: ApiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "an administrator's")
    echo.start()
    seen = ask(echo)
    assert seen["variables"]["GREETING"] == "hello from the test"
    assert seen["variables"]["POD"] == "echo"
    assert "KUBECONFIG" not in seen["variables"]
    assert echo.address.startswith("10.244.")
    assert seen["files"]["SETTING_FILE"] == "blue"
    assert seen["files"]["PASSWORD_FILE"] == "s3cret"
    assert "ABSENT_FILE" not in seen["files"]

    review = {"token": seen["files"]["TOKEN_FILE"], "audiences": ["tieline-operator"]}
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": review}
    user = admin.create("/apis/authentication.k8s.io/v1/tokenreviews", body)["status"]["user"]
    assert user["username"] == f"system:serviceaccount:{echo.namespace}:default"
    assert user["extra"]["authentication.kubernetes.io/pod-name"] == ["echo"]

    as_pod = Kubectl(echo.service_account_kubeconfig())
    assert f"{echo.namespace}:default" in as_pod("auth", "whoami")


def test_killed_process_starts_again_with_new_volumes_and_old_state(echo: PodProcess, kubectl: Kubectl) -> None:
    echo.start()
    state = Path(echo.environment()["TMPDIR"]).parent / "state" / "kept"
    state.write_text("old")
    assert echo.kill() == -signal.SIGKILL
    assert not echo.is_ready()
    kubectl("create", "configmap", "settings", "--from-literal=colour=red", "--dry-run=client", "-o", "yaml")
    kubectl("patch", "configmap", "settings", '--patch={"data": {"colour": "red"}}')
    echo.start()
    assert ask(echo)["files"]["SETTING_FILE"] == "red"
    assert state.read_text() == "old"
    assert echo.log.read_text().count("starting") == 2


def test_readiness_of_the_pod_can_be_told(echo: PodProcess, admin: ApiClient, namespace: str, kubectl: Kubectl) -> None:
    kubectl("expose", "pod", "echo", "--port=80", "--target-port=http")

    def ready() -> list[bool]:
        slices = admin.items(f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices")
        return [endpoint["conditions"]["ready"] for found in slices for endpoint in found["endpoints"] or []]

    wait_until(lambda: ready() == [True], "the endpoint to be ready")
    echo.set_ready(False)
    wait_until(lambda: ready() == [False], "the endpoint to be unready")
    echo.set_ready(True)
    wait_until(lambda: ready() == [True], "the endpoint to be ready again")


def test_process_that_ends_is_told_with_its_log(
    control_plane: ControlPlane, admin: ApiClient, namespace: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    manifest = pod_manifest(["python", "-c", "raise SystemExit('no such luck')"])
    del manifest["spec"]["volumes"], manifest["spec"]["containers"][0]["volumeMounts"]
    kubectl.apply(manifest)
    process = PodProcess(control_plane, running_pod(admin, namespace), tmp_path, {})
    with pytest.raises(ProcessDied, match="no such luck"):
        process.start()


def test_missing_config_map_is_named(echo: PodProcess, kubectl: Kubectl) -> None:
    kubectl("delete", "configmap", "settings")
    with pytest.raises(FileNotFoundError, match="configmaps settings, which does not exist"):
        echo.start()


def test_pod_set_follows_its_deployment(
    control_plane: ControlPlane, namespace: str, kubectl: Kubectl, tmp_path: Path
) -> None:
    def scale(replicas: int) -> list[PodProcess]:
        kubectl("scale", "deployment/model", f"--replicas={replicas}")
        wait_until(lambda: len(servers.pods()) == replicas, f"{replicas} pods")
        return servers.sync()

    servers = model_servers.pod_set(control_plane, namespace, "model", tmp_path)
    kubectl.apply(*model_servers.deployment("model", model_servers.UPSTREAM))
    try:
        [first] = scale(1)
        both = scale(2)
        assert first in both
        assert all(server.running for server in both)
        models = [json.loads(fetch(server.url("http") + "/v1/models"))["data"][0]["id"] for server in both]
        assert models == [server.name for server in both]
        [left] = scale(1)
        assert left.running
        assert [server.running for server in both].count(False) == 1
    finally:
        servers.stop()
    assert not left.running


@pytest.mark.parametrize(
    ("value", "moved"),
    [
        ("/etc/settings/a", "/root/pod/etc/settings/a"),
        ("/etc/settings", "/root/pod/etc/settings"),
        ("/etc/settings-other/a", "/etc/settings-other/a"),
        ("https://host/etc/settings/a", "https://host/etc/settings/a"),
    ],
)
def test_only_mounted_paths_move(value: str, moved: str) -> None:
    assert move_path(value, ["/etc/settings"], Path("/root/pod")) == moved
