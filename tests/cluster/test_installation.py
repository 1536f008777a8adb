"""Tieline installed by its chart on the real API server: each process runs as its service account, over real TLS."""

from __future__ import annotations

import signal
from pathlib import Path

from tests.support.installation import NAMESPACE, Installation
from tests.support.waiting import wait_until

OPERATOR = f"system:serviceaccount:{NAMESPACE}:tieline-operator"
ROUTER = f"system:serviceaccount:{NAMESPACE}:tieline-router"


def test_operator_and_two_routers_become_ready(installation: Installation) -> None:
    assert installation.operator.is_ready()
    assert [router.is_ready() for router in installation.routers] == [True, True]


def test_only_the_operator_speaks_to_the_api_server_and_nothing_is_refused(installation: Installation) -> None:
    records = installation.plane.audit()
    mine = [record for record in records if record.user == OPERATOR]
    assert {"create", "list", "watch"} <= {record.verb for record in mine}
    assert [record for record in mine if not record.allowed] == []
    assert [record for record in records if record.user == ROUTER] == []


def test_killed_operator_comes_back_and_routers_stay_ready(installation: Installation) -> None:
    assert installation.operator.kill() == -signal.SIGKILL
    assert [router.is_ready() for router in installation.routers] == [True, True]
    installation.operator.start()


def test_killed_router_comes_back(installation: Installation) -> None:
    router = installation.routers[0]
    router.restart()
    assert router.is_ready()


def test_router_of_another_namespace_is_ready_with_its_own_scope(installation: Installation, namespace: str) -> None:
    router = installation.add_router(namespace)
    router.start()
    assert router.is_ready()


def test_pods_that_helm_scales_get_processes(installation: Installation, tmp_path: Path) -> None:
    scale = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/tieline-router-default/scale"
    installation.plane.admin.merge(scale, {"spec": {"replicas": 3}})
    wait_until(lambda: len(installation.fleet.pods()) == 3, "a third router pod")
    assert len(installation.fleet.sync()) == 3
    installation.plane.admin.merge(scale, {"spec": {"replicas": 2}})
    wait_until(lambda: len(installation.fleet.pods()) == 2, "two router pods")
    assert len(installation.fleet.sync()) == 2
    assert all(router.is_ready() for router in installation.routers)


def test_installation_after_an_installation_works(installation: Installation, tmp_path: Path) -> None:
    installation.stop()
    installation.uninstall()
    installation.start()
    assert all(router.is_ready() for router in installation.routers)
