"""What was deleted while no watch could tell of it is gone after the watches have begun anew, without a restart.

kopf keeps objects that vanished during such a re-list, so this proves the operator's own LISTs.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.support.cluster_world import Tenant, admin_get, consumer, own_pool, route, secret
from tests.support.control_plane import ControlPlane
from tests.support.installation import Installation
from tests.support.pods import PodProcess
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(240)  # one installation for all tests of the file; machines may be busy
SECONDS = 60
"""Well below the pace of the periodic LISTs (two minutes): the re-list itself must be noticed."""


def keys(router: PodProcess) -> dict[str, set[str]]:
    """Keys of what is in force at a router, by kind."""
    config: dict[str, Any] = admin_get(router, "/admin/snapshot")["config"]
    return {kind: {one["key"] for one in config.get(kind, ())} for kind in ("routes", "pools", "consumers")}


def restart_api_server(plane: ControlPlane) -> None:
    """Its memory of what happened is gone then, so a watch that goes on from an older version gets 410."""
    plane.kill("kube-apiserver")
    plane.spawn("kube-apiserver")
    plane.wait_ready()


def while_nobody_watches(installation: Installation, change: Callable[[], None]) -> None:
    """The change happens and its events are lost: before it the watches' connections end, after it the server forgets
    it, and the operator stands still until then."""
    installation.operator.send(signal.SIGSTOP)
    try:
        restart_api_server(installation.plane)
        change()
        restart_api_server(installation.plane)
    finally:
        installation.operator.send(signal.SIGCONT)


def test_objects_that_vanished_unseen_leave_the_routers(tenant: Tenant, installation: Installation) -> None:
    tenant.serve()
    tenant.apply(
        own_pool(), route("own"), own_pool("second", service="own"), route("second", name="goes"),
        secret("other-keys", main="sk-other-consumer"), consumer("other", secret="other-keys"),
    )  # fmt: skip
    tenant.wait_ready("small", "goes")
    space = tenant.namespace
    gone = {"routes": f"{space}/goes", "pools": f"{space}/second", "consumers": f"{space}/other"}
    [first, *_] = installation.routers
    wait_until(lambda: all(gone[kind] in found for kind, found in keys(first).items()), "all to be in force")
    lease = f"/apis/coordination.k8s.io/v1/namespaces/{installation.namespace}/leases/tieline-operator"
    epoch = installation.plane.admin.get(lease)["metadata"]["annotations"]["tieline.dev/epoch"]

    def delete() -> None:
        tenant.kubectl("delete", "--wait=false", "modelroute/goes", "providerpool/second", "consumer/other")

    def forgotten(router: PodProcess) -> bool:
        return not any(gone[kind] in found for kind, found in keys(router).items())

    def watches_began_anew() -> bool:
        lists = [one for one in installation.plane.audit(since) if one.verb == "list" and one.agent.startswith("kopf")]
        return {"modelroutes", "providerpools", "consumers"} <= {one.resource for one in lists}

    since = installation.plane.audit_position()
    while_nobody_watches(installation, delete)
    wait_until(watches_began_anew, "kopf to list all kinds", SECONDS)
    for router in installation.routers:
        wait_until(partial(forgotten, router), f"{router.name} to forget what was deleted", SECONDS)
        assert tenant.ask(router, "goes").status == 404
        assert tenant.ask(router).status == 200
    assert installation.plane.admin.get(lease)["metadata"]["annotations"]["tieline.dev/epoch"] == epoch
