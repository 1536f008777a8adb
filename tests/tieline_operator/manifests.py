"""Raw objects as the API server returns them, for the tests of the operator's pure side. Every part can be replaced."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from tieline_api.conditions import ConditionType
from tieline_api.names import API_VERSION, LABEL_USE, USE_CREDENTIALS, key
from tieline_operator.evaluate import evaluate
from tieline_operator.verdicts import ConsumerVerdict, Evaluation, PoolVerdict, RouteVerdict
from tieline_operator.world import ObjectId, Options, World

Raw = dict[str, Any]
NAMESPACE = "ai"
CREATED = "2026-01-01T00:00:00Z"
PRICES = {"base": {"prompt": "0.28", "completion": "0.42"}}
MODEL = "deepseek/deepseek-v3.2"


def metadata(name: str, namespace: str = NAMESPACE, **more: Any) -> Raw:
    return {
        "name": name,
        "namespace": namespace,
        "generation": 1,
        "resourceVersion": "1",
        "creationTimestamp": CREATED,
    } | more


def _object(kind: str, name: str, spec: Mapping[str, Any], meta: Mapping[str, Any]) -> Raw:
    return {"apiVersion": API_VERSION, "kind": kind, "metadata": metadata(name, **meta), "spec": dict(spec)}


def offer(name: str = MODEL, **more: Any) -> Raw:
    return {"name": name, "pricing": PRICES} | more


def external(name: str = "api", *models: Raw, meta: Mapping[str, Any] | None = None, **spec: Any) -> Raw:
    """An External pool; without `models` it offers `MODEL`."""
    whole = {
        "type": "External",
        "external": {"baseURL": "https://api.example.com"},
        "models": list(models) or [offer()],
    }
    return _object("ProviderPool", name, whole | spec, meta or {})


def hosted(name: str = "own", *models: Raw, meta: Mapping[str, Any] | None = None, **spec: Any) -> Raw:
    """A SelfHosted pool behind port 8000 of the Service `own`."""
    whole = {
        "type": "SelfHosted",
        "selfHosted": {"engine": "VLLM", "serviceRef": {"name": "own", "port": 8000}},
        "models": list(models) or [{"name": MODEL}],
    }
    return _object("ProviderPool", name, whole | spec, meta or {})


def route(
    name: str = "coder",
    models: Sequence[str] = ("coder",),
    refs: Sequence[Raw] | None = None,
    meta: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Raw:
    """A route; `refs` None leaves backendRefs out."""
    whole: Raw = {"models": list(models)}
    if refs is not None:
        whole["backendRefs"] = list(refs)
    return _object("ModelRoute", name, whole | spec, meta or {})


def ref(name: str = "api", model: str | None = MODEL, **more: Any) -> Raw:
    return {"name": name} | ({} if model is None else {"model": model}) | more


def consumer(
    name: str = "team",
    *keys: tuple[str, str, str],
    meta: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Raw:
    """A consumer; each key is (name, Secret, key of the Secret). Without any: `ci` in Secret `team-keys`."""
    entries = [
        {"name": item, "secretRef": {"name": secret, "key": data}}
        for item, secret, data in keys or [("ci", "team-keys", "ci")]
    ]
    return _object("Consumer", name, {"keys": entries} | spec, meta or {})


def secret(
    name: str,
    values: Mapping[str, str],
    *,
    labelled: bool = True,
    namespace: str = NAMESPACE,
    annotations: Mapping[str, str] | None = None,
    version: str = "1",
) -> Raw:
    labels = {LABEL_USE: USE_CREDENTIALS} if labelled else {}
    meta = metadata(name, namespace, labels=labels, annotations=dict(annotations or {}), resourceVersion=version)
    data = {item: base64.b64encode(value.encode()).decode() for item, value in values.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data}


def service(name: str = "own", *ports: tuple[str, int], namespace: str = NAMESPACE) -> Raw:
    entries = [{"name": item, "port": number} for item, number in ports or [("http", 8000)]]
    return {
        "apiVersion": "v1", "kind": "Service", "metadata": metadata(name, namespace), "spec": {"ports": entries}
    }  # fmt: skip


def endpoint(address: str, ready: bool | None = True, **more: Any) -> Raw:
    return {"addresses": [address], "conditions": {"ready": ready}} | more


def endpoint_slice(
    name: str = "own-1",
    *endpoints: Raw,
    service: str = "own",
    ports: Sequence[tuple[str, int | None]] = (("http", 8080),),
    namespace: str = NAMESPACE,
    family: str = "IPv4",
) -> Raw:
    labels = {"kubernetes.io/service-name": service} if service else {}
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata(name, namespace, labels=labels),
        "addressType": family,
        "ports": [{"name": item, "port": number, "protocol": "TCP"} for item, number in ports],
        "endpoints": list(endpoints),
    }


def namespace(name: str, **labels: str) -> Raw:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def world(*raws: Raw, **options: bool) -> World:
    return World.from_objects(raws, Options(**options))


def judged(*raws: Raw, **options: bool) -> Evaluation:
    return evaluate(world(*raws, **options))


def judged_pool(*raws: Raw, name: str = "api", **options: bool) -> PoolVerdict:
    return judged(*raws, **options).pools[key(NAMESPACE, name)]


def judged_route(*raws: Raw, name: str = "coder", **options: bool) -> RouteVerdict:
    return judged(*raws, **options).routes[key(NAMESPACE, name)]


def judged_consumer(*raws: Raw, name: str = "team", **options: bool) -> ConsumerVerdict:
    return judged(*raws, **options).consumers[key(NAMESPACE, name)]


def identity(kind: str, name: str, namespace: str = NAMESPACE) -> ObjectId:
    return ObjectId(kind, key(namespace, name))


def condition(status: Mapping[str, Any], kind: ConditionType) -> Mapping[str, Any]:
    """The condition of this type in a status."""
    found: Mapping[str, Any] = next(item for item in status["conditions"] if item["type"] == kind)
    return found
