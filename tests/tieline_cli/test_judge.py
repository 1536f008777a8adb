from pathlib import Path

import pytest
from tieline_cli.folder import read_folder
from tieline_cli.judge import Judgement, judge, path_of
from tieline_cli.problems import has_errors

VERSION_KEY = b"k" * 32
POOL = """\
apiVersion: tieline.dev/v1alpha1
kind: ProviderPool
metadata: {name: own}
spec:
  type: SelfHosted
  selfHosted: {engine: LlamaCpp, addresses: ["127.0.0.1:9000"]}
  models:
  - name: a/model
"""
ROUTE = """\
apiVersion: tieline.dev/v1alpha1
kind: ModelRoute
metadata: {name: r}
spec:
  models: [m]
  backendRefs:
  - {name: own, model: a/model}
"""


def judged(folder: Path, **files: str) -> Judgement:
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return judge(read_folder(folder, {}), VERSION_KEY)


def found(judgement: Judgement) -> list[tuple[int, str, str]]:
    return [(problem.line, problem.severity, problem.field) for problem in judgement.problems]


def test_good_manifests_have_no_problems(tmp_path: Path) -> None:
    judgement = judged(tmp_path, pool=POOL, route=ROUTE)
    assert judgement.problems == ()
    assert [str(key) for key in judgement.evaluation.routes] == ["default/r"]


def test_a_rule_of_the_server_is_told_with_its_line_and_remedy(tmp_path: Path) -> None:
    judgement = judged(tmp_path, pool=POOL, route=ROUTE + "  retries: {attempts: 0}\n")
    [problem] = judgement.problems
    assert (problem.line, problem.object, problem.field) == (8, "ModelRoute default/r", "spec.retries.attempts")
    assert has_errors(judgement.problems)


def test_an_unknown_field_is_a_problem_as_for_kubectl(tmp_path: Path) -> None:
    [problem] = judged(tmp_path, pool=POOL, route=ROUTE + "  stratgy: {}\n").problems
    assert (problem.line, problem.field) == (8, "spec.stratgy")


def test_what_yaml_made_of_an_unquoted_word_is_said(tmp_path: Path) -> None:
    text = ROUTE + "  constraints:\n    countries:\n      deny: [US, NO]\n"
    [problem] = judged(tmp_path, pool=POOL, route=text).problems
    assert problem.line == 10
    assert 'write "NO"' in problem.remedy


def test_each_missing_pool_is_found_at_its_own_line(tmp_path: Path) -> None:
    two = judged(tmp_path, route=ROUTE + "  - {name: gone, model: a/model}\n").problems
    assert [(problem.line, problem.severity) for problem in two] == [(7, "error"), (8, "error")]
    assert two[1].field.startswith("spec.backendRefs[1]")
    problem = two[0]
    assert "PoolNotFound" in problem.message
    assert "own" in problem.message


def test_a_field_without_effect_is_a_warning_and_no_error(tmp_path: Path) -> None:
    judgement = judged(tmp_path, pool=POOL, route=ROUTE + "  strategy: {type: Latency}\n")
    assert [(line, severity) for line, severity, _ in found(judgement)] == [(8, "warning")]
    assert not has_errors(judgement.problems)


def test_a_restriction_that_is_not_enforced_is_an_error(tmp_path: Path) -> None:
    judgement = judged(tmp_path, pool=POOL + "  limits: {requestsPerMinute: 6}\n", route=ROUTE)
    assert any("UnsupportedField" in problem.message for problem in judgement.problems)
    assert has_errors(judgement.problems)


def test_a_wrong_object_leaves_the_others_alone(tmp_path: Path) -> None:
    judgement = judged(tmp_path, pool=POOL, route=ROUTE, other=ROUTE.replace("name: r", "name: bad") + "  models: 3\n")
    assert [str(key) for key in judgement.evaluation.routes] == ["default/r"]


def test_a_malformed_secret_is_told_with_its_field(tmp_path: Path) -> None:
    text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata:\n  key: '%%%'\n"
    [problem] = judged(tmp_path, pool=POOL, secret=text).problems
    assert (problem.line, problem.field) == (5, "data.key")
    assert "base64" in problem.message


def test_a_service_that_is_not_there_is_a_warning(tmp_path: Path) -> None:
    text = POOL.replace('addresses: ["127.0.0.1:9000"]', "serviceRef: {name: nowhere, port: 8000}")
    [problem] = judged(tmp_path, pool=text, route=ROUTE).problems
    assert (problem.line, problem.severity, problem.field) == (6, "warning", "spec.selfHosted.serviceRef")
    assert "nowhere" in problem.message


@pytest.mark.parametrize("data", ["{key: äöü}", "[1]", "{key: 3}"])
def test_no_secret_breaks_the_judgement(data: str, tmp_path: Path) -> None:
    text = f"apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\ndata: {data}\n"
    assert has_errors(judged(tmp_path, pool=POOL, secret=text).problems)


@pytest.mark.parametrize(
    ("field", "path"),
    [
        ("spec.models[0].name", ("spec", "models", 0, "name")),
        ("spec.a[1][2]", ("spec", "a", 1, 2)),
        ("metadata.labels[a/b]", ("metadata", "labels", "[a/b]")),
        ("", ()),
    ],
)
def test_paths_of_fields(field: str, path: tuple[str | int, ...]) -> None:
    assert path_of(field) == path
