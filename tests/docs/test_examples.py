"""Manifests that the documentation shows are manifests that work: `tieline lint` finds nothing in them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs import markdown

EXAMPLES = markdown.ROOT / "examples"
FENCED = re.compile(r"^```yaml\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"\$\{(\w+)\}")


def lint(target: Path) -> list[str]:
    """The errors that `tieline lint` finds."""
    files = target.rglob("*.y*ml") if target.is_dir() else [target]
    variables = {name: "made-up" for file in files for name in VARIABLE.findall(file.read_text())}
    command = [sys.executable, "-m", "tieline_cli", "lint", str(target), "--output", "json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, env=os.environ | variables)
    problems = json.loads(done.stdout)["problems"]
    return [f"{each['field']}: {each['message']}" for each in problems if each["severity"] == "error"]


def shown() -> list[tuple[str, str]]:
    """The manifests of all documents: a name for the test, the text."""
    return [
        (f"{path.relative_to(markdown.ROOT)}:{number}", match["text"])
        for path in markdown.files()
        for number, match in enumerate(FENCED.finditer(path.read_text()), 1)
        if "apiVersion: tieline.dev/" in match["text"]
    ]


@pytest.mark.parametrize("folder", sorted(path for path in EXAMPLES.glob("*/") if any(path.glob("*.y*ml"))), ids=str)
def test_an_example_is_clean(folder: Path) -> None:
    assert lint(folder) == []


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in shown()])
def test_manifests_in_documents_are_clean(text: str, tmp_path: Path) -> None:
    (tmp_path / "manifests.yaml").write_text(text)
    # A document may have its Secrets made by kubectl, which is how real keys come into a cluster.
    assert [error for error in lint(tmp_path) if "SecretNotFound" not in error] == []


def test_a_wrong_manifest_would_be_noticed(tmp_path: Path) -> None:
    (tmp_path / "manifests.yaml").write_text(shown()[0][1].replace("type: SelfHosted", "type: Borrowed"))
    assert any("Borrowed" in error for error in lint(tmp_path))


def test_the_readme_shows_manifests_and_the_quickstart_exists() -> None:
    assert any(name.startswith("README.md") for name, _ in shown())
    assert list((EXAMPLES / "quickstart").glob("*.yaml"))
