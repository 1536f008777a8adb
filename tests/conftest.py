"""What every floor needs: each test is marked with its floor, which is the folder that it stands in."""

import os
from pathlib import Path

import hypothesis
import pytest

TESTS = Path(__file__).parent
FLOORS = ("integration", "conformance", "fuzz", "cluster", "charts", "docs")

# A busy machine is no failure, so no deadline; in CI the same examples every time, elsewhere new ones.
hypothesis.settings.register_profile(
    "tieline",
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("tieline")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        item.add_marker(folder if folder in FLOORS else "unit")
