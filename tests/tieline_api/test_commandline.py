from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field
from tieline_api.commandline import CommandLine, parse, tieline_version


class Example(CommandLine):
    """An example."""

    port: int = Field(default=80, ge=1, le=100)
    """The port."""
    log_level: Literal["info", "debug"] = "info"
    """How much is told."""
    state_file: Path | None = None
    """A file."""
    watch: bool = False
    """Whether it watches."""


def read(*arguments: str) -> Example:
    return parse(Example, arguments, program="example")


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in Example.model_fields:
        monkeypatch.delenv(f"TIELINE_{name.upper()}", raising=False)


def test_the_command_line_beats_the_variable_and_that_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIELINE_PORT", "5")
    monkeypatch.setenv("TIELINE_WATCH", "true")
    settings = read("--port", "6", "--state-file", "/x")
    assert (settings.port, settings.log_level, settings.state_file, settings.watch) == (6, "info", Path("/x"), True)
    assert read("--no-watch").watch is False


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIELINE_PORT", "")
    assert read().port == 80


@pytest.mark.parametrize(
    ("arguments", "variables", "words"),
    [
        (["--port", "x"], {}, "--port (TIELINE_PORT): Input should be a valid integer, unable to parse string as an"),
        ([], {"TIELINE_PORT": "101"}, "--port (TIELINE_PORT): Input should be less than or equal to 100, not '101'"),
        (["--log-level", "loud"], {}, "--log-level (TIELINE_LOG_LEVEL): Input should be 'info' or 'debug', not 'loud'"),
        ([], {"TIELINE_PORT": "tcp://10.0.0.1:80"}, "enableServiceLinks: false"),
        (["--prot", "3"], {}, "unrecognized arguments: --prot 3"),
        (["--po", "3"], {}, "unrecognized arguments: --po 3"),
        (["stray"], {}, "unrecognized arguments: stray"),
    ],
)
def test_a_wrong_value_names_option_variable_and_value(
    arguments: list[str],
    variables: dict[str, str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as ended:
        read(*arguments)
    assert ended.value.code == 2
    assert words in capsys.readouterr().err


def test_all_that_is_wrong_is_told_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read("--port", "x", "--log-level", "loud")
    assert capsys.readouterr().err.count("example: error:") == 2


def test_help_names_options_defaults_and_variables(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read("--help")
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "An example." in shown
    assert "--port int The port. (default: 80) [env: TIELINE_PORT]" in shown
    assert "--watch, --no-watch" in shown


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        read("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"example {tieline_version()}\n"
