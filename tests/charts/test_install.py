"""Real Helm installs both charts into a real API server, and what they hold becomes Ready."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.charts.conftest import CHARTS, HERE
from tests.support.api_client import ApiClient
from tests.support.control_plane import ControlPlane
from tests.support.helm import Helm
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.waiting import wait_until

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}


@pytest.fixture(scope="module")
def cluster_helm(control_plane: ControlPlane) -> Helm:
    return Helm(control_plane.kubeconfig())


@pytest.fixture(scope="module")
def crds(cluster_helm: Helm) -> str:
    """The chart of the kinds, installed once; the name of its release."""
    cluster_helm("install", "tieline-crds", str(CHARTS / "tieline-crds"), "--namespace=default", "--take-ownership")
    return "tieline-crds"


def make_namespace(admin: ApiClient, name: str) -> str:
    """A namespace that admits nothing below Pod Security "restricted"."""
    metadata = {"name": name, "labels": RESTRICTED}
    admin.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    wait_until(lambda: admin.find(f"/api/v1/namespaces/{name}/serviceaccounts/default"), f"namespace {name}")
    return name


@pytest.fixture(scope="module")
def namespace(admin: ApiClient) -> str:
    return make_namespace(admin, f"install-{secrets.token_hex(4)}")


@pytest.fixture(scope="module")
def installed(cluster_helm: Helm, crds: str, namespace: str) -> Iterator[str]:
    """The chart with its defaults, all of it Ready; its namespace, and the notes that Helm printed."""
    chart = str(CHARTS / "tieline")
    yield cluster_helm("install", "tieline", chart, f"--namespace={namespace}", "--wait", "--timeout=90s")
    cluster_helm("uninstall", "tieline", f"--namespace={namespace}", "--wait", "--timeout=60s")


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane, namespace: str) -> Kubectl:
    return Kubectl(control_plane.kubeconfig(), namespace)


def test_the_deployments_become_ready_in_a_restricted_namespace(installed: str, kubectl: Kubectl) -> None:
    deployments = {one["metadata"]["name"]: one["status"] for one in kubectl.json("get", "deployments")["items"]}
    ready = {name: status.get("readyReplicas") for name, status in deployments.items()}
    assert ready == {"tieline-operator": 1, "tieline-router-default": 2}


def test_the_notes_say_how_to_go_on(installed: str, namespace: str) -> None:
    assert f"http://tieline-router-default.{namespace}.svc/v1" in installed
    assert "are missing" not in installed, "the kinds are there"


def test_services_lead_to_the_ready_pods(installed: str, kubectl: Kubectl) -> None:
    def ready(service: str) -> int:
        slices = kubectl.json("get", "endpointslices", "-l", f"kubernetes.io/service-name={service}")["items"]
        endpoints = [one for part in slices for one in part.get("endpoints") or []]
        return sum(one["conditions"]["ready"] for one in endpoints)

    for service, count in (("tieline-operator", 1), ("tieline-router-default", 2), ("tieline-router-default-fleet", 2)):
        wait_until(lambda service=service, count=count: ready(service) == count, f"{count} endpoints of {service}")  # type: ignore[misc]


def test_the_routers_account_may_do_nothing(installed: str, kubectl: Kubectl, namespace: str) -> None:
    """Nothing but what every authenticated caller may (review itself, discovery)."""
    rules = rules_of(kubectl, f"system:serviceaccount:{namespace}:tieline-router", namespace)
    nobody = rules_of(kubectl, f"system:serviceaccount:{namespace}:default", namespace)
    assert rules == nobody


def test_the_operator_s_account_may_what_its_roles_say_and_no_more(
    installed: str, kubectl: Kubectl, namespace: str
) -> None:
    account = f"--as=system:serviceaccount:{namespace}:tieline-operator"
    for words in ("list modelroutes -A", "patch modelroutes/x --subresource=status -A", "list secrets -A"):
        assert can(kubectl, account, words), words
    for words in ("get lease/tieline-operator", "update configmaps/tieline-bootstrap-default", "create secrets"):
        assert can(kubectl, account, words), words
    for words in ("update secrets/x", "delete leases/tieline-operator", "patch modelroutes -A", "create pods -A"):
        assert not can(kubectl, account, words), words
    assert not can(kubectl, account, "create secrets -n default")


def can(kubectl: Kubectl, account: str, words: str) -> bool:
    try:
        return kubectl("auth", "can-i", *words.split(), account).strip() == "yes"
    except KubectlError as refused:
        if refused.code == 1 and not refused.stderr:
            return False
        raise


def rules_of(kubectl: Kubectl, user: str, namespace: str) -> Any:
    review = {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": namespace},
    }
    words = ("create", "-f", "-", "-o", "json", "--validate=false", f"--as={user}", "--as-group=system:authenticated")
    status = json.loads(kubectl(*words, stdin=json.dumps(review)))["status"]
    return [sorted(json.dumps(rule) for rule in status[kind]) for kind in ("resourceRules", "nonResourceRules")]


def test_an_upgrade_without_a_change_changes_nothing(
    installed: str, cluster_helm: Helm, kubectl: Kubectl, namespace: str
) -> None:
    def generations() -> dict[str, tuple[int, str]]:
        kinds = "deployments,services,serviceaccounts,roles,rolebindings,poddisruptionbudgets"
        return {
            f"{one['kind']}/{one['metadata']['name']}": (one["metadata"].get("generation", 0), one["metadata"]["uid"])
            for one in kubectl.json("get", kinds)["items"]
        }

    before = generations()
    cluster_helm("upgrade", "tieline", str(CHARTS / "tieline"), f"--namespace={namespace}", "--wait", "--timeout=60s")
    assert generations() == before


def test_an_upgrade_adds_and_removes_a_class(
    installed: str, cluster_helm: Helm, kubectl: Kubectl, namespace: str
) -> None:
    words = ("upgrade", "tieline", str(CHARTS / "tieline"), f"--namespace={namespace}", "--wait", "--timeout=90s")
    cluster_helm(*words, "--set=routers.batch.replicas=1")
    assert kubectl.json("get", "deployment", "tieline-router-batch")["status"]["readyReplicas"] == 1
    cluster_helm(*words, "--reset-values")
    left = ("get", "deployments,services,poddisruptionbudgets", "-l", "tieline.dev/router-class=batch", "-o", "name")
    wait_until(lambda: not kubectl(*left), "the class to be gone")


def test_the_kinds_outlive_their_release(crds: str, installed: str, cluster_helm: Helm, kubectl: Kubectl) -> None:
    assert "kept" in cluster_helm("uninstall", crds, "--namespace=default")
    try:
        kubectl("get", "modelroutes,providerpools,consumers")
    finally:
        words = ("install", crds, str(CHARTS / "tieline-crds"), "--namespace=default", "--take-ownership")
        cluster_helm(*words)


@pytest.mark.parametrize("case", sorted(path.stem for path in (HERE / "values").glob("*.yaml")))
def test_the_api_server_accepts_every_rendering(
    control_plane: ControlPlane, admin: ApiClient, helm: Helm, case: str
) -> None:
    """Strict validation: an unknown field is an error, not a warning."""
    values = HERE / "values" / f"{case}.yaml"
    watched = (yaml.safe_load(values.read_text()) or {}).get("watchNamespaces", [])
    name = f"dry-run-{secrets.token_hex(4)}"
    for one in [name, *watched]:
        if not admin.find(f"/api/v1/namespaces/{one}"):
            make_namespace(admin, one)
    rendered = helm("template", "tieline", str(CHARTS / "tieline"), f"--namespace={name}", f"--values={values}")
    applied = Kubectl(control_plane.kubeconfig(), None)(
        "apply",
        "--server-side",
        "--dry-run=server",
        "--validate=strict",
        "--filename=-",
        "--output=name",
        stdin=rendered,
    )
    objects = [one for one in yaml.safe_load_all(rendered) if one]
    assert len(applied.split()) == len(objects)
    pods = [one["spec"]["template"] for one in objects if one["kind"] == "Deployment"]
    kubectl = Kubectl(control_plane.kubeconfig(), name)
    for account in {pod["spec"]["serviceAccountName"] for pod in pods}:
        kubectl("create", "serviceaccount", account)
    for index, pod in enumerate(pods):  # a Deployment's dry run makes no pod, and only pods meet Pod Security
        metadata = {"name": f"pod-{index}", "labels": pod["metadata"]["labels"]}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}
        kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(body))
