"""Where the control plane's programs come from, on a recipe of two small programs that needs no network."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from tests.support.control_plane.build import CONTROL_PLANE, Recipe, binaries, go_environment
from tests.support.tools import Unavailable

PROGRAM = """package main

func main() { print(NAME) }
"""
"""Imports nothing, so that nothing but Go's runtime is compiled; `print` writes to standard error."""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Recipe:
    """Two programs whose only source is their own module; the cache is the test's own, as on a new machine."""
    module = tmp_path / "module"
    for name in ("one", "two"):
        (module / name).mkdir(parents=True)
        (module / name / "main.go").write_text(PROGRAM.replace("NAME", f'"{name}"'))
    (module / "stage.yaml").write_text("kind: Stage\n")
    (module / "go.mod").write_text("module example.org/small\n\ngo 1.26\n\n// k8s.io/kubernetes\n")
    (module / "go.sum").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("GOFLAGS", "-mod=nonsense")  # a user's own setting must not reach the build
    monkeypatch.delenv("CONTROL_PLANE_BIN", raising=False)
    return Small(
        module=module,
        programs={"one": "example.org/small/one", "two": "example.org/small/two"},
        stages_module="example.org/small",
        stages=("stage.yaml",),
    )


class Small(Recipe):
    """A recipe whose go.mod requires nothing, Kubernetes neither."""

    @property
    def version(self) -> str:
        return "v1.2.3"


def quiet() -> Console:
    return Console(file=io.StringIO(), width=200)


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_build_is_complete_shown_and_done_once(recipe: Recipe) -> None:
    console = quiet()
    folder = binaries(recipe, console)
    assert subprocess.run([folder / "two"], capture_output=True, text=True, check=True).stderr == "two"
    assert sorted(str(f.relative_to(folder)) for f in folder.rglob("*") if f.is_file()) == sorted(recipe.files)
    assert [path.name for path in folder.parent.iterdir() if path != folder] == [f"{recipe.key}.lock"]
    assert "building one (1 of 2)" in said(console)
    assert "built two (2 of 2)" in said(console)

    again = quiet()
    assert binaries(recipe, again) == folder
    assert said(again) == ""


def test_interrupted_build_goes_on_where_it_stopped(recipe: Recipe) -> None:
    source = recipe.module / "two" / "main.go"
    good = source.read_text()
    source.write_text("package main\nfunc main() { undefined() }\n")
    with pytest.raises(Unavailable, match="undefined") as failure:
        binaries(recipe, quiet())
    assert "CONTROL_PLANE_BIN" in failure.value.remedy

    source.write_text(good)
    (recipe.module / "one" / "main.go").write_text("no longer compiled")
    assert (binaries(recipe, quiet()) / "one").is_file()


def test_key_follows_pins_and_recipe(recipe: Recipe) -> None:
    before = recipe.key
    (recipe.module / "go.sum").write_text("example.org/other v1.0.0 h1:x=\n")
    pinned = recipe.key
    assert len({before, pinned, replace(recipe, stages=()).key}) == 3
    assert CONTROL_PLANE.version in CONTROL_PLANE.key


BUILD_AND_TELL = """
import sys
from pathlib import Path
from tests.cluster.test_build import Small
from tests.support.control_plane.build import binaries
programs = {"one": "example.org/small/one", "two": "example.org/small/two"}
print(binaries(Small(Path(sys.argv[1]), programs, "example.org/small", ("stage.yaml",))))
"""


def test_two_builders_share_one_build(recipe: Recipe) -> None:
    command = [sys.executable, "-c", BUILD_AND_TELL, str(recipe.module)]
    builders = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    answers = [builder.communicate(timeout=100) for builder in builders]
    assert [builder.returncode for builder in builders] == [0, 0], answers
    assert len({folder for folder, _ in answers}) == 1
    assert sum(errors.count("built one (1 of 2)") for _, errors in answers) == 1


def test_given_folder_is_used_when_complete(recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = tmp_path / "given"
    (given / "stages").mkdir(parents=True)
    monkeypatch.setenv("CONTROL_PLANE_BIN", str(given))
    for name in ("one", "two"):
        (given / name).touch()
    with pytest.raises(Unavailable, match=r"lacks stages/stage\.yaml"):
        binaries(recipe)
    (given / "stages" / "stage.yaml").touch()
    assert binaries(recipe) == given


def test_environment_keeps_only_how_modules_are_reached(tmp_path: Path) -> None:
    user = {"PATH": "/bin", "GOPROXY": "https://modules.example", "GOROOT": "/old", "GOFLAGS": "-race", "GOOS": "plan9"}
    built = go_environment(user, tmp_path)
    assert built["GOPROXY"] == "https://modules.example"
    assert built["PATH"] == "/bin"
    assert not {"GOROOT", "GOOS"} & built.keys()
    assert "-race" not in built["GOFLAGS"]
    assert all(built[key].startswith(f"{tmp_path}{os.sep}") for key in ("GOPATH", "GOCACHE", "GOMODCACHE"))
