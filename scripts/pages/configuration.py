"""docs/configuration.md: every option of every process, from the settings models that are also their command lines."""

import inspect
from collections.abc import Iterator

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings
from tieline_api.commandline import option_and_variable
from tieline_cli.settings import DevSettings, ExplainSettings, LintSettings
from tieline_operator.settings import OperatorSettings
from tieline_router.settings import RouterSettings

from scripts.pages.markdown import GENERATED, cell, code, table

PROGRAMS: dict[str, type[BaseSettings]] = {
    "tieline-operator": OperatorSettings,
    "tieline-router": RouterSettings,
    "tieline dev": DevSettings,
    "tieline lint": LintSettings,
    "tieline explain": ExplainSettings,
}

INTRODUCTION = """# Configuration

What users say about traffic stands in [custom resources](api.md). The options here are matters of a process: addresses,
files, paces, bounds. Each is an option on the command line and an environment variable; the command line wins over the
variable, the variable over the default. An unknown option or a wrong value ends the process with status 2 and a message
that names option and variable. Times are in seconds, sizes in bytes. `--help` prints the same.
"""


def default(field: FieldInfo) -> str:
    if field.default_factory is not None:  # a container, or what the process finds out at its start
        return "empty" if inspect.isclass(field.default_factory) else "see meaning"
    if field.default is PydanticUndefined:
        return "required"
    if field.default is None or field.default == ():
        return "none"
    if isinstance(field.default, bool):
        return code(str(field.default).lower())
    return code(",".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default)


def is_command(field: FieldInfo) -> bool:
    """Is it a subcommand, which has options of its own?"""
    return any(getattr(mark, "__name__", "") == "_CliSubCommand" for mark in field.metadata)


def option(model: type[BaseSettings], name: str) -> str:
    positional = any(getattr(mark, "__name__", "") == "_CliPositionalArg" for mark in model.model_fields[name].metadata)
    return name.upper() if positional else option_and_variable(model, [name])[0]


def options(model: type[BaseSettings]) -> Iterator[list[str]]:
    for name, field in model.model_fields.items():
        variable = option_and_variable(model, [name])[1]
        yield [code(option(model, name)), code(variable), default(field), cell(field.description or "")]


def page() -> str:
    parts = [INTRODUCTION, GENERATED + "\n"]
    for program, model in PROGRAMS.items():
        parts += [f"## {program}\n", cell(model.__doc__ or "") + "\n"]
        parts.append(table(["option", "variable", "default", "meaning"], options(model)))
    return "\n".join(parts)
