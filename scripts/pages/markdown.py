"""Markdown tables. Called by the other pages."""

from collections.abc import Iterable, Sequence

GENERATED = "<!-- Written by `make docs-pages` from the code; not edited by hand. -->"


def cell(text: str) -> str:
    """One cell: no line break, no bare bar."""
    return " ".join(text.replace("|", "\\|").split())


def code(value: object) -> str:
    """A value in a cell, set as code; nothing for the empty text."""
    text = cell(str(value))
    return f"`{text}`" if text else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
