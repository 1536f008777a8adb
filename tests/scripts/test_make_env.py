"""The first thing that a stranger runs: its errors must say what to do."""

import sys

import pytest

from scripts import make_env


def test_an_old_python_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 10, 12, "final", 0))
    with pytest.raises(SystemExit, match=r"is Python 3\.10; Tieline needs 3\.11 or newer\. .*PYTHON="):
        make_env.check_interpreter()


def test_a_python_without_venv_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ensurepip", None)
    with pytest.raises(SystemExit, match="apt-get install python3-venv"):
        make_env.check_interpreter()


def test_this_python_is_accepted_and_the_pins_are_counted() -> None:
    make_env.check_interpreter()
    assert make_env.pinned() > 50
