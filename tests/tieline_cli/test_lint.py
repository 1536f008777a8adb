import json
from pathlib import Path

import pytest
from tieline_cli.__main__ import run

from tests.tieline_cli.test_judge import POOL, ROUTE


def test_clean_manifests_exit_zero(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(f"{POOL}---\n{ROUTE}")
    assert run(["lint", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == "2 objects: no problems"


def test_every_problem_is_printed_with_its_place_and_the_status_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.yaml").write_text(ROUTE)
    (tmp_path / "broken.yaml").write_text("a: [")
    assert run(["lint", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert f"{tmp_path}/a.yaml:7 error ModelRoute default/r" in printed
    assert f"{tmp_path}/broken.yaml:1 error" in printed
    assert printed.rstrip().endswith("1 object: 2 errors")


def test_json_is_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.yaml").write_text(ROUTE)
    assert run(["lint", str(tmp_path), "--output", "json"]) == 1
    [problem] = json.loads(capsys.readouterr().out)["problems"]
    assert problem["object"] == "ModelRoute default/r"
    assert problem["severity"] == "error"


def test_a_secret_whose_variable_is_not_set_is_only_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: k, labels: {tieline.dev/use: credentials}}\n"
    consumer = "apiVersion: tieline.dev/v1alpha1\nkind: Consumer\nmetadata: {name: c}\n"
    consumer += "spec: {keys: [{name: a, secretRef: {name: k, key: a}}]}\n"
    (tmp_path / "a.yaml").write_text(f"{secret}stringData: {{a: '${{LINT_TEST_UNSET}}'}}\n---\n{consumer}")
    assert run(["lint", str(tmp_path)]) == 0
    assert "LINT_TEST_UNSET is not set" in capsys.readouterr().out


def test_the_env_file_fills_variables_and_the_environment_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tieline_cli.lint import variables

    (tmp_path / "env").write_text("ONE=file\nTWO=file\n# no\nTHREE='$ONE x'\n")
    monkeypatch.setenv("TWO", "environment")
    found = variables(tmp_path / "env")
    assert (found["ONE"], found["TWO"], found["THREE"]) == ("file", "environment", "$ONE x")
