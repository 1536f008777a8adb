"""A page that is missing or old is noticed."""

from pathlib import Path

import pytest

from scripts import reference_docs


def test_missing_and_old_pages_are_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reference_docs, "DOCS", tmp_path)
    monkeypatch.setattr(reference_docs, "PAGES", {"old.md": lambda: "new", "new.md": lambda: "new", "none.md": str})
    (tmp_path / "old.md").write_text("old")
    (tmp_path / "new.md").write_text("new")
    assert reference_docs.stale() == ["old.md", "none.md"]
