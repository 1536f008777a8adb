"""`tieline lint FOLDER`: every problem of the manifests, with file, line, field and remedy."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from dotenv import dotenv_values
from rich.console import Console

from tieline_cli.folder import read_folder
from tieline_cli.judge import judge
from tieline_cli.problems import has_errors, print_problems, problems_json, summary
from tieline_cli.settings import LintSettings


def variables(env_file: Path | None) -> dict[str, str]:
    """What `${NAME}` of a Secret may name: the file's lines, and over them the environment."""
    named: Mapping[str, str | None] = dotenv_values(env_file, interpolate=False) if env_file else {}
    return {**{name: value for name, value in named.items() if value is not None}, **os.environ}


def lint(settings: LintSettings) -> int:
    """Prints the problems to standard output; 1 when there is an error, else 0."""
    folder = read_folder(settings.folder, variables(settings.env_file), placeholders=True)
    judgement = judge(folder, secrets.token_bytes(32))
    problems = judgement.problems
    console = Console(highlight=False)
    if settings.output == "json":
        console.out(problems_json(problems), highlight=False)
    else:
        print_problems(console, problems)
        counted = f"{len(folder.sources)} object{'' if len(folder.sources) == 1 else 's'}"
        console.print(f"{counted}: {summary(problems) or 'no problems'}", style="bold" if problems else "green")
    return 1 if has_errors(problems) else 0
