"""docs/dependencies.md is the one table of dependencies, and no package imports what its extra does not ask for."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs import markdown

PROJECT = tomllib.loads((markdown.ROOT / "pyproject.toml").read_text())
USERS, DEVELOPERS = (markdown.ROOT / "docs" / "dependencies.md").read_text().split("## For development")
OURS = {"tieline_api", "tieline_operator", "tieline_router", "tieline_cli"}
SHIPS_WITH = {
    "annotated-types": "pydantic",
    "pydantic-core": "pydantic",
    "yarl": "aiohttp",
}
"""A dependency of a dependency that is part of its interface."""
WHERE = {
    "tieline_api": ("crds", ()),
    "tieline_operator": ("operator", ("operator",)),
    "tieline_router": ("router", ("router",)),
    "tieline_cli": ("cli", ("operator", "router", "cli")),
}
"""Package → its source root and the extras that its users install."""

NEWER = {"compression"}
"""Modules that the standard library got after the Python that runs the tests."""
OPTIONAL = {"tieline_api": {"common-expression-language", "jsonschema", "pyyaml"}}
"""What parts of a package need that only the command line and the Makefile use (tests/integration/test_distribution.py
imports every module with what its extra installs)."""


def names(requirements: list[str]) -> set[str]:
    return {str(canonicalize_name(Requirement(line).name)) for line in requirements} - {"tieline"}


def extra(name: str) -> set[str]:
    return names(PROJECT["project"]["optional-dependencies"][name])


def imported(folder: Path) -> set[str]:
    """Distributions that the modules of a folder import, those under `if TYPE_CHECKING` included."""
    modules = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    known = packages_distributions()
    found = {
        name for module in modules - OURS - sys.stdlib_module_names - NEWER for name in known.get(module, [module])[:1]
    }
    return {SHIPS_WITH.get(canonicalize_name(name), canonicalize_name(name)) for name in found}


def test_the_table_for_users_is_that_of_the_project() -> None:
    table = {
        canonicalize_name(name): set(extras.split(", "))
        for name, extras in zip(markdown.table_column(USERS), markdown.table_column(USERS, 1), strict=True)
    }
    wanted = {name: {"base"} for name in names(PROJECT["project"]["dependencies"])}
    for part in ("operator", "router", "cli"):
        for name in extra(part):
            wanted.setdefault(name, set()).add(part)
    assert table == wanted


def test_the_table_for_development_is_that_of_the_project() -> None:
    table = {canonicalize_name(name) for cell in markdown.table_column(DEVELOPERS) for name in cell.split(", ")}
    assert table == names(PROJECT["dependency-groups"]["dev"])


def test_every_dependency_has_a_reason() -> None:
    assert all(markdown.table_column(USERS, 2))
    assert all(markdown.table_column(DEVELOPERS, 1))


@pytest.mark.parametrize("package", WHERE)
def test_a_package_imports_only_what_its_extra_asks_for(package: str) -> None:
    root, extras = WHERE[package]
    allowed = names(PROJECT["project"]["dependencies"]).union(*(extra(name) for name in extras))
    assert imported(markdown.ROOT / root / package) <= allowed | OPTIONAL.get(package, set())


def test_every_dependency_for_users_is_imported() -> None:
    used = set().union(*(imported(markdown.ROOT / root / package) for package, (root, _) in WHERE.items()))
    # tzdata: data that zoneinfo finds by itself; opentelemetry-sdk: a fixed part of the stack that emits nothing yet
    without_import = {"tzdata", "opentelemetry-sdk"}
    assert set(map(canonicalize_name, markdown.table_column(USERS))) - without_import <= used
