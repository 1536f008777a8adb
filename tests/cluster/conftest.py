"""The cluster floor: tests against a real API server, in a network namespace where pod addresses are local.

One control plane a session, one fresh namespace a test.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import cluster_floor
from tests.support.api_client import ApiClient
from tests.support.cluster_world import Tenant
from tests.support.control_plane import ControlPlane
from tests.support.crds import apply_crds
from tests.support.installation import Installation
from tests.support.kubectl import Kubectl
from tests.support.namespaces import fresh_namespace

HERE = Path(__file__).parent


def pytest_collection_finish(session: pytest.Session) -> None:
    """Before the first test, so that no test's time limit counts the build of the control plane."""
    if not session.config.option.collectonly and any(item.path.is_relative_to(HERE) for item in session.items):
        cluster_floor.prepare(session.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    cluster_floor.report(terminalreporter, config)


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """Running, with two nodes. A test that kills a program starts it again before it ends."""
    cluster_floor.require(request.config)
    with ControlPlane(tmp_path_factory.mktemp("control-plane"), nodes=2) as plane:
        yield plane
    shutil.rmtree(plane.folder / "etcd")  # some 100 MB that tell nothing; the logs stay


@pytest.fixture(scope="session")
def admin(control_plane: ControlPlane) -> ApiClient:
    """The raw API as cluster administrator; asynchronous tests call it by `asyncio.to_thread` or `eventually`."""
    return control_plane.admin


@pytest.fixture
def namespace(admin: ApiClient) -> Iterator[str]:
    """A namespace of the test's own with its default service account; its deletion is asked for, not waited for."""
    with fresh_namespace(admin) as name:
        yield name


@pytest.fixture
def kubectl(control_plane: ControlPlane, namespace: str) -> Kubectl:
    """Real kubectl as administrator, whose default namespace is the test's own."""
    return Kubectl(control_plane.kubeconfig(), namespace)


@pytest.fixture(scope="module")
def installation(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """Tieline by its chart, with one operator and two routers, anew for each file of tests."""
    with Installation(control_plane, tmp_path_factory.mktemp("installation")) as installed:
        yield installed


@pytest.fixture
def tenant(installation: Installation, kubectl: Kubectl, namespace: str, tmp_path: Path) -> Iterator[Tenant]:
    """The test's namespace with a key of its own, for what users and their applications do there."""
    tenant = Tenant(installation, kubectl, namespace, tmp_path)
    tenant.apply_consumer()
    yield tenant
    tenant.close()


@pytest.fixture(scope="session")
def crds_applied(control_plane: ControlPlane) -> list[str]:
    """The names of Tieline's CRDs, applied by kubectl from `crds/` and served."""
    return apply_crds(control_plane)
