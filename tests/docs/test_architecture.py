"""docs/architecture.md sends readers to files that exist."""

import re

from tests.docs import markdown

PATH = re.compile(r"`((?:crds|operator|router|cli)/[\w/.]+)`")


def test_every_file_that_it_names_exists() -> None:
    named = PATH.findall((markdown.ROOT / "docs" / "architecture.md").read_text())
    assert named
    assert [name for name in named if not (markdown.ROOT / name).exists()] == []
