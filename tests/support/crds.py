"""Tieline's CRDs on a control plane, applied as users do it. Called by the cluster floor and by `Installation`."""

from __future__ import annotations

from pathlib import Path

from tests.support.api_client import ApiClient
from tests.support.control_plane import ControlPlane
from tests.support.kubectl import Kubectl
from tests.support.waiting import wait_until

CRDS = Path(__file__).parents[2] / "crds"


def apply_crds(plane: ControlPlane) -> list[str]:
    """`kubectl apply --server-side` of every file in `crds/`; returns the CRDs' names once they are served."""
    files = sorted(CRDS.glob("*.yaml"))
    if not files:
        raise FileNotFoundError(f"{CRDS} holds no CRDs: run `make crds`")
    words = ["apply", "--server-side", "--output=name", *(f"--filename={file}" for file in files)]
    names = [line.partition("/")[2] for line in Kubectl(plane.kubeconfig())(*words).split()]
    wait_until(lambda: all(_is_served(plane.admin, name) for name in names), f"{', '.join(names)} to be served")
    return names


def _is_served(admin: ApiClient, name: str) -> bool:
    definition = admin.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}")
    conditions = (definition.get("status") or {}).get("conditions") or []
    return any(condition["type"] == "Established" and condition["status"] == "True" for condition in conditions)
