"""Lists the recipes of the Makefile with their one-line help. Called by `make` alone; standard library only."""

import re
from pathlib import Path

MAKEFILE = Path(__file__).resolve().parent.parent / "Makefile"
RECIPE = re.compile(r"^(?P<name>[a-z][a-z-]*):[^=#]*## (?P<help>.+)$", re.MULTILINE)


def recipes(makefile: str) -> dict[str, str]:
    """Recipe name → help, in the order of the file."""
    return {match["name"]: match["help"] for match in RECIPE.finditer(makefile)}


def main() -> None:
    found = recipes(MAKEFILE.read_text())
    width = max(map(len, found))
    print("usage: make RECIPE\n")
    for name, text in found.items():
        print(f"  {name:<{width}}  {text}")


if __name__ == "__main__":
    main()
