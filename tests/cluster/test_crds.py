"""The CRDs on a real API server: admitted, explained, listed, and judging every manifest as `tieline lint` does."""

import random
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import yaml
from tieline_api.conditions import ALWAYS_WRITTEN
from tieline_api.names import PLURALS
from tieline_api.schema import KINDS
from tieline_api.validation import completed_object, validate_object

from tests.support.api_client import ApiClient, ApiError
from tests.support.kubectl import Kubectl, KubectlError
from tests.support.schema_cases import FOLDER, Case, cases
from tests.support.schema_mutations import mutated

pytestmark = pytest.mark.usefixtures("crds_applied")
MANIFESTS = sorted(path for path in FOLDER.glob("*.yaml") if path.stem != "rules")


def collection(kind: str, namespace: str) -> str:
    return f"/apis/tieline.dev/v1alpha1/namespaces/{namespace}/{PLURALS[kind]}"


def refusal(attempt: Callable[[], object]) -> set[str] | None:
    """The fields that the server names when it refuses; None when it does not."""
    try:
        attempt()
    except ApiError as error:
        named = {str(cause.get("field")) for cause in error.causes}
        return named | set(re.findall(r'unknown field "([^"]+)"', error.message))
    return None


def misjudged(case: Case, attempt: Callable[[], object]) -> str | None:
    """What the server said when it is not what the case expects."""
    named = refusal(attempt)
    if case.refused_at is None:
        right = named is None
    else:
        right = plain(case.refused_at) in {plain(field) for field in named or ()}
    return None if right else f"{case}: the server names {named}"


def plain(field: str) -> str:
    """The server writes the key of a map in brackets when a rule is broken, after a dot when a type or bound is."""
    return re.sub(r"\[([^]0-9][^]]*)]", r".\1", field)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_the_server_judges_every_pair_as_lint_does(kind: str, admin: ApiClient) -> None:
    """Lint is held to the same cases by tests/tieline_api/validation/test_validation.py."""
    path = f"{collection(kind, 'default')}?dryRun=All&fieldValidation=Strict"
    told = [misjudged(case, partial(admin.create, path, case.manifest)) for case in cases(kind)]
    assert [text for text in told if text] == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_the_server_judges_every_pair_of_a_status(kind: str, admin: ApiClient, namespace: str) -> None:
    every = list(cases(kind, "status"))
    name = every[0].manifest["metadata"]["name"]
    metadata = {"name": name, "namespace": namespace}
    created = admin.create(collection(kind, namespace), every[0].manifest | {"metadata": metadata})
    version = {"resourceVersion": created["metadata"]["resourceVersion"]}
    path = f"{collection(kind, namespace)}/{name}/status?dryRun=All&fieldValidation=Strict"
    told = [
        misjudged(case, partial(admin.replace, path, case.manifest | {"metadata": metadata | version}))
        for case in every
    ]
    assert [text for text in told if text] == []


@pytest.mark.timeout(300)
def test_the_server_judges_random_manifests_as_lint_does(admin: ApiClient) -> None:
    """What lint names may be more: it goes on where the server stops."""
    whole = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in MANIFESTS]
    told, accepted = [], 0
    for manifest in mutated(whole, 600, random.Random("crds")):
        path = f"{collection(manifest['kind'], 'default')}?dryRun=All&fieldValidation=Strict"
        theirs = refusal(partial(admin.create, path, manifest))
        ours = {plain(problem.path) for problem in validate_object(manifest)}
        accepted += theirs is None
        if (theirs is None) != (not ours) or not all(_named(plain(field), ours) for field in theirs or ()):
            told.append(f"the server names {theirs}, lint {ours}: {manifest}")
    assert told == []
    assert 30 < accepted < 300, "the edits are neither harmless nor all fatal"


def _named(field: str, ours: set[str]) -> bool:
    """Lint names a field, or what holds it; `<nil>` only says that the server stopped there."""
    return field == "<nil>" or any(field.startswith(name) for name in ours)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_manifests_are_stored_as_lint_completes_them(path: Any, admin: ApiClient, namespace: str) -> None:
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    raw["metadata"]["namespace"] = namespace
    stored = admin.create(f"{collection(raw['kind'], namespace)}?fieldValidation=Strict", raw)
    assert stored["spec"] == completed_object(raw)["spec"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_object_has_its_conditions_from_the_first_second(kind: str, admin: ApiClient, namespace: str) -> None:
    raw = next(case.manifest for case in cases(kind)) | {"metadata": {"name": "new", "namespace": namespace}}
    admin.create(collection(kind, namespace), raw)
    conditions = admin.get(f"{collection(kind, namespace)}/new")["status"]["conditions"]
    assert [condition["type"] for condition in conditions] == [str(type_) for type_ in ALWAYS_WRITTEN[kind]]
    assert {(condition["status"], condition["reason"]) for condition in conditions} == {("Unknown", "Pending")}


def test_kubectl_lists_all_kinds_by_category_and_short_name(kubectl: Kubectl) -> None:
    for path in MANIFESTS:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
        raw["metadata"].pop("namespace")
        kubectl.apply(raw)
    listed = kubectl("get", "tieline", "--output=wide")
    for text in ("providerpool.tieline.dev/deepseek-own", "modelroute.tieline.dev/coder", "team-search", "PROGRAMMED"):
        assert text in listed
    for short in ("tpp", "tmr", "tcon"):
        assert "Unknown" in kubectl("get", short)


def test_kubectl_explains_every_field(kubectl: Kubectl) -> None:
    for plural in PLURALS.values():
        explained = kubectl("explain", plural, "--recursive")
        assert "spec" in explained
        assert "<no description>" not in kubectl("explain", f"{plural}.spec")
    assert "USD per million prompt tokens" in kubectl("explain", "providerpools.spec.models.pricing.base")


def test_a_refusal_reads_well(kubectl: Kubectl) -> None:
    raw = yaml.safe_load((FOLDER / "providerpool-external.yaml").read_text(encoding="utf-8"))
    raw["metadata"].pop("namespace")
    raw["spec"]["external"]["baseURL"] = "http://api.deepseek.com"
    with pytest.raises(KubectlError) as refused:
        kubectl.apply(raw)
    assert "spec.external.baseURL: Invalid value" in refused.value.stderr
    assert "is not encrypted; write https://, or connection.allowInsecure: true" in refused.value.stderr
