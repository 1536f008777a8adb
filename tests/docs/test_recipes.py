"""Every recipe of the Makefile is documented, and every recipe that a document names exists."""

import re

from scripts import recipes
from tests.docs import markdown

MENTION = re.compile(r"`make ([a-z][a-z-]*)[^`]*`")


def test_every_recipe_is_documented() -> None:
    text = (markdown.ROOT / "README.md").read_text() + (markdown.ROOT / "CONTRIBUTING.md").read_text()
    assert set(recipes.recipes(recipes.MAKEFILE.read_text())) <= set(MENTION.findall(text))


def test_every_recipe_that_a_document_names_exists() -> None:
    known = set(recipes.recipes(recipes.MAKEFILE.read_text()))
    named = {(path.name, name) for path in markdown.files() for name in MENTION.findall(path.read_text())}
    assert {(file, name) for file, name in named if name not in known} == set()


def test_ci_runs_the_test_command_of_the_readme_and_nothing_else() -> None:
    lines = [line for line in (markdown.ROOT / ".ci" / "run").read_text().splitlines() if not line.startswith("#!")]
    assert lines == ["set -e", 'cd "$(dirname "${BASH_SOURCE[0]}")/.."', "make test"]
    assert "make test" in (markdown.ROOT / "README.md").read_text()
