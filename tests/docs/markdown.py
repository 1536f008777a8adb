"""Reads the repository's Markdown files. Called by the tests of this folder."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#+ (?P<text>.+)$", re.MULTILINE)


def files() -> list[Path]:
    """Every Markdown file that is, or could be, committed."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    listed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\n")
    return [path for name in listed if name and (path := ROOT / name).exists()]


def prose(path: Path) -> str:
    """The file's text without its code blocks."""
    return FENCE.sub("", path.read_text())


def links(path: Path) -> Iterator[str]:
    for match in LINK.finditer(prose(path)):
        yield match["target"]


def anchors(path: Path) -> set[str]:
    """The anchors of a file's headings, as forges make them: lower case, no punctuation, hyphens for spaces."""
    return {
        re.sub(r"[^\w\- ]", "", match["text"].lower()).strip().replace(" ", "-")
        for match in HEADING.finditer(prose(path))
    }


def table_column(text: str, column: int = 0) -> list[str]:
    """One column of all tables of a text, without heads, rules and code marks."""
    rows = [line.strip().strip("|").split("|") for line in text.splitlines() if line.strip().startswith("|")]
    rules = [index for index, row in enumerate(rows) if set("".join(row)) <= set("-: ")]
    heads = {index - 1 for index in rules}
    return [
        row[column].strip().strip("`*") for index, row in enumerate(rows) if index not in heads and index not in rules
    ]
