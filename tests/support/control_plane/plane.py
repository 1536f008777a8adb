"""A real Kubernetes control plane as local processes, without containers: started, broken, mended and stopped by tests.

Real: API server (CRDs with CEL, server-side apply, RBAC, audit log, watches, TokenRequest, TokenReview), garbage
collection, Deployments, scheduling, EndpointSlices. Not real: containers; kwok marks pods Ready and gives them
addresses of 10.244.0.0/16, at which only those servers answer that a test starts itself (see `tests.support.netns`).
"""

from __future__ import annotations

import datetime
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import urllib3

from tests.support.api_client import ApiClient, ApiError, Object
from tests.support.control_plane import audit, programs
from tests.support.control_plane.build import binaries
from tests.support.control_plane.certificates import Certificates
from tests.support.processes import ChildProcess, ProcessDied, free_ports
from tests.support.waiting import wait_until

MASTERS = "system:masters"

SERVER_NAMES = ("localhost", "kubernetes.default.svc", "127.0.0.1", "10.96.0.1")


class ControlPlane:
    """The five processes and all that lies in `folder`: certificates, kubeconfigs, data, `<program>.log`, `audit.log`.

    With `nodes` = 0 there is no scheduler and no kwok, and pods stay Pending. A folder used before is continued.
    """

    def __init__(self, folder: Path, nodes: int = 2, programs_folder: Path | None = None) -> None:
        self.folder = folder.resolve()
        self.nodes = nodes
        self._programs_folder = programs_folder
        self._processes: dict[str, ChildProcess] = {}
        self._layout: programs.Layout | None = None
        self._certificates: Certificates | None = None
        self._admin: ApiClient | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return self._laid_out.server

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def admin(self) -> ApiClient:
        """The API as cluster administrator, for the test itself. Nothing under test may use it."""
        if self._admin is None:
            self._admin = ApiClient(self.url, self.ca, certificate=self.folder / "admin")
        return self._admin

    # -- life cycle --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all and return when nodes are Ready and namespaces get their service accounts (about 5 s).

        Ports are tried twice, since another process may take one between choice and use. When it fails, nothing runs.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = self._programs_folder or binaries()
        for last in (False, True):
            try:
                self._start(folder)
                return
            except ProcessDied as error:
                self.stop()
                if last or "address already in use" not in str(error):
                    raise
            except BaseException:
                self.stop()
                raise

    def _start(self, folder: Path) -> None:
        self._layout = programs.Layout(folder, self.folder, programs.Ports(*free_ports(5)))
        self._write_files()
        self.spawn("etcd")
        self.spawn("kube-apiserver")
        self.wait_ready()
        self.spawn("kube-controller-manager")
        if self.nodes:
            self.spawn("kube-scheduler")
            self.spawn("kwok")
            for index in range(self.nodes):
                self._ensure_node(f"node-{index}")
        wait_until(self._settled, f"the cluster to settle (logs in {self.folder})", 60)

    def stop(self) -> None:
        """Stop all, etcd last and gently: it alone holds state. Safe to call twice."""
        for name in reversed(list(self._processes)):
            self.kill(name, signal.SIGTERM if name == "etcd" else signal.SIGKILL)
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def spawn(self, name: str) -> None:
        """Start one program, on the port that it had before. Main thread only."""
        layout = self._laid_out
        self._processes[name] = ChildProcess(
            name,
            [layout.binaries / name, *programs.ARGUMENTS[name](layout)],
            self.folder / f"{name}.log",
            cwd=self.folder,
            environment={**os.environ, "HOME": str(self.folder)},  # kwok keeps a work folder in HOME
        )

    def kill(self, name: str, with_signal: signal.Signals = signal.SIGKILL) -> None:
        """End one program and wait for its end; `spawn` starts it again with the same data."""
        self._processes.pop(name).stop(with_signal)

    def restart_clients(self) -> None:
        """Start the API server's other clients anew, for the end of a long outage: what they pause between two tries
        has grown to half a minute by then, and whatever depends on them would wait for so long."""
        clients = [name for name in self._processes if name not in {"etcd", "kube-apiserver"}]
        for name in clients:
            self.kill(name)
        leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
        for lease in self.admin.items(leases):  # a new kwok would wait until its forerunner's have run out
            self.admin.delete(f"{leases}/{lease['metadata']['name']}")
        for name in clients:
            self.spawn(name)

    def check(self) -> None:
        """Raises `ProcessDied` when a program ended by itself."""
        for process in self._processes.values():
            process.check()

    def wait_ready(self, seconds: float = 60) -> None:
        """Wait for the API server's /readyz, its own start-up work (such as default RBAC roles) included."""
        wait_until(self._ready, f"the API server at {self.url} (log in {self.folder})", seconds)

    def _ready(self) -> bool:
        self.check()
        try:
            return self.admin.raw("GET", "/readyz") == b"ok"
        except (urllib3.exceptions.HTTPError, ApiError):
            return False

    def _settled(self) -> bool:
        """The controller manager works when it made the default service account; kwok, when nodes are Ready."""
        self.check()
        if self.admin.find("/api/v1/namespaces/default/serviceaccounts/default") is None:
            return False
        return sum(map(_is_ready, self.admin.items("/api/v1/nodes"))) >= self.nodes

    def _ensure_node(self, name: str) -> None:
        if self.admin.find(f"/api/v1/nodes/{name}") is None:
            self.admin.create("/api/v1/nodes", programs.node(name))

    # -- identities --------------------------------------------------------------------------------------------------

    def kubeconfig(self, user: str = "admin", groups: Sequence[str] = ()) -> Path:
        """A kubeconfig file for a user known by certificate. `admin` exists; others are made, in the given groups."""
        path = self.folder / f"{user.replace(':', '-')}.kubeconfig"
        if not path.is_file():
            self._write_user(path.stem, user, groups)
        return path

    def service_account_kubeconfig(self, path: Path, token_file: Path, namespace: str) -> Path:
        """Write a kubeconfig that reads its token from `token_file`, as a process in a pod would; `path`."""
        self._write_kubeconfig(path, "service-account", {"tokenFile": str(token_file)}, namespace)
        return path

    def token(
        self,
        namespace: str,
        service_account: str,
        *,
        audiences: Sequence[str] = (),
        pod: str | None = None,
        seconds: int = 3600,
    ) -> str:
        """A service-account token by TokenRequest; without audiences it is for the API server.

        Bound to `pod` when given: TokenReview then names the pod, and the token dies with it.
        """
        spec: Object = {"expirationSeconds": seconds, "audiences": list(audiences)}
        if pod is not None:
            found = self.admin.get(f"/api/v1/namespaces/{namespace}/pods/{pod}")
            reference = {"apiVersion": "v1", "kind": "Pod", "name": pod, "uid": found["metadata"]["uid"]}
            spec["boundObjectRef"] = reference
        request = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        return str(self.admin.create(path, request)["status"]["token"])

    # -- audit log ---------------------------------------------------------------------------------------------------

    def audit_position(self) -> int:
        """A mark in the audit log for `audit(since=…)`: what is asked after now."""
        return (self.folder / "audit.log").stat().st_size

    def audit(self, since: int = 0) -> list[audit.AuditRecord]:
        """Requests answered since the mark, in order; a line that is being written just now is left out."""
        with (self.folder / "audit.log").open("rb") as log:
            log.seek(since)
            content = log.read()
        return audit.parse(content[: content.rfind(b"\n") + 1].splitlines())

    # -- files -------------------------------------------------------------------------------------------------------

    @property
    def _laid_out(self) -> programs.Layout:
        if self._layout is None:
            raise RuntimeError("the control plane was not started: call start()")
        return self._layout

    def _write_files(self) -> None:
        self._certificates = Certificates(self.folder, datetime.datetime.now(datetime.UTC))
        self._certificates.issue("apiserver", "kube-apiserver", names=SERVER_NAMES)
        self._certificates.issue("front-proxy", "front-proxy")
        self._write_user("admin", "admin", [MASTERS])
        self._write_user("kwok", "kwok", [MASTERS])
        self._write_user("controller-manager", "system:kube-controller-manager")
        self._write_user("scheduler", "system:kube-scheduler")
        (self.folder / "audit-policy.json").write_text(json.dumps(programs.AUDIT_POLICY))

    def _write_user(self, stem: str, user: str, groups: Sequence[str] = ()) -> None:
        if self._certificates is None:
            raise RuntimeError("the control plane was not started: call start()")
        self._certificates.issue(stem, user, groups)
        files = {"client-certificate": f"{self.folder / stem}.crt", "client-key": f"{self.folder / stem}.key"}
        self._write_kubeconfig(self.folder / f"{stem}.kubeconfig", user, files)

    def _write_kubeconfig(self, path: Path, user: str, credentials: Object, namespace: str = "default") -> None:
        cluster = {"server": self.url, "certificate-authority": str(self.ca)}
        context = {"cluster": "test", "user": user, "namespace": namespace}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": user, "user": credentials}],
            "contexts": [{"name": "test", "context": context}],
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(config, indent=2))


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
