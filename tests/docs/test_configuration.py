"""docs/configuration.md has every option of every settings model that any package defines."""

import importlib
import pkgutil

import pytest
from pydantic_settings import BaseSettings
from tieline_api.commandline import CommandLine, option_and_variable

from scripts.pages import configuration
from tests.docs import markdown

PAGE = (markdown.ROOT / "docs" / "configuration.md").read_text()


def models() -> list[type[BaseSettings]]:
    for name in ("tieline_api", "tieline_operator", "tieline_router", "tieline_cli"):
        for module in pkgutil.walk_packages(importlib.import_module(name).__path__, f"{name}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found: list[type[BaseSettings]] = []
    queue: list[type[BaseSettings]] = [CommandLine]
    while queue:
        subclasses = queue.pop().__subclasses__()
        queue += subclasses
        found += [model for model in subclasses if model.__module__.startswith("tieline_")]
    return found


@pytest.mark.parametrize("model", models(), ids=lambda model: model.__name__)
def test_every_option_and_variable_is_documented(model: type[BaseSettings]) -> None:
    options = {name for name, field in model.model_fields.items() if not configuration.is_command(field)}
    rows = [line for line in PAGE.splitlines() if line.startswith("| `")]
    documented = {tuple(cell.strip(" `") for cell in row.strip("|").split("|")[:2]) for row in rows}
    wanted = {(configuration.option(model, name), option_and_variable(model, [name])[1]) for name in options}
    assert wanted <= documented


@pytest.mark.parametrize("model", configuration.PROGRAMS.values(), ids=configuration.PROGRAMS)
def test_every_option_says_what_it_means(model: type[BaseSettings]) -> None:
    assert [name for name, field in model.model_fields.items() if not field.description] == []
