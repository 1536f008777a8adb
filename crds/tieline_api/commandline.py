"""How a settings model becomes a command line: one pydantic-settings model per process, one set of rules for all.

Every option is `--kebab-case` and a variable `TIELINE_…`; the command line wins over the variable, the variable over
the default. A wrong value ends the process with status 2 and names option, variable and value. Called by the three
`__main__` modules; reads only arguments and environment.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, CliApp, CliSettingsSource, SettingsConfigDict, SettingsError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

ENV_PREFIX = "TIELINE_"
USAGE_ERROR = 2
"""Exit status of a process that was called wrongly, as of every Unix command."""


def tieline_version() -> str:
    """Version of the installed distribution; `unknown` when it runs from a tree that was never installed."""
    try:
        return version("tieline")
    except PackageNotFoundError:
        return "unknown"


class CommandLine(BaseSettings):
    """Base of every process's settings; the docstring under a field is its help text."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        cli_kebab_case="all",
        cli_show_env_vars=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
        use_attribute_docstrings=True,
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
    )


Settings = TypeVar("Settings", bound=BaseSettings)


def parse(model: type[Settings], arguments: Sequence[str] | None = None, *, program: str) -> Settings:
    """Reads settings from `arguments` (default: the process's own) and the environment.

    Raises:
        SystemExit: 0 after `--help` or `--version`, 2 for an unknown option or a wrong value, which is explained on
            standard error.
    """
    source: CliSettingsSource[Any] = CliSettingsSource(model, cli_prog_name=program)
    source.root_parser.add_argument(
        "--version", action="version", version=f"{program} {tieline_version()}", help="print the version and exit"
    )
    try:
        return CliApp.run(model, list(sys.argv[1:] if arguments is None else arguments), cli_settings_source=source)
    except ValidationError as error:
        _fail(program, [describe(model, detail) for detail in error.errors()])
    except SettingsError as error:
        _fail(program, [str(error)])


def option_and_variable(model: type[BaseSettings], location: Sequence[str | int]) -> tuple[str, str]:
    """The option and the variable that set the field at `location` of the model."""
    names = [part for part in location if isinstance(part, str)]
    if not names:
        return "", ""
    delimiter = model.model_config.get("env_nested_delimiter") or "__"
    prefix = model.model_config.get("env_prefix") or ""
    return "--" + names[-1].replace("_", "-"), (prefix + delimiter.join(names)).upper()


def describe(model: type[BaseSettings], detail: ErrorDetails) -> str:
    """One line for one wrong setting: where it can be set, what is wrong, what was given."""
    option, variable = option_and_variable(model, detail["loc"])
    message = detail["msg"].removeprefix("Value error, ")
    if not option:
        return message
    given = detail.get("input")
    got = f", not {given!r}" if isinstance(given, str | int | float | bool) else ""
    hint = ""
    if isinstance(given, str) and given.startswith("tcp://"):
        hint = " (Kubernetes sets such a variable for a Service of this name: set enableServiceLinks: false in the pod)"
    return f"{option} ({variable}): {message}{got}{hint}"


def _fail(program: str, problems: list[str]) -> NoReturn:
    for problem in problems:
        sys.stderr.write(f"{program}: error: {problem}\n")
    sys.stderr.write(f"Try '{program} --help'.\n")
    raise SystemExit(USAGE_ERROR)
