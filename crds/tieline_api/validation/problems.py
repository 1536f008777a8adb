"""One thing that is wrong with an object, and where: the value that all checks of this package return."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

ProblemKind = Literal["UnknownField", "Metadata", "Required", "Type", "Enum", "Bound", "Duplicate", "Rule"]
Path = tuple[str | int, ...]
"""Steps from the object's root: a field's name, an item's index, or a map's key as `[key]`."""


@dataclass(frozen=True)
class Problem:
    """`path` is the field as users write it and as the API server names it (`spec.models[0].name`)."""

    path: str
    kind: ProblemKind
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}; {self.remedy}" if self.remedy else f"{self.path}: {self.message}"


def show(path: Path) -> str:
    """The path in the form of the API server."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += step if step.startswith("[") else f".{step}"
    return text.removeprefix(".")
