"""Decisions are numbered without gaps, listed, and say context, decision and consequences."""

from pathlib import Path

import pytest

from tests.docs import markdown

FOLDER = markdown.ROOT / "docs" / "decisions"
DECISIONS = sorted(FOLDER.glob("[0-9]*.md"))


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_its_three_headings(path: Path) -> None:
    headings = [match["text"] for match in markdown.HEADING.finditer(markdown.prose(path))]
    assert headings[0].startswith(f"{int(path.stem[:4])}. ")
    assert headings[1:] == ["Context", "Decision", "Consequences"]


def test_numbers_have_no_gap() -> None:
    assert [int(path.stem[:4]) for path in DECISIONS] == list(range(1, len(DECISIONS) + 1))


def test_the_list_names_every_decision() -> None:
    assert sorted(markdown.links(FOLDER / "README.md")) == [path.name for path in DECISIONS]
