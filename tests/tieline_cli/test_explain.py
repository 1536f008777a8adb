import json
from pathlib import Path

import pytest
from tieline_cli.__main__ import run

from tests.tieline_cli.test_judge import POOL, ROUTE

CONSUMER = """\
apiVersion: tieline.dev/v1alpha1
kind: Consumer
metadata: {name: team}
spec:
  keys: [{name: a, secretRef: {name: k, key: a}}]
  models: {deny: [m]}
---
apiVersion: v1
kind: Secret
metadata: {name: k, labels: {tieline.dev/use: credentials}}
stringData: {a: tl-1234}
"""


@pytest.fixture
def folder(tmp_path: Path) -> str:
    (tmp_path / "a.yaml").write_text(f"{POOL}---\n{ROUTE}---\n{CONSUMER}")
    return str(tmp_path)


def test_the_decision_is_told_for_people(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", folder, "--model", "m"]) == 0
    printed = capsys.readouterr().out
    assert "m for an anonymous caller in namespace default: route default/r" in printed
    assert "default/own" in printed


def test_the_decision_is_told_for_programs(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", folder, "--model", "m", "--output", "json", "--prompt-tokens", "7"]) == 0
    decision = json.loads(capsys.readouterr().out)
    assert decision["route"] == "default/r"
    assert decision["request"]["promptTokens"] == 7
    assert [attempt["pool"] for attempt in decision["attempts"]] == ["default/own"]


def test_a_translation_is_said(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", folder, "--model", "m", "--api", "Messages"]) == 0
    assert "translated to ChatCompletions" in " ".join(capsys.readouterr().out.split())
    assert run(["explain", folder, "--model", "m", "--api", "Embeddings"]) == 1
    assert "it serves ChatCompletions" in capsys.readouterr().out


def test_the_same_command_gives_the_same_answer(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    other = POOL.replace("name: own", "name: other").replace("9000", "9001")
    (Path(folder) / "b.yaml").write_text(
        other + "---\n" + ROUTE.replace("name: r", "name: s").replace("[m]", "['a/*']")
    )
    seen = set()
    for _ in range(3):
        run(["explain", folder, "--model", "m", "--seed", "5"])
        seen.add(capsys.readouterr().out)
    assert len(seen) == 1


def test_a_consumer_has_its_own_rights(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", folder, "--model", "m", "--consumer", "team"]) == 1
    assert "model_not_allowed" in capsys.readouterr().out


def test_an_unknown_consumer_is_named_with_those_that_exist(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", folder, "--model", "m", "--consumer", "tema"]) == 1
    assert "no Consumer tema" in (said := capsys.readouterr().err)
    assert "default/team" in said


def test_what_was_left_out_is_said_with_the_rule(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", folder, "--model", "m", "--tools"]) == 1
    printed = capsys.readouterr().out
    assert "require_parameters" in printed
    assert "default/own" in printed
