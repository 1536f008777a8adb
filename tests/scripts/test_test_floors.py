"""The runner must not hide a failure: what pytest reports, and what it could not report, both count."""

from pathlib import Path

import pytest

from scripts import test_floors
from scripts.test_floors import Counts, counts

REPORT = b"""<testsuites><testsuite errors="1" failures="2" skipped="3" tests="10"/></testsuites>"""
GREEN = b"""<testsuites><testsuite errors="0" failures="0" skipped="0" tests="4"/></testsuites>"""


def test_counts_of_a_report() -> None:
    assert counts("unit", REPORT, 1, 2.0) == Counts("unit", 4, 3, 3, 2.0)


@pytest.mark.parametrize(
    ("report", "status", "note"),
    [
        (b"", 5, "collected no test"),
        (b"", 2, "pytest ended with status 2"),
        (GREEN, 1, "pytest ended with status 1"),
        (GREEN, -9, "pytest ended with status -9"),
        (GREEN, None, "ended after 900 s"),
    ],
)
def test_a_failure_that_no_test_stands_for_counts_as_one(report: bytes, status: int | None, note: str) -> None:
    result = counts("unit", report, status, 0.0)
    assert (result.failed, result.note) == (1, note)


def test_the_last_line_holds_the_sums_alone(capsys: pytest.CaptureFixture[str]) -> None:
    test_floors.show([Counts("unit", 3, 0, 1, 1.0), Counts("docs", 2, 1, 0, 1.0, "collected no test")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "5 passed, 1 failed, 1 skipped"
    assert [line.split()[0] for line in lines if line.endswith(("s", "test"))][:2] == ["unit", "docs"]


def test_every_folder_of_tests_belongs_to_one_floor() -> None:
    folders = {path.parent.relative_to(test_floors.TESTS).parts[0] for path in test_floors.TESTS.rglob("test_*.py")}
    reached = {Path(path).name for floor in test_floors.FLOORS if floor != "check" for path in test_floors.paths(floor)}
    assert folders <= reached


def test_a_program_that_passes_its_limit_is_ended() -> None:
    assert test_floors.supervise(["sleep", "60"], limit=0.05) is None
