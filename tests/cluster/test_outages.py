"""Parts that go away while requests flow: no request fails, no revision goes back, and all is well after the return."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tieline_api.names import ANNOTATION_EPOCH, LEASE, MODEL_ROUTE

from tests.support.api_client import Object
from tests.support.cluster_traffic import Traffic
from tests.support.cluster_world import (
    NAME,
    PATIENCE,
    PERMISSIVE,
    Tenant,
    admin_get,
    bought_pool,
    own_pool,
    route,
    secret,
)
from tests.support.control_plane import ControlPlane
from tests.support.installation import NAMESPACE, Installation
from tests.support.pods import PodProcess
from tests.support.tools import Unavailable
from tests.support.waiting import wait_until

LEASE_PATH = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/{LEASE}"
ROLE_PATH = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{NAMESPACE}/roles/tieline-operator"
BOOTSTRAP_PATH = f"/api/v1/namespaces/{NAMESPACE}/configmaps/tieline-bootstrap-default"
AWAY_SECONDS = 20


@pytest.fixture(scope="module")
def installation(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    values = {"operator": {"settings": {**PERMISSIVE["operator"]["settings"], "bootstrapSeconds": 1}}}
    with Installation(control_plane, tmp_path_factory.mktemp("installation"), values=values) as installed:
        yield installed


@pytest.fixture
def served(tenant: Tenant) -> Tenant:
    """A tenant with a route to two pools, whose streams take a while."""
    tenant.serve("a", "--delay", "0.02", replicas=2)
    tenant.serve("b")
    tenant.apply(own_pool("a"), own_pool("b"), route("a", "b"))
    tenant.wait_ready()
    return tenant


def traffic_of(tenant: Tenant) -> Traffic:
    return Traffic(tenant.installation.routers, tenant.key, NAME)


def epoch(installation: Installation) -> int:
    return int(installation.plane.admin.get(LEASE_PATH)["metadata"]["annotations"][ANNOTATION_EPOCH])


def is_epoch(installation: Installation, number: int) -> bool:
    return epoch(installation) == number


def said(process: PodProcess, since: int) -> list[Object]:
    """What a process has logged after that position of its log."""
    with process.log.open("rb") as log:
        log.seek(since)
        return [json.loads(line) for line in log.read().splitlines() if line.startswith(b"{")]


# -- the operator goes ---------------------------------------------------------------------------------------------


def test_operator_killed_and_restarted_while_requests_flow(served: Tenant) -> None:
    installation = served.installation
    first = epoch(installation)
    with traffic_of(served) as traffic:
        for number in range(2):
            installation.operator.kill()
            traffic.wait(5)
            assert [router.is_ready() for router in installation.routers] == [True, True]
            installation.operator.start()
            served.apply(route("a", "b", timeouts={"connect": f"{number + 2}s"}))
            served.wait_ready()
            traffic.wait(5)
    assert (traffic.failures, traffic.rewound()) == ([], [])
    assert epoch(installation) == first + 2
    assert [traffic.epochs(router) for router in installation.routers] == [[first, first + 1, first + 2]] * 2


def test_operator_killed_right_after_it_took_the_lease(served: Tenant) -> None:
    installation = served.installation
    first = epoch(installation)
    with traffic_of(served) as traffic:
        for number in range(3):
            installation.operator.kill()
            installation.operator.start(ready=False)
            wait_until(partial(is_epoch, installation, first + number + 1), "the Lease to be taken", PATIENCE)
        installation.operator.kill()
        installation.operator.start()
        recovers(served, traffic, first + 4)


def test_operator_that_ends_between_lease_and_first_frame_leaves_a_gap_and_no_harm(served: Tenant) -> None:
    installation = served.installation
    admin, first = installation.plane.admin, epoch(installation)
    role = admin.get(ROLE_PATH)
    lacking = [rule for rule in role["rules"] if "configmaps" not in rule["resources"]]
    with traffic_of(served) as traffic:
        installation.operator.kill()
        mark = installation.operator.log.stat().st_size
        admin.merge(ROLE_PATH, {"rules": lacking})  # without its CA bundle it cannot open the stream
        try:
            installation.operator.start(ready=False)
            wait_until(partial(is_epoch, installation, first + 1), "the Lease to be taken", PATIENCE)
            wait_until(
                lambda: [line for line in said(installation.operator, mark) if "configmaps" in line["message"]],
                "the missing right to be told",
                PATIENCE,
            )
            installation.operator.kill()
            assert [line for line in said(installation.operator, mark) if "snapshot stream" in line["message"]] == []
        finally:
            admin.merge(ROLE_PATH, {"rules": role["rules"]})
        installation.operator.start()
        recovers(served, traffic, first + 2)
    assert [traffic.epochs(router) for router in installation.routers] == [[first, first + 2]] * 2


def recovers(tenant: Tenant, traffic: Traffic, at: int) -> None:
    """After an edit both routers hold a configuration of epoch `at`, and nothing was lost on the way there."""
    tenant.apply(route("b", "a"))
    tenant.wait_ready()
    traffic.wait(5)
    assert (traffic.failures, traffic.rewound()) == ([], [])
    assert [traffic.epochs(router)[-1] for router in tenant.installation.routers] == [at, at]


# -- the API server goes -------------------------------------------------------------------------------------------


def test_api_server_away_while_requests_flow(served: Tenant) -> None:
    installation = served.installation
    plane, processes = installation.plane, [installation.operator, *installation.routers]
    first = epoch(installation)
    marks = [process.log.stat().st_size for process in processes]
    with traffic_of(served) as traffic:
        plane.kill("kube-apiserver")
        try:
            traffic.flow(AWAY_SECONDS)
        finally:
            plane.spawn("kube-apiserver")
            plane.wait_ready()
        served.apply(route("b", "a"))
        served.wait_ready()
        traffic.wait(5)
    plane.restart_clients()
    assert (traffic.failures, traffic.rewound()) == ([], [])
    assert served.get(MODEL_ROUTE, NAME)["status"]["routers"][0]["summary"] == "2/2"
    assert epoch(installation) == first, "it kept its Lease"

    operator, *routers = (said(process, mark) for process, mark in zip(processes, marks, strict=True))
    loud = [line for line in operator if line["level"] != "info"]
    assert len(loud) == 1, loud
    outage = [line["message"] for line in operator if "API server" in line["message"]]
    assert [re.split(" after |:", message)[0] for message in outage] == [
        "API server unreachable",
        "API server reachable again",
    ]
    assert [line for lines in routers for line in lines if line["level"] != "info"] == []


# -- the operator is away and a router starts ----------------------------------------------------------------------


@pytest.fixture
def both_kinds(tenant: Tenant) -> Iterator[Tenant]:
    """A tenant whose model `small` is served by pods and `dear` by an API that wants a key; at the end the operator is
    back, and so are the pods' addresses, which somebody confirms then."""
    routers = tenant.installation.routers
    [api] = tenant.serve("api").processes
    tenant.serve("own")
    tenant.apply(own_pool(), route("own"))
    tenant.apply(secret("bought-key", apiKey="sk-bought"), bought_pool(url=api.url("http")))
    tenant.apply(route("bought", name="dear"))
    tenant.wait_ready(NAME, "dear")
    try:
        tenant.stand_in_for("own")
    except Unavailable as missing:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(str(missing))
    assert ["from own-" in tenant.ask(router).text for router in routers] == [True, True]
    yield tenant
    if not tenant.installation.operator.running:
        tenant.installation.operator.start()
    tenant.wait_ready(NAME, "dear")
    assert ["from own-" in tenant.ask(router).text for router in tenant.installation.routers] == [True, True]
    for router in tenant.installation.routers:
        tenant.wait_answer(router, 200, "dear")


def state_of(router: PodProcess) -> Path:
    return Path(router.environment()["TIELINE_STATE_FILE"])


def has_saved_all(router: PodProcess) -> bool:
    """Whether the state file has what is in force: it is written a moment later."""
    if not state_of(router).exists():
        return False
    lines = [json.loads(line) for line in state_of(router).read_bytes().splitlines()]
    saved = {line["frame"]: line["revision"] for line in lines if "revision" in line}
    holds = admin_get(router, "/admin/snapshot")["holds"]
    shown = {kind: f"{one['installation'][:8]}.{one['epoch']}.{one['counter']}" for kind, one in saved.items()}
    return shown == {kind: holds[kind] for kind in ("config", "endpoints")}


def test_restarted_router_serves_from_its_file_without_operator(both_kinds: Tenant, tmp_path: Path) -> None:
    tenant, installation = both_kinds, both_kinds.installation
    sealed, keyless = installation.routers
    key = tmp_path / "state-key"
    key.write_bytes(os.urandom(32))
    sealed.extra["TIELINE_STATE_KEY_FILE"] = str(key)
    sealed.restart()  # from now on it seals what it is told
    tenant.wait_answer(sealed, 200, "dear")
    for router in (sealed, keyless):
        wait_until(partial(has_saved_all, router), f"the state file of {router.name}", PATIENCE)
    installation.operator.kill()
    for router in (sealed, keyless):
        router.restart()
    assert ["from service-own" in tenant.ask(router).text for router in (sealed, keyless)] == [True, True]
    assert tenant.ask(sealed, "dear").status == 200
    refused = tenant.ask(keyless, "dear")
    assert (refused.status, refused.error["code"]) == (503, "credentials_unavailable")
    assert [b"sk-bought" in state_of(router).read_bytes() for router in (sealed, keyless)] == [False, False]
    del sealed.extra["TIELINE_STATE_KEY_FILE"]


def test_new_router_pod_serves_from_the_bootstrap_copy_without_operator(both_kinds: Tenant) -> None:
    tenant, installation = both_kinds, both_kinds.installation
    newest = f"{tenant.namespace}/dear".encode()  # a copy is written twice a minute at most, so one may lack it
    wait_until(lambda: newest in bootstrap_copy(installation), "the bootstrap copy", PATIENCE)
    installation.operator.kill()
    old = installation.routers[0]
    tenant.kubectl("delete", "pod", old.name, f"--namespace={NAMESPACE}", "--wait=false")
    wait_until(lambda: replaced(installation, old), "a new pod in its place", PATIENCE)
    known = set(installation.routers) - {old}
    [new] = set(installation.fleet.sync(signal.SIGKILL)) - known
    assert "from service-own" in tenant.ask(new).text
    refused = tenant.ask(new, "dear")
    assert (refused.status, refused.error["code"]) == (503, "credentials_unavailable")


def bootstrap_copy(installation: Installation) -> bytes:
    copy = installation.plane.admin.get(BOOTSTRAP_PATH)["binaryData"]["snapshot.json.gz"]
    return gzip.decompress(base64.b64decode(copy))


def replaced(installation: Installation, old: PodProcess) -> bool:
    names = {pod["metadata"]["name"] for pod in installation.fleet.pods()}
    return old.name not in names and len(names) == 2
