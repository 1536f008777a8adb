"""The test support itself, against real programs: what the other cluster tests take for granted."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.api_client import ApiClient, ApiError, Object
from tests.support.control_plane import ControlPlane, plane
from tests.support.control_plane.build import CONTROL_PLANE
from tests.support.control_plane.programs import Ports
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.processes import ProcessDied, free_ports
from tests.support.waiting import wait_until

LABELS = {"app": "echo"}


def deployment(replicas: int) -> Object:
    container = {"name": "echo", "image": "echo", "ports": [{"name": "http", "containerPort": 8000}]}
    template = {"metadata": {"labels": LABELS}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": LABELS}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "echo"}, "spec": spec}


def service() -> Object:
    spec = {"selector": LABELS, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "echo"}, "spec": spec}


def ready_addresses(admin: ApiClient, namespace: str, service_name: str) -> list[str]:
    slices = admin.items(
        f"/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices",
        {"labelSelector": f"kubernetes.io/service-name={service_name}"},
    )
    endpoints = [endpoint for found in slices for endpoint in found.get("endpoints") or []]
    return sorted(address for e in endpoints if e["conditions"].get("ready") for address in e["addresses"])


def wait_for_addresses(admin: ApiClient, namespace: str, count: int) -> list[str]:
    def look() -> list[str] | None:
        found = ready_addresses(admin, namespace, "echo")
        return found if len(found) == count else None

    return wait_until(look, f"{count} ready endpoints")


def test_kubectl_applies_and_reads_back(kubectl: Kubectl) -> None:
    kubectl.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}, "data": {"key": "value"}})
    assert kubectl.json("get", "configmap", "one")["data"] == {"key": "value"}


def test_kubectl_failure_carries_what_it_said(kubectl: Kubectl) -> None:
    with pytest.raises(KubectlError, match='configmaps "none" not found') as failure:
        kubectl("get", "configmap", "none")
    assert failure.value.code == 1


def test_deployment_becomes_ready_at_pod_addresses(admin: ApiClient, namespace: str, kubectl: Kubectl) -> None:
    kubectl.apply(deployment(replicas=2), service())
    kubectl("rollout", "status", "deployment/echo", "--timeout=30s")
    two = wait_for_addresses(admin, namespace, 2)
    assert all(address.startswith("10.244.") for address in two)

    kubectl("scale", "deployment/echo", "--replicas=1")
    [left] = wait_for_addresses(admin, namespace, 1)
    assert left in two


def test_token_bound_to_a_pod_names_that_pod(
    control_plane: ControlPlane, admin: ApiClient, namespace: str, kubectl: Kubectl
) -> None:
    kubectl.apply(deployment(replicas=1))
    kubectl("rollout", "status", "deployment/echo", "--timeout=30s")
    [pod] = admin.items(f"/api/v1/namespaces/{namespace}/pods")
    name = pod["metadata"]["name"]
    token = control_plane.token(namespace, "default", audiences=["tieline-operator"], pod=name)

    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": ["tieline-operator"]},
    }
    status = admin.create("/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    assert status["authenticated"] is True
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:default"
    assert status["user"]["extra"]["authentication.kubernetes.io/pod-name"] == [name]

    api = ApiClient(control_plane.url, control_plane.ca, token=token)
    with pytest.raises(ApiError) as refusal:
        api.get("/api")
    api.close()
    assert refusal.value.code == 401  # another audience than the API server's


def test_service_account_kubeconfig_has_that_accounts_rights(
    control_plane: ControlPlane, namespace: str, tmp_path: Path
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text(control_plane.token(namespace, "default"))
    path = control_plane.service_account_kubeconfig(tmp_path / "kubeconfig", token_file, namespace)
    as_account = Kubectl(path)
    assert json.loads(as_account("auth", "whoami", "-o", "json"))["status"]["userInfo"]["username"] == (
        f"system:serviceaccount:{namespace}:default"
    )
    mark = control_plane.audit_position()
    with pytest.raises(KubectlError, match="forbidden"):
        as_account("get", "pods")
    [refused] = [
        record for record in control_plane.audit(since=mark) if record.resource == "pods" and not record.allowed
    ]
    assert (refused.user, refused.code) == (f"system:serviceaccount:{namespace}:default", 403)


def test_audit_tells_who_did_what(control_plane: ControlPlane, namespace: str, kubectl: Kubectl) -> None:
    mark = control_plane.audit_position()
    kubectl("create", "configmap", "seen")
    kubectl("get", "pods", "--watch", "--request-timeout=1s")
    mine = [r for r in control_plane.audit(since=mark) if r.user == "admin" and r.namespace == namespace]

    [write] = [record for record in mine if record.writes]
    assert (write.verb, write.resource, write.name, write.code) == ("create", "configmaps", "seen", 201)
    assert write.allowed
    assert {(record.verb, record.resource) for record in mine} >= {("list", "pods"), ("watch", "pods")}
    assert not [r for r in control_plane.audit(since=control_plane.audit_position()) if r.user == "admin"]


def test_api_server_keeps_its_data_when_killed(
    control_plane: ControlPlane, admin: ApiClient, namespace: str, kubectl: Kubectl
) -> None:
    kubectl("create", "configmap", "kept")
    control_plane.kill("kube-apiserver")
    with pytest.raises(KubectlError, match="refused"):
        kubectl("get", "configmap", "kept")
    control_plane.spawn("kube-apiserver")
    control_plane.wait_ready()
    assert admin.get(f"/api/v1/namespaces/{namespace}/configmaps/kept")["metadata"]["name"] == "kept"


RUN_AND_WAIT = """
import pathlib, signal, sys
from tests.support.control_plane import ControlPlane, plane
from tests.support.control_plane.build import CONTROL_PLANE
from tests.support.control_plane.programs import Ports
plane = ControlPlane(pathlib.Path(sys.argv[1]), nodes=0)
plane.start()
print(*(process.pid for process in plane._processes.values()), flush=True)
signal.pause()
"""


def test_nothing_survives_when_the_starting_process_is_killed(control_plane: ControlPlane, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", RUN_AND_WAIT, str(tmp_path)], stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        children = [int(pid) for pid in starter.stdout.readline().split()]
        starter.send_signal(signal.SIGKILL)
    assert len(children) == 3
    wait_until(lambda: not any(map(_is_running, children)), "etcd, API server and controller manager to die", 10)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_folder_used_before_is_continued(control_plane: ControlPlane, tmp_path: Path) -> None:
    with ControlPlane(tmp_path, nodes=0) as first:
        Kubectl(first.kubeconfig())("create", "configmap", "kept")
        token = first.token("default", "default")
    with ControlPlane(tmp_path, nodes=0) as second:
        assert "kept" in Kubectl(second.kubeconfig())("get", "configmaps", "-o", "name")
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        assert claims["sub"] == "system:serviceaccount:default:default"
        api = ApiClient(second.url, second.ca, token=token)
        assert api.get("/api")["kind"] == "APIVersions"
        api.close()


def test_port_taken_meanwhile_is_answered_with_other_ports(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        first = dict(zip(Ports.__dataclass_fields__, free_ports(5), strict=True)) | {"etcd": other.getsockname()[1]}
        choices = [list(first.values()), free_ports(5)]
        monkeypatch.setattr(plane, "free_ports", lambda count: choices.pop(0))
        with ControlPlane(tmp_path, nodes=0) as second:
            assert second.admin.get("/version")["gitVersion"] == CONTROL_PLANE.version
    assert not choices


def test_failed_start_shows_the_log_and_leaves_nothing(
    control_plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etcd").write_text("a file where etcd wants its folder")
    broken = ControlPlane(tmp_path, nodes=0)
    with pytest.raises(ProcessDied, match=r"etcd ended with code 1; \S+etcd\.log ends with:\n.*not a directory"):
        broken.start()
    assert not broken._processes


def test_kubectl_takes_manifests_of_several_namespaces(admin: ApiClient, namespace: str, kubectl: Kubectl) -> None:
    here = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": namespace}}
    there = here | {"metadata": {"name": namespace, "namespace": "default"}}
    kubectl.apply(here, there)
    assert admin.find(f"/api/v1/namespaces/{namespace}/configmaps/{namespace}")
    assert admin.find(f"/api/v1/namespaces/default/configmaps/{namespace}")
