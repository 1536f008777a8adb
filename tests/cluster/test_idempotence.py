"""A second reconcile writes nothing: the API server's own audit log says so, whatever made the operator look again."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator

import pytest
from tieline_api.names import ANNOTATION_EPOCH, CONSUMER, LEASE, MODEL_ROUTE, PROVIDER_POOL

from tests.support.api_client import ApiClient
from tests.support.cluster_world import MODEL, Tenant, consumer, manifest, offer, own_pool, route, secret
from tests.support.control_plane import AuditRecord, ControlPlane
from tests.support.installation import NAMESPACE, Installation
from tests.support.kubectl import Kubectl
from tests.support.namespaces import fresh_namespace
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(240)  # one installation for all tests of the file; machines may be busy
OPERATOR = f"system:serviceaccount:{NAMESPACE}:tieline-operator"
PACES = {
    "TIELINE_RESYNC_SECONDS": "0.5",
    "TIELINE_PROBE_SECONDS": "1",
    "TIELINE_BOOTSTRAP_SECONDS": "0",
    "TIELINE_SETTLE_SECONDS": "60",  # on a busy machine routers take their time to come back
}
ROUNDS = 4
"""LISTs of everything after a cause; each may only find what the one before it found."""
KINDS = (MODEL_ROUTE, PROVIDER_POOL, CONSUMER)


@pytest.fixture(scope="module")
def installation(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    folder = tmp_path_factory.mktemp("installation")
    with Installation(control_plane, folder, operator_variables=PACES) as installed:
        yield installed


class Watched:
    """What the operator asks of the API server from now on."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._since = plane.audit_position()

    def records(self) -> list[AuditRecord]:
        return [record for record in self._plane.audit(self._since) if record.user == OPERATOR]

    def writes(self) -> list[str]:
        """All but the renewals of the Lease, and the questions about tokens, which store nothing."""
        return [
            f"{record.verb} {record.resource}/{record.subresource} {record.namespace}/{record.name}"
            for record in self.records()
            if record.writes and record.resource not in {"leases", "tokenreviews"}
        ]

    def rounds(self) -> int:
        """LISTs of all kinds that ended since: namespaces come last in a round. The watches' own LISTs do not count."""
        lists = [one for one in self.records() if one.verb == "list" and one.agent.startswith("tieline-operator")]
        return sum(one.resource == "namespaces" for one in lists)

    def wait_rounds(self, count: int = ROUNDS) -> None:
        wanted = self.rounds() + count
        wait_until(lambda: self.rounds() >= wanted, f"{count} resyncs", 60)


def settle(plane: ControlPlane) -> None:
    """Returns when some rounds passed without a write."""

    def quiet() -> bool:
        watched = Watched(plane)
        watched.wait_rounds()
        return not watched.writes()

    wait_until(quiet, "the operator to have nothing left to write", 60)


@pytest.fixture(scope="module")
def world(installation: Installation, admin: ApiClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """Objects with every kind of verdict, in one namespace for all tests, because deleting one is a cause of writes."""
    with fresh_namespace(admin) as namespace:
        kubectl = Kubectl(installation.plane.kubeconfig(), namespace)
        world = Tenant(installation, kubectl, namespace, tmp_path_factory.mktemp("world"))
        world.apply_consumer()
        world.serve()
        world.apply(
            own_pool(),
            route("own"),
            route("missing", name="to-nowhere"),
            route("own", name="ignored", strategy={"type": "Latency"}),
            secret("unlabelled", labelled=False, apiKey="0123456789"),
            manifest(PROVIDER_POOL, "unlabelled", bought("unlabelled")),
            consumer("unsupported", limits={"requestsPerMinute": 1}),
        )
        world.wait_ready()
        world.apply(route("own", name="younger", models=["small"]))
        world.wait_condition(MODEL_ROUTE, "younger", "Accepted", "False", "Conflicted")
        world.wait_condition(MODEL_ROUTE, "to-nowhere", "ResolvedRefs", "False", "PoolNotFound")
        world.wait_condition(MODEL_ROUTE, "ignored", "FieldsIgnored", "True")
        world.wait_condition(PROVIDER_POOL, "unlabelled", "ResolvedRefs", "False", "SecretNotLabelled")
        world.wait_condition(CONSUMER, "unsupported", "Accepted", "False", "UnsupportedField")
        yield world
        world.close()


@pytest.fixture
def settled(world: Tenant) -> Tenant:
    """The world, and an operator that has nothing left to do in it."""
    settle(world.installation.plane)
    return world


def bought(key_secret: str) -> dict[str, object]:
    """Spec of an External pool with the key of that Secret."""
    reference = {"name": key_secret, "key": "apiKey"}
    credentials = [{"name": "main", "type": "APIKey", "apiKey": {"secretRef": reference}}]
    external = {"baseURL": "https://provider.example"}
    return {"type": "External", "external": external, "connection": {"credentials": credentials}, "models": [offer()]}


def versions(admin: ApiClient, namespace: str) -> dict[str, str]:
    """resourceVersion of everything that the operator could have written there, its Lease apart."""
    paths = [f"/apis/tieline.dev/v1alpha1/namespaces/{namespace}/{kind.lower()}s" for kind in KINDS]
    paths += [f"/api/v1/namespaces/{namespace}/{kind}" for kind in ("configmaps", "secrets")]
    return {
        f"{path}/{one['metadata']['name']}": one["metadata"]["resourceVersion"]
        for path in paths
        for one in admin.items(path)
    }


def test_listing_everything_again_and_again_writes_nothing(settled: Tenant, admin: ApiClient) -> None:
    before = versions(admin, settled.namespace), versions(admin, NAMESPACE)
    watched = Watched(settled.installation.plane)
    watched.wait_rounds(2 * ROUNDS)
    assert watched.writes() == []
    assert (versions(admin, settled.namespace), versions(admin, NAMESPACE)) == before


def test_a_change_that_means_nothing_writes_nothing_and_one_that_does_is_seen(settled: Tenant) -> None:
    watched = Watched(settled.installation.plane)
    for kind, name in {
        "modelroute": "small",
        "providerpool": "own",
        "consumer": "team",
        "service": "own",
        "namespace": settled.namespace,
    }.items():
        settled.kubectl("annotate", kind, name, "example.com/note=looked-at")
        settled.kubectl("label", kind, name, "example.com/team=search")
    watched.wait_rounds()
    assert watched.writes() == []

    settled.apply(route("own", backendRefs=[{"name": "own", "model": MODEL, "weight": 7}]))
    settled.wait_ready()
    assert f"patch modelroutes/status {settled.namespace}/small" in watched.writes(), "this test can see a write"


def test_what_users_wrote_is_left_alone(settled: Tenant) -> None:
    for kind in KINDS:
        for body in settled.kubectl.json("get", kind, "--show-managed-fields")["items"]:
            assert "finalizers" not in body["metadata"]
            assert {name.partition("/")[0] for name in body["metadata"]["annotations"]} <= {
                "kubectl.kubernetes.io",
                "example.com",
            }
            written = {(one["manager"], one.get("subresource")) for one in body["metadata"]["managedFields"]}
            assert ("tieline-operator", "status") in written
            assert {manager for manager, part in written if part is None} <= {
                "kubectl-client-side-apply",
                "kubectl-annotate",
                "kubectl-label",
            }


def _kill(installation: Installation) -> None:
    installation.operator.restart(signal.SIGKILL)


def _stop(installation: Installation) -> None:
    installation.operator.restart(signal.SIGTERM)


def _restart_routers(installation: Installation) -> None:
    for router in installation.routers:
        router.restart()


@pytest.mark.parametrize(
    ("cause", "epochs"), [(_kill, 1), (_stop, 1), (_restart_routers, 0)], ids=["killed", "stopped", "routers"]
)
def test_a_restart_writes_the_epoch_and_nothing_else(
    settled: Tenant, admin: ApiClient, cause: Callable[[Installation], None], epochs: int
) -> None:
    installation = settled.installation

    def epoch() -> int:
        lease = admin.get(f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{LEASE}")
        return int(lease["metadata"]["annotations"][ANNOTATION_EPOCH])

    def reconnected() -> bool:
        return sum(record.resource == "tokenreviews" for record in watched.records()) >= len(installation.routers)

    before, epoch_before = (versions(admin, settled.namespace), versions(admin, NAMESPACE)), epoch()
    watched = Watched(installation.plane)
    cause(installation)
    wait_until(reconnected, "the routers to come back", 60)
    watched.wait_rounds()
    assert watched.writes() == []
    assert epoch() == epoch_before + epochs
    assert (versions(admin, settled.namespace), versions(admin, NAMESPACE)) == before
    settled.wait_ready()
