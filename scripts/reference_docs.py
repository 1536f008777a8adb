"""Writes the reference pages of docs/ from the code (`make docs-pages`), or says which differ (`--check`)."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from scripts.pages import api, configuration, errors, metrics

DOCS = Path(__file__).resolve().parent.parent / "docs"

PAGES: dict[str, Callable[[], str]] = {
    "api.md": api.page,
    "configuration.md": configuration.page,
    "errors.md": errors.page,
    "metrics.md": metrics.page,
}
"""File of docs/ → its text."""


def stale() -> list[str]:
    """Pages that differ from what the code says."""
    return [name for name, page in PAGES.items() if not (DOCS / name).exists() or (DOCS / name).read_text() != page()]


def main() -> None:
    parser = argparse.ArgumentParser(prog="reference_docs", description="Write the reference pages of docs/.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page differs from the code")
    if parser.parse_args().check:
        if names := stale():
            sys.exit(f"differ from the code, run `make docs-pages`: {', '.join(names)}")
        return
    for name, page in PAGES.items():
        (DOCS / name).write_text(page())
        print(f"docs/{name}")


if __name__ == "__main__":
    main()
