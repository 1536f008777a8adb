"""The wheel that users install: the four packages, their types and commands, and nothing else."""

import os
import subprocess
import sys
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from scripts import lock

ROOT = Path(__file__).resolve().parents[2]
ROOTS = {"tieline_api": "crds", "tieline_operator": "operator", "tieline_router": "router", "tieline_cli": "cli"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=100)
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_it_holds_every_module_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    modules = {
        str(path.relative_to(ROOT / root))
        for package, root in ROOTS.items()
        for path in (ROOT / root / package).rglob("*")
        if path.suffix == ".py" or path.name == "py.typed"
    }
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert {name for name in names if name.endswith((".py", "py.typed"))} == modules
    assert {name.partition("/")[0] for name in names} == set(ROOTS)


def test_its_commands_lead_to_functions(wheel: zipfile.ZipFile) -> None:
    (entry_points,) = (name for name in wheel.namelist() if name.endswith("entry_points.txt"))
    lines = wheel.read(entry_points).decode().splitlines()
    assert [line for line in lines if "=" in line] == [
        "tieline = tieline_cli.__main__:main",
        "tieline-operator = tieline_operator.__main__:main",
        "tieline-router = tieline_router.__main__:main",
    ]


@pytest.mark.parametrize("package", ["tieline_operator", "tieline_router", "tieline_cli"])
def test_its_commands_run_from_the_wheel(wheel: zipfile.ZipFile, tmp_path: Path, package: str) -> None:
    wheel.extractall(tmp_path)
    where = f"import {package}.__main__ as m; print(m.__file__); import sys; sys.argv[1:] = ['--help']; m.main()"
    done = subprocess.run(
        [sys.executable, "-c", where],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
    assert "usage: tieline" in done.stdout


def test_the_folder_operator_shadows_nothing() -> None:
    code = "import operator, sys; assert operator.add(1, 2) == 3; print(operator.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60
    )
    assert not done.stdout.startswith(str(ROOT / "operator"))


IMPORT_ALL = """
import importlib, pkgutil, sys
from importlib.machinery import PathFinder

missing = set(sys.argv[2].split(","))

class Installed:
    # Finds what stands on the path, but for what the extra does not install: that is not there for anybody.

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in missing else PathFinder.find_spec(name, path, target)

sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
package = importlib.import_module(sys.argv[1])
for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
    importlib.import_module(module.name)
"""


@pytest.mark.parametrize(
    ("package", "file"),
    [("tieline_operator", "operator.txt"), ("tieline_router", "router.txt"), ("tieline_cli", "cli.txt")],
)
def test_every_module_runs_with_what_its_lock_file_installs(package: str, file: str) -> None:
    installed = {canonicalize_name(name) for name in lock.pins((ROOT / "requirements" / file).read_text())} | {
        "tieline"
    }
    missing = {
        module
        for module, distributions in packages_distributions().items()
        if not installed.intersection(map(canonicalize_name, distributions)) and module not in sys.stdlib_module_names
    }
    assert "pytest" in missing
    command = [sys.executable, "-c", IMPORT_ALL, package, ",".join(missing)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
