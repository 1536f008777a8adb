"""The chart floor: the charts as real Helm renders and refuses them, and as a real API server takes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.conftest import admin, control_plane  # noqa: F401 - fixtures of this floor too
from tests.support import cluster_floor
from tests.support.helm import Helm

HERE = Path(__file__).parent
CHARTS = HERE.parents[1] / "charts"
NAMESPACE = "tieline-system"

Object = dict[str, Any]
Render = Callable[..., list[Object]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="write the golden renderings of the charts anew")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Before the first test, so that no test's time limit counts the build of the control plane."""
    needing = [item for item in session.items if "control_plane" in getattr(item, "fixturenames", ())]
    if not session.config.option.collectonly and any(item.path.is_relative_to(HERE) for item in needing):
        cluster_floor.prepare(session.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    cluster_floor.report(terminalreporter, config)


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Helm without a cluster."""
    return Helm()


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """Objects of the chart `tieline` with these values on top of the defaults; `HelmError` when they are refused."""

    def rendered(values: object = None, chart: str = "tieline") -> list[Object]:
        words = ("template", "tieline", str(CHARTS / chart), f"--namespace={NAMESPACE}", "--values=-")
        return [one for one in yaml.safe_load_all(helm(*words, stdin=yaml.safe_dump(values or {}))) if one]

    return rendered


def of_kind(objects: list[Object], *kinds: str) -> list[Object]:
    return [one for one in objects if one["kind"] in kinds]
