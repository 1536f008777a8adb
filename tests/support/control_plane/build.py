"""The control plane's programs: from `CONTROL_PLANE_BIN`, from the cache, or built from pinned Go modules, once.

`go.mod` beside this file is a module without code whose `tool` lines name the five programs; `go.sum` pins every byte
of source. The cache's key holds the Kubernetes version and a hash of all that goes into the build. The build needs the
network, so it must run before a network namespace is entered. Called by `ControlPlane` and the cluster floor.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.support.tools import Go, Unavailable, cache_folder, find_go

MODULE = Path(__file__).parent

PROGRAMS = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kwok": "sigs.k8s.io/kwok/cmd/kwok",
}
"""Program → Go package, in the order in which they are built (the small one first, so that a fault shows early)."""

STAGES = (
    "node/fast/node-initialize.yaml",
    "node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "pod/fast/pod-ready.yaml",
    "pod/fast/pod-complete.yaml",
    "pod/fast/pod-delete.yaml",
)
"""kwok's life cycle of fake nodes and pods: data files of its module, under `kustomize/stage`."""

NETWORK_VARIABLES = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE")
"""Settings of the user's Go that say how to reach modules; every other GO… variable could change what is built."""


def kubernetes_version() -> str:
    """The release that go.mod pins, such as `v1.36.3`."""
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", (MODULE / "go.mod").read_text(), re.MULTILINE)
    if found is None:
        raise ValueError(f"{MODULE / 'go.mod'} requires no k8s.io/kubernetes")
    return found[1]


def linker_flags(version: str) -> str:
    """Drop debug tables; stamp the release, for an unstamped API server says v0.0.0 and kubectl warns of skew."""
    major, minor = version.removeprefix("v").split(".")[:2]
    stamp = "k8s.io/component-base/version"
    values = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return " ".join(["-s", "-w", *(f"-X {stamp}.{name}={value}" for name, value in values.items())])


def cache_key() -> str:
    """`<version>-<hash>`; the hash covers module pins, packages, flags and stages."""
    recipe = repr((PROGRAMS, STAGES, linker_flags(kubernetes_version()))).encode()
    content = b"\0".join([(MODULE / "go.mod").read_bytes(), (MODULE / "go.sum").read_bytes(), recipe])
    return f"{kubernetes_version()}-{hashlib.sha256(content).hexdigest()[:12]}"


def binaries(console: Console | None = None) -> Path:
    """The folder that holds the five programs and `stages/`; builds them when nobody has.

    Raises `Unavailable` with the reason and the remedy when they cannot be had.
    """
    if given := os.environ.get("CONTROL_PLANE_BIN"):
        return _checked(Path(given).resolve())
    target = cache_folder() / "control-plane" / cache_key()
    if not target.is_dir():
        console = console or Console(stderr=True)
        with _only_one_builder(target, console):
            if not target.is_dir():
                _build(target, console)
    return target


def _checked(folder: Path) -> Path:
    wanted = [*PROGRAMS, *(f"stages/{Path(stage).name}" for stage in STAGES)]
    if missing := [name for name in wanted if not (folder / name).is_file()]:
        raise Unavailable(
            f"CONTROL_PLANE_BIN={folder} lacks {', '.join(missing)}",
            "unset it to have them built, or complete the folder",
        )
    return folder


@contextmanager
def _only_one_builder(target: Path, console: Console) -> Iterator[None]:
    """An advisory lock beside the target; the kernel drops it when its holder dies."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            console.print("control plane: another process builds it; waiting for that")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build(target: Path, console: Console) -> None:
    """Build into a folder of its own and rename it at the end: a target that exists is complete.

    Finished programs and Go's caches survive an interruption, so the next try goes on where this one stopped; after
    success the caches (2 GB) are removed.
    """
    go = find_go()
    partial = target.with_name(target.name + ".partial")
    caches = cache_folder() / "control-plane" / "go"
    partial.mkdir(parents=True, exist_ok=True)
    environment = go_environment(dict(os.environ), caches)
    console.print(
        f"control plane: building {len(PROGRAMS)} programs of Kubernetes {kubernetes_version()} from source, "
        f"once, into {target} (about 5 minutes on 2 cores)"
    )
    for index, (name, package) in enumerate(PROGRAMS.items(), start=1):
        with _progress(f"{name} ({index} of {len(PROGRAMS)})", console):
            compile_program(go, package, partial / name, environment)
    _copy_stages(go, partial / "stages", environment)
    partial.rename(target)
    shutil.rmtree(caches, ignore_errors=True)


@contextmanager
def _progress(what: str, console: Console) -> Iterator[None]:
    """A running clock on a terminal; elsewhere one line at the start. One line at the end in both."""
    started = time.monotonic()
    if console.is_terminal:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as progress:
            progress.add_task(f"building {what}", total=None)
            yield
    else:
        console.print(f"control plane: building {what}")
        yield
    console.print(f"control plane: built {what} in {time.monotonic() - started:.0f} s")


def go_environment(inherited: dict[str, str], caches: Path) -> dict[str, str]:
    """Environment of a build that depends on the pins alone: nothing of the user's Go but how modules are reached."""
    kept = {key: value for key, value in inherited.items() if not key.startswith("GO") or key in NETWORK_VARIABLES}
    return kept | {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-buildvcs=false -modcacherw",
        "GOPATH": str(caches / "path"),
        "GOMODCACHE": str(caches / "modules"),
        "GOCACHE": str(caches / "build"),
    }


def compile_program(go: Go, package: str, target: Path, environment: dict[str, str]) -> None:
    """Compile one program, unless `target` is there already; it appears only when whole."""
    if target.is_file():
        return
    unfinished = target.with_name(target.name + ".unfinished")
    flags = ["-trimpath", f"-ldflags={linker_flags(kubernetes_version())}"]
    _run_go(go, ["build", *flags, "-o", str(unfinished), package], environment)
    unfinished.rename(target)


def _copy_stages(go: Go, target: Path, environment: dict[str, str]) -> None:
    module = _run_go(go, ["list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"], environment).strip()
    target.mkdir(exist_ok=True)
    for stage in STAGES:
        shutil.copyfile(Path(module) / "kustomize" / "stage" / stage, target / Path(stage).name)


def _run_go(go: Go, words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [go.path, *words], cwd=MODULE, env=environment, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        last_lines = "\n".join(done.stderr.splitlines()[-15:])
        raise Unavailable(
            f"`go {' '.join(words)}` failed:\n{last_lines}\n",
            "mend that (the build downloads Go modules, so it needs the network), or set CONTROL_PLANE_BIN",
        )
    return done.stdout
