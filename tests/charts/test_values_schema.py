"""Wrong values are refused before anything is rendered, and the message names the value."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.charts.conftest import CHARTS, Render
from tests.support.helm import HelmError

WRONG: list[tuple[object, str]] = [
    ({"replicas": 3}, "additional properties 'replicas' not allowed"),
    ({"Router": {}}, "additional properties 'Router' not allowed"),
    ({"router": None}, "missing property 'router'"),
    ({"image": {"digest": "sha256:12"}}, "/image/digest"),
    ({"image": {"repository": ""}}, "/image/repository"),
    ({"image": {"tag": "1:2"}}, "/image/tag"),
    ({"image": {"pullPolicy": "Sometimes"}}, "/image/pullPolicy"),
    ({"image": {"registry": "x"}}, "additional properties 'registry' not allowed"),
    ({"imagePullSecrets": ["name"]}, "/imagePullSecrets/0"),
    ({"watchNamespaces": "team-a"}, "/watchNamespaces"),
    ({"watchNamespaces": ["Team_A"]}, "/watchNamespaces/0"),
    ({"watchNamespaces": ["a", "a"]}, "/watchNamespaces"),
    ({"commonLabels": {"a": 1}}, "/commonLabels/a"),
    ({"runAs": {"user": 0}}, "/runAs/user"),
    ({"runAs": {"user": "nobody"}}, "/runAs/user"),
    ({"operator": {"replicas": 2}}, "additional properties 'replicas' not allowed"),
    ({"operator": {"settings": {"logLevel": "loud"}}}, "/operator/settings/logLevel"),
    ({"operator": {"settings": {"log_level": "info"}}}, "additional properties 'log_level' not allowed"),
    ({"operator": {"settings": {"namespace": "x"}}}, "additional properties 'namespace' not allowed"),
    ({"operator": {"settings": {"expectedRouters": {"default": -1}}}}, "/operator/settings/expectedRouters/default"),
    ({"operator": {"settings": {"dnsNames": "a,b"}}}, "/operator/settings/dnsNames"),
    ({"operator": {"tolerations": [{"keys": "x"}]}}, "/operator/tolerations/0"),
    ({"operator": {"serviceAccount": {"name": "x"}}}, "/operator/serviceAccount"),
    ({"router": {"replicas": "two"}}, "/router/replicas"),
    ({"router": {"replicas": -1}}, "/router/replicas"),
    ({"router": {"settings": {"port": 80}}}, "additional properties 'port' not allowed"),
    ({"router": {"settings": {"auth": "None"}}}, "/router/settings/auth"),
    ({"router": {"settings": {"maxBodyBytes": 1}}}, "/router/settings/maxBodyBytes"),
    ({"router": {"settings": {"drainSeconds": "30s"}}}, "/router/settings/drainSeconds"),
    ({"router": {"extraEnv": [{"value": "x"}]}}, "/router/extraEnv/0"),
    ({"router": {"extraEnv": [{"name": "a b"}]}}, "/router/extraEnv/0/name"),
    ({"router": {"resources": {"limits": {"memory": "1GB"}}}}, "/router/resources/limits/memory"),
    ({"router": {"resources": {"request": {}}}}, "/router/resources"),
    ({"router": {"service": {"type": "Ingress"}}}, "/router/service/type"),
    ({"router": {"service": {"port": 0}}}, "/router/service/port"),
    ({"router": {"service": {"externalTrafficPolicy": "local"}}}, "/router/service/externalTrafficPolicy"),
    ({"router": {"state": {"sizeLimit": "big"}}}, "/router/state/sizeLimit"),
    ({"router": {"state": {"keySecret": {"key": ""}}}}, "/router/state/keySecret/key"),
    ({"router": {"podDisruptionBudget": {"maxUnavailable": "half"}}}, "/router/podDisruptionBudget/maxUnavailable"),
    ({"router": {"topologySpread": [{"topologyKey": "zone"}]}}, "/router/topologySpread/0"),
    ({"routers": {"Batch": {}}}, "additional properties 'Batch' not allowed"),
    ({"routers": {"batch": {"settings": {"drainSecnods": 1}}}}, "/routers/batch/settings"),
    ({"routers": {"batch": 2}}, "/routers/batch"),
    ({"networkPolicy": True}, "/networkPolicy"),
    ({"networkPolicy": {"clients": [{}]}}, "/networkPolicy/clients/0"),
    ({"networkPolicy": {"metricsFrom": [{"selector": {}}]}}, "/networkPolicy/metricsFrom/0"),
]


@pytest.mark.parametrize(("values", "named"), WRONG, ids=[json.dumps(values)[1:-1] for values, _ in WRONG])
def test_a_wrong_value_is_refused_by_name(render: Render, values: object, named: str) -> None:
    with pytest.raises(HelmError, match="values don't meet the specifications of the schema") as refused:
        render(values)
    assert named in refused.value.stderr


def test_the_chart_of_the_crds_refuses_too(render: Render) -> None:
    for values, named in (({"keep": "yes"}, "/keep"), ({"Keep": True}, "'Keep'"), ({"labels": {"a": 1}}, "/labels/a")):
        with pytest.raises(HelmError) as refused:
            render(values, chart="tieline-crds")
        assert named in refused.value.stderr


@pytest.mark.parametrize("chart", ["tieline", "tieline-crds"])
def test_every_object_of_the_schema_is_closed_and_every_value_described(chart: str) -> None:
    schema = json.loads((CHARTS / chart / "values.schema.json").read_text())
    problems = [problem for name, part in _parts(schema, "") for problem in _judge(name, part)]
    assert not problems


OPEN = {"global", "affinity", "podSelector", "namespaceSelector", "ipBlock", "valueFrom"}
"""Objects of Kubernetes' own types, which the API server judges."""


def _parts(schema: Any, path: str) -> Any:
    for name, part in {**schema.get("properties", {}), **schema.get("$defs", {})}.items():
        yield f"{path}/{name}", part
        yield from _parts(part, f"{path}/{name}")
    if isinstance(schema.get("items"), dict):
        yield from _parts(schema["items"], f"{path}[]")


def _judge(path: str, part: Any) -> Any:
    if "$ref" not in part and not part.get("description"):
        yield f"{path} has no description"
    is_object = "object" in part.get("type", ()) and "$ref" not in part
    if is_object and "additionalProperties" not in part and path.rpartition("/")[2] not in OPEN:
        yield f"{path} takes any property"
