"""With `watchNamespaces` the operator lives on Roles: it serves these namespaces, and nothing it asks is refused."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.api_client import ApiClient
from tests.support.control_plane import ControlPlane
from tests.support.installation import NAMESPACE, Installation
from tests.support.waiting import wait_until

OPERATOR = f"system:serviceaccount:{NAMESPACE}:tieline-operator"


@pytest.fixture(scope="module")
def namespaces(admin: ApiClient) -> tuple[str, str]:
    """One namespace that is watched, and one that is not."""
    served, other = (f"{name}-{secrets.token_hex(4)}" for name in ("served", "other"))
    for name in (served, other):
        admin.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return served, other


@pytest.fixture(scope="module")
def installation(
    control_plane: ControlPlane, namespaces: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    values = {"watchNamespaces": [namespaces[0]], "routers": {"default": {"replicas": 1}}}
    with Installation(control_plane, tmp_path_factory.mktemp("installation"), values=values) as installed:
        yield installed


def pool(namespace: str) -> dict[str, Any]:
    """An External pool whose credentials stand in a Secret that lacks the label: the operator must look at it."""
    model = {"name": "m", "pricing": {"base": {"prompt": "1", "completion": "1"}}}
    credentials = [{"name": "main", "type": "APIKey", "apiKey": {"secretRef": {"name": "provider", "key": "apiKey"}}}]
    return {
        "apiVersion": "tieline.dev/v1alpha1",
        "kind": "ProviderPool",
        "metadata": {"name": "provider", "namespace": namespace},
        "spec": {
            "type": "External",
            "external": {"baseURL": "https://provider.example"},
            "connection": {"credentials": credentials},
            "models": [model],
        },
    }


def test_only_the_watched_namespaces_are_served_and_nothing_is_refused(
    installation: Installation, admin: ApiClient, namespaces: tuple[str, str]
) -> None:
    since = installation.plane.audit_position()
    for namespace in namespaces:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "provider"}, "stringData": {"apiKey": "x"}}
        admin.create(f"/api/v1/namespaces/{namespace}/secrets", secret)
        admin.create(f"/apis/tieline.dev/v1alpha1/namespaces/{namespace}/providerpools", pool(namespace))

    def resolved(namespace: str) -> dict[str, Any]:
        path = f"/apis/tieline.dev/v1alpha1/namespaces/{namespace}/providerpools/provider"
        conditions = admin.get(path)["status"]["conditions"]
        found: dict[str, Any] = {one["type"]: one for one in conditions}["ResolvedRefs"]
        return found

    served, other = namespaces
    condition = wait_until(lambda: one if (one := resolved(served))["status"] == "False" else None, "a verdict")
    assert "tieline.dev/use" in condition["message"], "it has seen that the label is missing"
    assert resolved(other)["status"] == "Unknown"
    mine = [record for record in installation.plane.audit() if record.user == OPERATOR]
    assert [record for record in mine if record.code in {401, 403}] == []
    assert other not in {record.namespace for record in mine}
    assert served in {record.namespace for record in installation.plane.audit(since) if record.writes}


def test_the_router_gets_its_snapshot(installation: Installation) -> None:
    assert [router.is_ready() for router in installation.routers] == [True]
