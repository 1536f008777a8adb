"""Renews the lock files in requirements/ from pyproject.toml. Called by `make lock`; needs a package index, like pip.

The files hold names, versions and hashes, never an address, so that every reader's own package index serves them.
"""

import argparse
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
OLDEST_PYTHON = "3.11"

LOCKS = {
    "dev.txt": ("--extra", "all", "--group", "dev"),
    "operator.txt": ("--extra", "operator"),
    "router.txt": ("--extra", "router"),
    "cli.txt": ("--extra", "cli"),
}
"""File → what of pyproject.toml it pins."""

HEADERS = {
    "dev.txt": "# Development: pip install --no-deps --require-hashes -r requirements/dev.txt (make env does it)",
    "operator.txt": "# The operator: pip install --require-hashes -r requirements/operator.txt",
    "router.txt": "# The router: pip install --require-hashes -r requirements/router.txt",
    "cli.txt": "# The command line, both planes included: pip install --require-hashes -r requirements/cli.txt",
}
NOTE = "# Written by `make lock` from pyproject.toml for Python 3.11 and newer; not edited by hand.\n"

PIN = re.compile(r"^(?P<name>[A-Za-z0-9][\w.-]*)==(?P<version>[^\s;\\]+)", re.MULTILINE)
ADDRESS = re.compile(r"https?://|--(?:extra-)?index-url|--find-links|\bfile:|@ ")


def pins(lock: str) -> dict[str, str]:
    """Package name → version, as a lock file's text pins them."""
    return {match["name"]: match["version"] for match in PIN.finditer(lock)}


def compile_lock(name: str, *, upgrade: bool) -> None:
    target = ROOT / "requirements" / name
    command = [str(Path(sys.executable).with_name("uv")), "pip", "compile", "pyproject.toml", *LOCKS[name]]
    command += ["--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes", "--quiet", "--no-header"]
    command += ["--no-emit-index-url", "--no-emit-find-links", "--output-file", str(target.relative_to(ROOT))]
    subprocess.run(command + ["--upgrade"] * upgrade, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    text = HEADERS[name] + "\n" + NOTE + target.read_text()
    if found := ADDRESS.search(text):
        sys.exit(f"make lock: requirements/{name} names an address ({found.group()!r}); unset the index's variables?")
    target.write_text(text)
    print(f"requirements/{name}: {len(pins(text))} packages")


def disagreements() -> list[str]:
    """Packages that two lock files pin to different versions."""
    files = {name: pins((ROOT / "requirements" / name).read_text()) for name in LOCKS}
    development = files.pop("dev.txt")
    return [
        f"{package} is {version} in {name} and {development.get(package, 'absent')} in dev.txt"
        for name, packages in files.items()
        for package, version in packages.items()
        if development.get(package) != version
    ]


def uncovered() -> list[str]:
    """Requirements of pyproject.toml that a lock file lacks or pins to a version out of their range."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = {"dev.txt": [Requirement(line) for line in project["dependency-groups"]["dev"]]}
    extras = project["project"]["optional-dependencies"]
    for name in ("operator", "router", "cli"):
        lines = project["project"]["dependencies"] + extras[name]
        wanted[f"{name}.txt"] = [Requirement(line) for line in lines if not line.startswith("tieline[")]
    found = []
    for name, requirements in wanted.items():
        packages = pins((ROOT / "requirements" / name).read_text())
        for requirement in requirements:
            version = packages.get(canonicalize_name(requirement.name))
            if version is None or not requirement.specifier.contains(version, prereleases=True):
                found.append(f"pyproject.toml asks for {requirement}, requirements/{name} has {version or 'none'}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="make lock", description="Renew requirements/*.txt from pyproject.toml.")
    parser.add_argument("--upgrade", action="store_true", help="take newer versions; without it, pins that fit stay")
    upgrade = bool(parser.parse_args().upgrade)
    for name in LOCKS:
        compile_lock(name, upgrade=upgrade)
    if found := disagreements():
        sys.exit("make lock: users would run what was not tested:\n  " + "\n  ".join(found))


if __name__ == "__main__":
    main()
