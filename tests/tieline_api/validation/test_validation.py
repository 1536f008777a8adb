"""`validate_object` on every pair of manifests; the cluster floor applies the same pairs to a real API server."""

from typing import Any

import pytest
import yaml
from tieline_api.schema import KINDS
from tieline_api.validation import completed_object, validate_object

from tests.support.schema_cases import FOLDER, cases

MANIFESTS = sorted(path for path in FOLDER.glob("*.yaml") if path.stem != "rules")


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_whole_manifests_have_no_problem(path: Any) -> None:
    assert validate_object(yaml.safe_load(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_pair_is_judged_right(kind: str) -> None:
    wrong = []
    for case in cases(kind):
        problems = validate_object(case.manifest)
        named = {problem.path for problem in problems}
        if (case.refused_at is None and problems) or (case.refused_at is not None and case.refused_at not in named):
            wrong.append(f"{case}: {[str(problem) for problem in problems]}")
    assert wrong == []


def test_every_problem_says_what_to_do() -> None:
    for case in cases("Consumer"):
        for problem in validate_object(case.manifest):
            assert problem.remedy, f"{case}: {problem}"
            assert str(problem) == f"{problem.path}: {problem.message}; {problem.remedy}"


def test_problems_of_different_kinds_are_told_together() -> None:
    raw = {
        "apiVersion": "tieline.dev/v1alpha1",
        "kind": "ModelRoute",
        "metadata": {"name": "Coder", "labels": {"a": 1}},
        "spec": {"models": ["a*b"], "strategie": {}, "retries": {"attempts": 99}, "timeouts": {"idle": 5}},
    }
    found = {(problem.path, problem.kind) for problem in validate_object(raw)}
    assert found == {
        ("metadata.name", "Metadata"),
        ("metadata.labels", "Metadata"),
        ("spec.strategie", "UnknownField"),
        ("spec.retries.attempts", "Bound"),
        ("spec.timeouts.idle", "Type"),
        ("spec.models[0]", "Rule"),
    }


def test_status_is_not_judged_but_its_unknown_fields_are() -> None:
    raw = yaml.safe_load((FOLDER / "modelroute-glob.yaml").read_text(encoding="utf-8"))
    assert validate_object(raw | {"status": {"conditions": [{"type": 1}]}}) == []
    assert [problem.path for problem in validate_object(raw | {"status": {"foo": 1}})] == ["status.foo"]


@pytest.mark.parametrize("raw", [{}, {"kind": "ModelRoute"}, {"apiVersion": "v1", "kind": "Service"}])
def test_other_kinds_are_the_callers_mistake(raw: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="none of Tieline's kinds: ProviderPool, ModelRoute, Consumer"):
        validate_object(raw)


def test_an_object_is_completed_as_the_server_stores_it() -> None:
    raw = yaml.safe_load((FOLDER / "modelroute-glob.yaml").read_text(encoding="utf-8"))
    raw["spec"] |= {"strategy": None, "ofTomorrow": 1, "timeouts": {"connect": "1s"}}
    spec = completed_object(raw)["spec"]
    assert spec["strategy"] == {"type": "Balanced"}
    assert "ofTomorrow" not in spec
    assert spec["timeouts"]["connect"] == "1s"
    assert spec["timeouts"]["firstToken"] == {"base": "30s", "perThousandTokens": "500ms"}
    assert raw["spec"]["strategy"] is None, "the argument is left as it was"
