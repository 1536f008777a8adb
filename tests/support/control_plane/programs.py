"""The command line of each program of the control plane: pure functions of where things lie. Called by `plane`.

Paths of certificates and kubeconfigs are relative: every program runs with the control plane's folder as its working
directory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.support.netns import POD_NETWORK, SERVICE_NETWORK

ISSUER = "https://kubernetes.default.svc"
"""Issuer of service-account tokens, and the audience of the API server itself."""

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
"""Who did what to which object, never a body: one record an answer, and one more when a watch begins."""


@dataclass(frozen=True)
class Ports:
    """TCP ports on loopback; they stay the same while a program is killed and started again."""

    api: int
    etcd: int
    etcd_peer: int
    controller_manager: int
    scheduler: int


@dataclass(frozen=True)
class Layout:
    """Where the programs (`binaries`), their files (`folder`) and their ports are."""

    binaries: Path
    folder: Path
    ports: Ports

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.ports.api}"


def etcd(layout: Layout) -> list[str]:
    client, peer = f"http://127.0.0.1:{layout.ports.etcd}", f"http://127.0.0.1:{layout.ports.etcd_peer}"
    return [
        f"--data-dir={layout.folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # the machine's crash may lose data, a killed process does not
        "--log-level=error",
    ]


def kube_apiserver(layout: Layout) -> list[str]:
    return [
        f"--etcd-servers=http://127.0.0.1:{layout.ports.etcd}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={layout.ports.api}",
        "--tls-cert-file=apiserver.crt",
        "--tls-private-key-file=apiserver.key",
        "--client-ca-file=ca.crt",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged",
        "--service-account-key-file=sa.pub",
        "--service-account-signing-key-file=sa.key",
        f"--service-account-issuer={ISSUER}",
        f"--service-cluster-ip-range={SERVICE_NETWORK}",
        "--endpoint-reconciler-type=none",  # Endpoints refuse the loopback address that it would publish
        "--enable-aggregator-routing",
        "--requestheader-client-ca-file=ca.crt",
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--proxy-client-cert-file=front-proxy.crt",
        "--proxy-client-key-file=front-proxy.key",
        "--audit-policy-file=audit-policy.json",
        "--audit-log-path=audit.log",
        "--audit-log-mode=blocking",
        "--audit-log-maxsize=100000",  # megabytes: readers keep positions in the file, so it must not be rotated
        "--max-requests-inflight=1000",
        "--max-mutating-requests-inflight=1000",
    ]


def kube_controller_manager(layout: Layout) -> list[str]:
    return [
        *_client(layout.ports.controller_manager, "controller-manager"),
        "--service-account-private-key-file=sa.key",
        "--root-ca-file=ca.crt",
        "--use-service-account-credentials",
        "--horizontal-pod-autoscaler-sync-period=1s",
        # Outages of the API server keep kwok from renewing its nodes' leases. Their pods would be marked NotReady after
        # 50 s of that, and for good: what a kubelet would mend, kwok does not.
        "--node-monitor-grace-period=24h",
    ]


def kube_scheduler(layout: Layout) -> list[str]:
    return _client(layout.ports.scheduler, "scheduler")


def kwok(layout: Layout) -> list[str]:
    return [
        "--kubeconfig=kwok.kubeconfig",
        "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake",
        f"--cidr={POD_NETWORK}",
        "--node-ip=127.0.0.1",
        "--node-lease-duration-seconds=40",
        *(f"--config={stage}" for stage in sorted((layout.binaries / "stages").iterdir())),
    ]


def _client(port: int, stem: str) -> list[str]:
    file = f"{stem}.kubeconfig"
    return [
        f"--kubeconfig={file}",
        f"--authentication-kubeconfig={file}",
        f"--authorization-kubeconfig={file}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--leader-elect=false",
    ]


ARGUMENTS: dict[str, Callable[[Layout], list[str]]] = {
    "etcd": etcd,
    "kube-apiserver": kube_apiserver,
    "kube-controller-manager": kube_controller_manager,
    "kube-scheduler": kube_scheduler,
    "kwok": kwok,
}
"""Program → its arguments, in the order of start."""


def node(name: str) -> dict[str, object]:
    """A node that kwok plays, with room for any test."""
    room = {"cpu": "64", "memory": "512Gi", "pods": "5000"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "status": {"allocatable": room, "capacity": room},
    }
