"""What every floor needs: each test is marked with its floor, which is the folder that it stands in."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
FLOORS = ("integration", "cluster", "charts", "docs")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        folder = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        item.add_marker(folder if folder in FLOORS else "unit")
