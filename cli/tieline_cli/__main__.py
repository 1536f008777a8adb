"""`tieline`: the command for people. Picks the command, reads its settings, runs it; no work of its own."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from pydantic_settings import CliSubCommand
from tieline_api.commandline import CommandLine, parse

from tieline_cli.settings import DevSettings, ExplainSettings, LintSettings


class TielineSettings(CommandLine):
    """Tieline without a cluster: serve, check and explain a folder of manifests."""

    dev: CliSubCommand[DevSettings]
    """Serve a folder of manifests and follow its changes."""
    lint: CliSubCommand[LintSettings]
    """Print every problem of the manifests with file, line, field and remedy."""
    explain: CliSubCommand[ExplainSettings]
    """Print how a request would be decided, and why."""


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns the process's exit status.

    A command's settings are parsed by their own model, so that `tieline dev --help` names the variable of each option.
    """
    command, rest = (arguments[0], list(arguments[1:])) if arguments else ("", [])
    program = f"tieline {command}"
    match command:
        case "dev":
            from tieline_cli.dev import serve_folder

            return serve_folder(parse(DevSettings, rest, program=program))
        case "lint":
            from tieline_cli.lint import lint

            return lint(parse(LintSettings, rest, program=program))
        case "explain":
            from tieline_cli.explain import explain

            return explain(parse(ExplainSettings, rest, program=program))
        case _:
            parse(TielineSettings, list(arguments) or ["--help"], program="tieline")
            return 2


def main() -> None:
    """Entry point of the console script."""
    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader left (`tieline lint … | head`): nothing more can be said, not even at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 1
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
