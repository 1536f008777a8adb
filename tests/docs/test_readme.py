"""The README's commands and requirements are those of the code."""

import re
import subprocess
import sys
import tomllib
from typing import Any

import pytest
import yaml

from tests.docs import markdown

README = (markdown.ROOT / "README.md").read_text()
CONSOLE = re.compile(r"^```console\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMANDS = [
    line.split("  #")[0][2:] for block in CONSOLE.findall(README) for line in block.splitlines() if line[:1] == "$"
]


def test_the_oldest_kubernetes_is_that_of_the_chart() -> None:
    chart: dict[str, Any] = yaml.safe_load((markdown.ROOT / "charts" / "tieline" / "Chart.yaml").read_text())
    oldest = re.fullmatch(r">=(\d+\.\d+)\.0-0", chart["kubeVersion"])
    assert oldest is not None
    assert f"Kubernetes {oldest[1]} or newer" in README


def test_the_oldest_python_is_that_of_the_project() -> None:
    project = tomllib.loads((markdown.ROOT / "pyproject.toml").read_text())["project"]
    assert f"Python {project['requires-python'].removeprefix('>=')} or newer" in README


def test_the_address_for_applications_is_that_of_the_chart() -> None:
    values = yaml.safe_load((markdown.ROOT / "charts" / "tieline" / "values.yaml").read_text())
    (router_class,) = values["routers"]
    assert values["router"]["service"]["port"] == 80
    assert f"http://tieline-router-{router_class}.tieline-system.svc/v1" in README


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if command.startswith(("tieline lint", "tieline explain"))]
)
def test_a_command_that_ends_by_itself_succeeds(command: str) -> None:
    words = [sys.executable, "-m", "tieline_cli", *command.split()[1:]]
    done = subprocess.run(words, cwd=markdown.ROOT, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
