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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from tests.support.tools import Go, Unavailable, cache_folder, find_go

NETWORK_VARIABLES = ("GOPROXY", "GOSUMDB", "GONOSUMDB", "GONOPROXY", "GOPRIVATE", "GOINSECURE")
"""Settings of the user's Go that say how to reach modules; every other GO… variable could change what is built."""


@dataclass(frozen=True)
class Recipe:
    """What to build: a folder with go.mod and go.sum, programs in it, and data files of one of its modules."""

    module: Path
    programs: Mapping[str, str]
    """Program → Go package, in the order in which they are built."""
    stages_module: str
    stages: tuple[str, ...]
    """Files of `stages_module`, which are copied to `stages/`."""

    @property
    def version(self) -> str:
        """The Kubernetes release that go.mod pins, such as `v1.36.3`."""
        found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", (self.module / "go.mod").read_text(), re.MULTILINE)
        if found is None:
            raise ValueError(f"{self.module / 'go.mod'} requires no k8s.io/kubernetes")
        return found[1]

    @property
    def linker_flags(self) -> str:
        """Drop debug tables; stamp the release, for an unstamped API server says v0.0.0 and kubectl warns of skew."""
        major, minor = self.version.removeprefix("v").split(".")[:2]
        stamp = "k8s.io/component-base/version"
        values = {"gitVersion": self.version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
        return " ".join(["-s", "-w", *(f"-X {stamp}.{name}={value}" for name, value in values.items())])

    @property
    def key(self) -> str:
        """`<version>-<hash>`; the hash covers module pins, packages, flags and stages."""
        words = repr((list(self.programs.items()), self.stages_module, self.stages, self.linker_flags)).encode()
        pins = [(self.module / name).read_bytes() for name in ("go.mod", "go.sum")]
        return f"{self.version}-{hashlib.sha256(b'|'.join([*pins, words])).hexdigest()[:12]}"

    @property
    def files(self) -> list[str]:
        """What a complete folder holds."""
        return [*self.programs, *(f"stages/{Path(stage).name}" for stage in self.stages)]


CONTROL_PLANE = Recipe(
    module=Path(__file__).parent,
    programs={
        "etcd": "go.etcd.io/etcd/server/v3",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        "kwok": "sigs.k8s.io/kwok/cmd/kwok",
    },
    stages_module="sigs.k8s.io/kwok",
    stages=(
        "kustomize/stage/node/fast/node-initialize.yaml",
        "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
        "kustomize/stage/pod/fast/pod-ready.yaml",
        "kustomize/stage/pod/fast/pod-complete.yaml",
        "kustomize/stage/pod/fast/pod-delete.yaml",
    ),
)
"""A small program first, so that a fault of the tools shows early. The stages are how kwok's nodes and pods live."""


def binaries(recipe: Recipe = CONTROL_PLANE, console: Console | None = None) -> Path:
    """The folder that holds the programs and `stages/`; builds them when nobody has.

    Raises `Unavailable` with the reason and the remedy when they cannot be had.
    """
    if given := os.environ.get("CONTROL_PLANE_BIN"):
        return _complete(Path(given).resolve(), recipe)
    target = cache_folder() / "control-plane" / recipe.key
    if not target.is_dir():
        console = console or Console(stderr=True, highlight=False)
        with _only_one_builder(target, console):
            if not target.is_dir():
                _build(recipe, target, console)
    return target


def _complete(folder: Path, recipe: Recipe) -> Path:
    if missing := [name for name in recipe.files if not (folder / name).is_file()]:
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


def _build(recipe: Recipe, target: Path, console: Console) -> None:
    """Build into a folder of its own and rename it at the end: a target that exists is complete.

    Finished programs and Go's caches survive an interruption, so the next try goes on where this one stopped; after
    success the caches (gigabytes) are removed.
    """
    go = find_go()
    partial = target.with_name(target.name + ".partial")
    caches = target.with_name(target.name + ".go")
    partial.mkdir(parents=True, exist_ok=True)
    environment = go_environment(os.environ, caches)
    total = len(recipe.programs)
    console.print(
        f"control plane: building {total} programs of Kubernetes {recipe.version} from source with Go "
        f"{'.'.join(map(str, go.release))}, once, into {target} (about 5 minutes on 2 cores)",
        soft_wrap=True,
    )
    for index, (name, package) in enumerate(recipe.programs.items(), start=1):
        with _progress(f"{name} ({index} of {total})", console):
            _compile(recipe, go, package, partial / name, environment)
    _copy_stages(recipe, go, partial / "stages", environment)
    partial.rename(target)
    shutil.rmtree(caches, ignore_errors=True)


@contextmanager
def _progress(what: str, console: Console) -> Iterator[None]:
    """A running clock on a terminal, elsewhere a line at the start; a line at the end in both."""
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


def go_environment(inherited: Mapping[str, str], caches: Path) -> dict[str, str]:
    """Environment of a build that depends on the pins alone: nothing of the user's Go but how modules are reached."""
    kept = {key: value for key, value in inherited.items() if not key.startswith("GO") or key in NETWORK_VARIABLES}
    return kept | {
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-buildvcs=false -modcacherw",  # a module cache that can be removed
        "GOPATH": str(caches / "path"),
        "GOMODCACHE": str(caches / "modules"),
        "GOCACHE": str(caches / "build"),
    }


def _compile(recipe: Recipe, go: Go, package: str, target: Path, environment: dict[str, str]) -> None:
    """Compile one program, unless an earlier try has; it appears only when whole."""
    if target.is_file():
        return
    unfinished = target.with_name(target.name + ".unfinished")
    flags = ["-trimpath", f"-ldflags={recipe.linker_flags}"]
    _run_go(recipe, go, ["build", *flags, "-o", str(unfinished), package], environment)
    unfinished.rename(target)


def _copy_stages(recipe: Recipe, go: Go, target: Path, environment: dict[str, str]) -> None:
    module = _run_go(recipe, go, ["list", "-m", "-f", "{{.Dir}}", recipe.stages_module], environment).strip()
    target.mkdir(exist_ok=True)
    for stage in recipe.stages:
        shutil.copyfile(Path(module) / stage, target / Path(stage).name)


def _run_go(recipe: Recipe, go: Go, words: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [go.path, *words],
        cwd=recipe.module,
        env=environment,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        last_lines = "\n".join(done.stderr.splitlines()[-15:])
        raise Unavailable(
            f"building the control plane failed at `go {' '.join(words)}`:\n{last_lines}\n",
            "mend that (the build downloads Go modules, so it needs the network), or set CONTROL_PLANE_BIN",
        )
    return done.stdout
