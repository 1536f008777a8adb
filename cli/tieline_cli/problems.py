"""What lint, dev and explain have to say about manifests: one value a problem, printed readably or as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from rich.console import Console
from rich.text import Text


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong (`error`) or will surprise (`warning`).

    `file` and `line` (from 1) say where, `object` is `Kind namespace/name` where known, `field` the path in the object
    (`spec.models[0].name`), `message` what is wrong, `remedy` what to do about it.
    """

    file: str
    line: int
    object: str
    field: str
    severity: Literal["error", "warning"]
    message: str
    remedy: str = ""


def has_errors(problems: Sequence[Problem]) -> bool:
    return any(problem.severity == "error" for problem in problems)


def summary(problems: Sequence[Problem]) -> str:
    """`2 errors, 1 warning`."""
    parts = []
    for severity in ("error", "warning"):
        count = sum(problem.severity == severity for problem in problems)
        if count:
            parts.append(f"{count} {severity}{'s' if count > 1 else ''}")
    return ", ".join(parts)


def print_problems(console: Console, problems: Sequence[Problem]) -> None:
    """One block a problem, `file:line` first so that editors can jump to it."""
    for problem in sorted(problems):
        color = "red" if problem.severity == "error" else "yellow"
        head = Text.assemble(
            (f"{problem.file}:{problem.line}", "bold"), " ", (problem.severity, color), f" {problem.object}".rstrip()
        )
        console.print(head, soft_wrap=True)
        where = f"{problem.field}: " if problem.field else ""
        console.print(Text(f"  {where}{problem.message}"), soft_wrap=True)
        if problem.remedy:
            console.print(Text(f"  → {problem.remedy}", style="dim"), soft_wrap=True)


def problems_json(problems: Sequence[Problem]) -> str:
    """The same for programs: `{"problems": [...]}`."""
    return json.dumps({"problems": [asdict(problem) for problem in sorted(problems)]}, indent=2, ensure_ascii=False)
