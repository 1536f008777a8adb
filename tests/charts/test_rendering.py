"""What the chart renders: as the golden files have it, and in keeping with what must hold for any values."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
import yaml

from tests.charts.conftest import CHARTS, HERE, NAMESPACE, Object, Render, of_kind
from tests.support.helm import Helm, HelmError

CASES = sorted(path.stem for path in (HERE / "values").glob("*.yaml"))


def values_of(case: str) -> Any:
    return yaml.safe_load((HERE / "values" / f"{case}.yaml").read_text())


@pytest.mark.parametrize("chart", ["tieline", "tieline-crds"])
def test_helm_lint_finds_nothing(helm: Helm, chart: str) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHARTS / chart))


@pytest.mark.parametrize("case", CASES)
def test_the_rendering_is_the_golden_one(helm: Helm, case: str, request: pytest.FixtureRequest) -> None:
    chart, values = str(CHARTS / "tieline"), HERE / "values" / f"{case}.yaml"
    rendered = helm("template", "tieline", chart, f"--namespace={NAMESPACE}", f"--values={values}")
    golden = HERE / "golden" / f"{case}.yaml"
    if request.config.getoption("--update-golden"):
        golden.write_text(rendered)
    assert rendered == golden.read_text(), f"{golden.name} differs: make charts ARGS=--update-golden, and read the diff"


def test_the_case_everything_sets_every_value_of_the_schema() -> None:
    schema = json.loads((CHARTS / "tieline" / "values.schema.json").read_text())
    unset = list(_unset(schema, values_of("everything"), schema["$defs"], ""))
    # A class sets the claim of its own that excludes the one that the chart makes.
    assert unset == ["global", "router.state.existingClaim"]


def _unset(schema: Any, values: Any, defs: Any, path: str) -> Any:
    """Paths of properties that the schema knows and the values lack; `settings` have a test of their own."""
    schema = defs[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    for name, part in schema.get("properties", {}).items():
        here = f"{path}{name}"
        if name not in values:
            yield here
        elif isinstance(values[name], dict) and name != "settings":
            yield from _unset(part, values[name], defs, here + ".")


@pytest.mark.parametrize("case", CASES)
def test_pods_are_restricted_and_read_only(render: Render, case: str) -> None:
    """The API server judges Pod Security in test_install; what it does not ask for stands here."""
    for deployment in of_kind(render(values_of(case)), "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["enableServiceLinks"] is False
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["resources"]["requests"]["memory"]
            assert container["livenessProbe"] != container["readinessProbe"]
            assert {mount["name"] for mount in container["volumeMounts"]} == {
                volume["name"] for volume in pod["volumes"]
            }


@pytest.mark.parametrize("case", CASES)
def test_roles_hold_no_wildcard_and_none_is_for_routers(render: Render, case: str) -> None:
    objects = render(values_of(case))
    for role in of_kind(objects, "Role", "ClusterRole"):
        for rule in role["rules"]:
            assert rule["verbs"]
            assert rule["resources"]
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert not {"escalate", "bind", "impersonate", "delete", "deletecollection"} & set(rule["verbs"])
    bound = [subject for one in of_kind(objects, "RoleBinding", "ClusterRoleBinding") for subject in one["subjects"]]
    assert {(subject["kind"], subject["name"], subject["namespace"]) for subject in bound} == {
        ("ServiceAccount", "tieline-operator", NAMESPACE)
    }


def test_each_role_is_bound_and_each_binding_finds_its_role(render: Render) -> None:
    for case in CASES:
        objects = render(values_of(case))
        roles = {_place(one) for one in of_kind(objects, "Role", "ClusterRole")}
        bound = {
            (one["roleRef"]["kind"], one["metadata"].get("namespace"), one["roleRef"]["name"])
            for one in of_kind(objects, "RoleBinding", "ClusterRoleBinding")
        }
        assert roles == bound, case


def _place(one: Object) -> tuple[str, str | None, str]:
    return one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]


def test_watched_namespaces_get_roles_and_the_cluster_role_reads_nothing(render: Render) -> None:
    objects = render({"watchNamespaces": ["team-a", NAMESPACE]})
    places = {_place(one)[1] for one in of_kind(objects, "Role") if "watch" in one["metadata"]["name"]}
    assert places == {"team-a", NAMESPACE}
    (cluster,) = of_kind(objects, "ClusterRole")
    assert [rule["resources"] for rule in cluster["rules"]] == [["tokenreviews"]]
    assert environment(objects, "tieline-operator")["TIELINE_WATCH_NAMESPACES"] == f"team-a,{NAMESPACE}"


def test_only_the_fleet_s_service_carries_the_router_class(render: Render) -> None:
    """The operator waits for the ready addresses of Services with this label: one for each class."""
    objects = render({"routers": {"batch": {}}})
    services = {one["metadata"]["name"]: one for one in of_kind(objects, "Service")}
    classes = {name: one["metadata"]["labels"].get("tieline.dev/router-class") for name, one in services.items()}
    assert classes == {
        "tieline-operator": None,
        "tieline-router-batch": None,
        "tieline-router-batch-fleet": "batch",
        "tieline-router-default": None,
        "tieline-router-default-fleet": "default",
    }
    for one in of_kind(objects, "Deployment"):
        labels = one["spec"]["template"]["metadata"]["labels"]
        selecting = [n for n, s in services.items() if s["spec"]["selector"].items() <= labels.items()]
        name = one["metadata"]["name"]
        assert selecting == ([name] if name == "tieline-operator" else [name, f"{name}-fleet"])


def test_a_router_has_no_api_token_but_one_for_the_operator(render: Render) -> None:
    (router,) = [d for d in of_kind(render(), "Deployment") if d["metadata"]["name"] == "tieline-router-default"]
    pod = router["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    (sources,) = [volume["projected"]["sources"] for volume in pod["volumes"] if "projected" in volume]
    assert sources[0]["serviceAccountToken"] == {
        "audience": "tieline-operator", "expirationSeconds": 3600, "path": "token",
    }  # fmt: skip
    assert sources[1]["configMap"]["name"] == "tieline-operator-ca"
    assert sources[1]["configMap"]["optional"] is True


def test_the_grace_period_covers_the_drain(render: Render) -> None:
    values = {"routers": {"default": {"settings": {"drainSeconds": 299.5}}}}
    (router,) = [d for d in of_kind(render(values), "Deployment") if "router" in d["metadata"]["name"]]
    assert router["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 5 + 300 + 10


def test_a_class_takes_from_the_defaults_what_it_does_not_set(render: Render) -> None:
    values = {"router": {"settings": {"logLevel": "debug"}}, "routers": {"batch": {"settings": {"logLevel": "error"}}}}
    objects = render(values)
    levels = {
        name: environment(objects, f"tieline-router-{name}")["TIELINE_LOG_LEVEL"] for name in ("default", "batch")
    }
    assert levels == {"default": "debug", "batch": "error"}


def environment(objects: list[Object], deployment: str) -> dict[str, str]:
    """The plain variables of the only container of a Deployment."""
    (found,) = [one for one in of_kind(objects, "Deployment") if one["metadata"]["name"] == deployment]
    (container,) = found["spec"]["template"]["spec"]["containers"]
    names = [one["name"] for one in container["env"]]
    assert len(names) == len(set(names)), "set twice"
    return {one["name"]: one["value"] for one in container["env"] if "value" in one}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"router": {"extraEnv": [{"name": "TIELINE_LOG_LEVEL", "value": "x"}]}}, "use settings.logLevel"),
        ({"operator": {"extraEnv": [{"name": "TIELINE_NAMESPACE", "value": "x"}]}}, "which would be set twice"),
        ({"routers": {"a-fleet": {}}}, "routers.a-fleet: a class cannot end with -fleet"),
        (
            {"router": {"state": {"existingClaim": "x", "claim": {"create": True}}}},
            "routers.default.state: existingClaim and claim.create exclude one another",
        ),
    ],
)
def test_templates_refuse_what_a_schema_cannot_say(render: Render, values: object, message: str) -> None:
    with pytest.raises(HelmError) as refused:
        render(values)
    assert message in refused.value.stderr


def test_versions_are_those_of_the_distribution() -> None:
    version = tomllib.loads((CHARTS.parent / "pyproject.toml").read_text())["project"]["version"]
    for chart in ("tieline", "tieline-crds"):
        described = yaml.safe_load((CHARTS / chart / "Chart.yaml").read_text())
        assert (described["version"], described["appVersion"]) == (version, version)
