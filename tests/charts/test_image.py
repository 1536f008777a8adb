"""What the image is made of, as far as it can be proven without building it: its inputs exist and fit together."""

from __future__ import annotations

import re
import tomllib

import yaml

from tests.charts.conftest import CHARTS

ROOT = CHARTS.parent
DOCKERFILE = (ROOT / "images" / "Dockerfile").read_text()
IGNORED = (ROOT / "images" / "Dockerfile.dockerignore").read_text().splitlines()


def test_what_is_copied_exists_and_is_not_ignored() -> None:
    copied = [word for line in re.findall(r"^COPY (?!--)(.+) \S+$", DOCKERFILE, re.MULTILINE) for word in line.split()]
    assert {"crds", "operator", "router", "cli", "pyproject.toml"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists(), path
        assert f"!{path}" in IGNORED, path


def test_every_source_root_of_the_distribution_is_copied() -> None:
    packages = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for package in packages["packages"]:
        assert f"COPY {package.partition('/')[0]} " in DOCKERFILE


def test_the_user_is_the_chart_s_and_not_root() -> None:
    values = yaml.safe_load((CHARTS / "tieline" / "values.yaml").read_text())
    assert f"USER {values['runAs']['user']}:{values['runAs']['group']}" in DOCKERFILE
    assert values["runAs"]["user"] > 0


def test_the_programs_that_the_chart_starts_are_scripts_of_the_distribution() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    templates = "".join(path.read_text() for path in (CHARTS / "tieline" / "templates").glob("*.yaml"))
    started = re.findall(r"^\s+command: \[(\S+)\]$", templates, re.MULTILINE)
    assert sorted(started) == ["tieline-operator", "tieline-router"]
    assert set(started) <= set(scripts)
