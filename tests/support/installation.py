"""Tieline installed on a test's control plane as users install it: real Helm, the shipped chart, its service accounts.

The Deployments' pods come from kwok; `pods` runs each as a process at its own address with its own token, so operator
and routers have exactly the rights that the chart gives them, and never an administrator's. Needs the network namespace
(`netns.enter`). Used by the cluster floor, the demonstration and the benchmark.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.support.api_client import Object
from tests.support.control_plane import ControlPlane
from tests.support.crds import apply_crds
from tests.support.helm import Helm
from tests.support.pods import PodProcess, PodSet, keys_of
from tests.support.waiting import wait_until

CHART = Path(__file__).parents[2] / "charts" / "tieline"
RELEASE = "tieline"
NAMESPACE = "tieline-system"
OPERATOR = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=operator"
ROUTERS = f"app.kubernetes.io/instance={RELEASE},app.kubernetes.io/component=router"


class Installation:
    """One release of the chart, with a process for each of its pods.

    Args:
        plane: a running control plane with nodes.
        folder: for the pods' files and logs.
        values: the chart's values.
        namespace: where the operator and its fleets are.
        operator_variables, router_variables: variables that win over what the chart sets.
    """

    def __init__(
        self,
        plane: ControlPlane,
        folder: Path,
        *,
        values: Mapping[str, Any] | None = None,
        namespace: str = NAMESPACE,
        operator_variables: Mapping[str, str] | None = None,
        router_variables: Mapping[str, str] | None = None,
    ) -> None:
        self.plane = plane
        self.folder = folder
        self.namespace = namespace
        self.operators = PodSet(plane, namespace, OPERATOR, folder, self._operator_extra)
        self.fleet = PodSet(plane, namespace, ROUTERS, folder, self._router_extra)
        self._values = dict(values or {})
        self._others: list[PodProcess] = []
        self._operator_variables = dict(operator_variables or {})
        self._router_variables = dict(router_variables or {})
        self._helm = Helm(plane.kubeconfig())

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.uninstall()

    @property
    def operator(self) -> PodProcess:
        [operator] = self.operators.processes
        return operator

    @property
    def routers(self) -> list[PodProcess]:
        """The fleets' routers, in the order of their pods' names."""
        return self.fleet.processes

    # -- life cycle --------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Install CRDs and chart, start the operator, and then, once its CA bundle exists, the routers; all ready."""
        self.install()
        self.operators.sync()
        self.fleet.sync()

    def install(self) -> None:
        """CRDs by kubectl, the release by Helm; returns when kwok runs every pod of it."""
        apply_crds(self.plane)
        self.folder.mkdir(parents=True, exist_ok=True)
        self._helm(
            *("upgrade", "--install", RELEASE, str(CHART), f"--namespace={self.namespace}", "--create-namespace"),
            *("--values=-", "--wait", "--timeout=60s"),
            stdin=json.dumps(self._values),
        )

    def stop(self) -> None:
        """End all processes; pods and objects stay."""
        for process in self._others:
            process.stop()
        self.fleet.stop()
        self.operators.stop()

    def uninstall(self) -> None:
        """`helm uninstall`, and the namespace is gone, so that the next installation finds none; CRDs stay."""
        self._helm("uninstall", RELEASE, f"--namespace={self.namespace}")
        path = f"/api/v1/namespaces/{self.namespace}"
        self.plane.admin.delete(path)
        wait_until(lambda: self.plane.admin.find(path) is None, f"namespace {self.namespace} to be gone", 60)

    # -- routers elsewhere -------------------------------------------------------------------------------------------

    def add_router(self, namespace: str, service_account: str = "default", name: str = "router") -> PodProcess:
        """A router in a pod of another namespace and service account, not started: a sidecar, or an intruder.

        Its pod is the chart's but for those two; it trusts the operator's CA, which it could read nowhere there.
        """
        [like, *_] = self.fleet.pods()
        spec = {key: value for key, value in like["spec"].items() if key != "nodeName"}
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec | {"serviceAccountName": service_account, "serviceAccount": service_account},
        }
        path = f"/api/v1/namespaces/{namespace}/pods"
        self.plane.admin.create(path, pod)
        found = wait_until(lambda: _with_address(self.plane.admin.get(f"{path}/{name}")), f"pod {namespace}/{name}")
        trusted = self.folder / f"{namespace}-{name}-ca.crt"
        bundle = self.plane.admin.get(f"/api/v1/namespaces/{self.namespace}/configmaps/tieline-operator-ca")
        trusted.write_bytes(keys_of(bundle)["ca.crt"])
        router = PodProcess(self.plane, found, self.folder, {})
        router.extra.update(self._router_extra(router), TIELINE_OPERATOR_CA_FILE=str(trusted))
        self._others.append(router)
        return router

    def _operator_extra(self, operator: PodProcess) -> dict[str, str]:
        return {
            "TIELINE_SNAPSHOT_HOST": operator.address,
            "TIELINE_METRICS_HOST": operator.address,
            "TIELINE_KUBECONFIG": str(operator.service_account_kubeconfig()),
            **self._operator_variables,
        }

    def _router_extra(self, router: PodProcess) -> dict[str, str]:
        """There is no cluster DNS here: an address stands for the operator's name, which is verified all the same."""
        return {
            "TIELINE_HOST": router.address,
            "TIELINE_ADMIN_HOST": router.address,
            "TIELINE_OPERATOR_URL": f"https://{self.operator.address}:9443",
            "TIELINE_OPERATOR_SERVER_NAME": f"tieline-operator.{self.namespace}.svc",
            **self._router_variables,
        }

    # -- what can be seen --------------------------------------------------------------------------------------------

    def logs(self) -> str:
        """All that operator and routers ever logged."""
        return "\n".join(file.read_text(errors="replace") for file in sorted(self.folder.glob("*.log")))


def _with_address(pod: Object) -> Object | None:
    """The pod, once kwok has given it an address, and until it is to go."""
    return pod if pod.get("status", {}).get("podIP") and not pod["metadata"].get("deletionTimestamp") else None
