"""Every relative link of every Markdown file leads to a file, and to a heading of it."""

from pathlib import Path

import pytest

from tests.docs import markdown


@pytest.mark.parametrize("path", markdown.files(), ids=lambda path: str(path.relative_to(markdown.ROOT)))
def test_relative_links_resolve(path: Path) -> None:
    broken = []
    for target in markdown.links(path):
        name, _, anchor = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        found = (path.parent / name) if name else path
        if not found.exists() or (anchor and anchor not in markdown.anchors(found)):
            broken.append(target)
    assert not broken


def test_there_are_files_to_check() -> None:
    assert markdown.ROOT / "README.md" in markdown.files()
