"""The fuzzer itself: a few seconds of every target find nothing, and what breaks a target is found, saved and told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz import __main__ as fuzz
from tests.fuzz.targets import TARGETS, Target

RUNS = 6_000
"""Executions in all; libFuzzer's seed is the time, so every run tries others."""


@pytest.mark.timeout(240)
def test_a_short_fuzz_finds_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    status = fuzz.main(["--runs", str(RUNS), "--cache", str(tmp_path)])
    said = capfd.readouterr()
    assert status == 0, said.out + said.err
    assert f" executions, 0 of {len(TARGETS)} targets with a finding" in said.out


def test_what_breaks_a_target_is_saved_and_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    planted = Target("planted", "breaks", "seeds", 100)
    found = fuzz.run("planted", planted, 100_000, tmp_path)
    (saved,) = (tmp_path / "findings" / "planted").iterdir()
    assert found.found == (saved,)
    with pytest.raises(ValueError, match="a planted fault"):
        planted.load()[0](saved.read_bytes())
    fuzz.show(found)
    said = capfd.readouterr()
    assert "FINDING" in said.out
    assert f"tests.fuzz.harness planted.breaks {saved}" in said.out
    assert "a planted fault" in said.out


def test_a_finding_makes_the_status(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TARGETS, "planted", Target("planted", "breaks", "seeds", 100))
    assert fuzz.main(["--runs", "100000", "--cache", str(tmp_path), "planted"]) == 1


def test_an_unknown_target_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fuzz.main(["nothing"])
    assert "streams" in capsys.readouterr().err
