"""The chart's Roles against the API server's audit log: each right is needed, none is missing, nobody is an admin."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from tieline_api.names import CA_CONFIG_MAP, CA_KEY, CERTIFICATE_SECRET, CONSUMER, MODEL_ROUTE, PROVIDER_POOL
from tieline_operator.delivery.certificates import (
    CA_LIFE,
    Material,
    Step,
    carry_out,
    pack,
    plan_certificates,
    unpack,
)

from tests.support.api_client import ApiClient, Object
from tests.support.cluster_world import Tenant, own_pool, route, secret
from tests.support.control_plane import AuditRecord, ControlPlane
from tests.support.helm import Helm
from tests.support.installation import CHART, NAMESPACE, RELEASE, Installation
from tests.support.rbac import Right, rights, unused, without_right
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(240)  # one installation for all tests of the file; machines may be busy
OPERATOR = f"system:serviceaccount:{NAMESPACE}:tieline-operator"
OPERATORS_AGENTS = ("tieline-operator", "kopf/")
TESTS_AGENTS = ("python-urllib3", "kubectl", "Helm")
NAMES = ("tieline-operator.tieline-system.svc",)
SECRET = f"/api/v1/namespaces/{NAMESPACE}/secrets/{CERTIFICATE_SECRET}"
BUNDLE = f"/api/v1/namespaces/{NAMESPACE}/configmaps/{CA_CONFIG_MAP}"


@pytest.fixture(scope="module")
def since(control_plane: ControlPlane) -> int:
    """A mark in the audit log before the installation."""
    return control_plane.audit_position()


@pytest.fixture(scope="module")
def installation(
    control_plane: ControlPlane, since: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """By the chart's default values; only paces differ."""
    assert since >= 0
    paces = {"TIELINE_BOOTSTRAP_SECONDS": "0", "TIELINE_RESYNC_SECONDS": "5"}
    with Installation(control_plane, tmp_path_factory.mktemp("installation"), operator_variables=paces) as installed:
        yield installed


def granted() -> list[Right]:
    """What the chart gives to the operator when nothing is configured, as real Helm renders it."""
    rendered = Helm()("template", RELEASE, str(CHART), f"--namespace={NAMESPACE}")
    manifests = [one for one in yaml.safe_load_all(rendered) if one]
    assert rights(manifests, "tieline-router") == [], "routers have no rights at the API server"
    return rights(manifests, "tieline-operator")


def bundle_size(admin: ApiClient) -> int:
    return str(admin.get(BUNDLE)["data"][CA_KEY]).count("BEGIN CERTIFICATE")


def connected(installation: Installation, since: int) -> bool:
    """Whether each router has proven itself to the operator since the mark."""
    reviews = [one for one in installation.plane.audit(since) if one.resource == "tokenreviews"]
    return len(reviews) >= len(installation.routers)


def rotate(installation: Installation) -> None:
    """The CA comes of age and gets its successor; then, with routers that know both, the successor signs."""
    plane, now = installation.plane, datetime.now(UTC)
    aged = carry_out(Material(), (Step.NEW_CA, Step.NEW_LEAF), now - CA_LIFE * 2 / 3 - timedelta(hours=1), NAMES)
    assert Step.NEXT_CA in plan_certificates(aged.state(), now, NAMES)
    plane.admin.merge(SECRET, {"data": pack(aged)})
    mark = plane.audit_position()
    installation.operator.restart()
    assert bundle_size(plane.admin) == 2
    for router in installation.routers:
        router.refresh()  # as kubelet does within the day for which a new CA is published before it signs
    wait_until(lambda: connected(installation, mark), "routers to come back under the aged CA", 60)

    stored = unpack(plane.admin.get(SECRET)["data"])
    assert stored.next is not None
    assert stored.current is not None
    promoted = Material(current=stored.next, previous=stored.current.certificate, leaf=stored.leaf)
    absent = dict.fromkeys(pack(stored), None)
    plane.admin.merge(SECRET, {"data": absent | pack(promoted)})
    mark = plane.audit_position()
    installation.operator.restart()
    wait_until(lambda: connected(installation, mark), "routers to come back under the new CA", 60)
    leaf = unpack(plane.admin.get(SECRET)["data"]).leaf
    assert leaf is not None
    assert leaf.certificate.issuer == stored.next.certificate.subject
    assert all(router.is_ready() for router in installation.routers)


def key_of(name: str) -> Object:
    """A credential that is the `apiKey` of that Secret."""
    return {"name": "main", "type": "APIKey", "apiKey": {"secretRef": {"name": name, "key": "apiKey"}}}


def exercise(tenant: Tenant) -> None:
    """All that makes the operator ask for something: after the installation, every kind of object, edited and gone."""
    tenant.serve()
    tenant.apply(
        own_pool(),
        route("own"),
        secret("not-permitted", labelled=False, apiKey="0123456789"),
        own_pool("lacks-label", connection={"credentials": [key_of("not-permitted")]}),
    )
    tenant.wait_ready()
    tenant.wait_condition(CONSUMER, "team", "Ready")
    tenant.wait_condition(PROVIDER_POOL, "lacks-label", "ResolvedRefs", "False", "SecretNotLabelled")
    tenant.apply(route("own", retries={"attempts": 2}))
    tenant.wait_ready()
    tenant.kubectl("delete", "providerpool", "own")
    tenant.wait_condition(MODEL_ROUTE, "small", "ResolvedRefs", "False", "PoolNotFound")
    rotate(tenant.installation)


def test_every_right_is_needed_and_none_is_missing(installation: Installation, tenant: Tenant, since: int) -> None:
    def records() -> list[AuditRecord]:
        return [record for record in installation.plane.audit(since) if record.user == OPERATOR]

    rules = granted()
    try:
        exercise(tenant)
    except TimeoutError as error:
        raise AssertionError(f"something did not happen; RBAC refused {without_right(records())}") from error
    # The bootstrap copy and Events are written in their own time.
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: not unused(rules, records(), NAMESPACE), "every right to be used", 30)
    assert unused(rules, records(), NAMESPACE) == []
    assert without_right(records()) == []


def test_operator_and_routers_are_never_admin(installation: Installation, tenant: Tenant, since: int) -> None:
    tenant.serve()
    tenant.apply(own_pool(), route("own"))
    tenant.wait_ready()
    records = installation.plane.audit(since)
    assert {one.user for one in records if one.agent.startswith(OPERATORS_AGENTS)} == {OPERATOR}
    assert {one.agent.partition("/")[0] for one in records if one.user == OPERATOR} <= {"tieline-operator", "kopf"}
    admins = {one.agent for one in records if one.user == "admin"}
    assert [agent for agent in admins if not agent.startswith(TESTS_AGENTS)] == [], "the tests alone are admin"
    accounts = {one.user for one in records if one.user.startswith("system:serviceaccount:")}
    assert {user for user in accounts if not user.startswith("system:serviceaccount:kube-system:")} == {OPERATOR}
