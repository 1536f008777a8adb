"""What each scope and class may know. The scope tests look at the encoded frames, where nothing can hide."""

from __future__ import annotations

import hashlib
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tieline_api.names import GATEWAY_SCOPE, namespace_scope
from tieline_api.snapshot import content_hash
from tieline_operator.compile import Compiled, compile_scope, namespace_of

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import Raw, consumer, external, hosted, offer, ref, route, secret
from tests.tieline_operator.test_evaluate import anything, identity


def keyed(name: str, secret_name: str, *models: Raw, **more: Any) -> Raw:
    reference = {"secretRef": {"name": secret_name, "key": "k"}}
    connection = {"credentials": [{"name": "main", "type": "APIKey", "apiKey": reference}]}
    return external(name, *models, connection=connection, **more)


def tenant(namespace: str) -> list[Raw]:
    """A namespace with one of everything; all names and values begin with that of the namespace."""
    meta = {"namespace": namespace}
    own = {"serviceRef": {"name": f"{namespace}-service", "port": 8000}}
    return [
        keyed(f"{namespace}-api", f"{namespace}-provider", meta=meta, allowedRoutes={"namespaces": {"from": "All"}}),
        secret(f"{namespace}-provider", {"k": f"{namespace}-sk"}, namespace=namespace),
        hosted(f"{namespace}-own", meta=meta, selfHosted=own),
        manifests.service(f"{namespace}-service", namespace=namespace),
        manifests.endpoint_slice(
            f"{namespace}-slice",
            manifests.endpoint("10.0.0.1" if namespace == "ai" else "10.9.9.9"),
            service=f"{namespace}-service",
            namespace=namespace,
        ),
        route(f"{namespace}-route", ["coder"], [ref(f"{namespace}-api"), ref(f"{namespace}-own")], meta=meta),
        consumer(f"{namespace}-team", ("ci", f"{namespace}-keys", "ci"), meta=meta),
        secret(f"{namespace}-keys", {"ci": f"{namespace}-key"}, namespace=namespace),
    ]


def compiled(*raws: Raw, scope: str = GATEWAY_SCOPE, router_class: str = "default", **options: bool) -> Compiled:
    return compile_scope(manifests.judged(*raws, **options), scope, router_class)


def encoded(content: Compiled) -> str:
    parts = (content.config, content.endpoints, content.secrets, content.overlay)
    return msgspec.json.encode(parts).decode()


def test_the_gateway_has_everything_that_its_class_uses() -> None:
    content = compiled(*tenant("ai"), *tenant("search"))
    assert [pool.key for pool in content.config.pools] == [
        "ai/ai-api", "ai/ai-own", "search/search-api", "search/search-own"
    ]  # fmt: skip
    assert [item.key for item in content.config.routes] == ["ai/ai-route", "search/search-route"]
    assert [item.key for item in content.config.consumers] == ["ai/ai-team", "search/search-team"]
    assert list(content.endpoints) == ["ai/ai-own", "search/search-own"]
    assert {item: value.value for item, value in content.secrets.items()} == {
        "ai/ai-provider/k": "ai-sk",
        "search/search-provider/k": "search-sk",
    }


def test_a_namespace_has_its_own_and_nothing_else() -> None:
    text = encoded(compiled(*tenant("ai"), *tenant("search"), scope=namespace_scope("ai")))
    assert "search" not in text
    assert "10.9.9.9" not in text
    assert hashlib.sha256(b"search-key").hexdigest() not in text
    for own in ("ai/ai-api", "ai/ai-own", "ai/ai-route", "ai/ai-team", "ai-sk", "10.0.0.1:8080"):
        assert own in text


def test_a_pool_of_another_namespace_is_withheld_from_a_sidecar_and_reported() -> None:
    crossing = route(
        "crossing", ["other"], [ref("search-api", namespace="search"), ref("ai-api")], meta={"namespace": "ai"}
    )
    raws = [*tenant("ai"), *tenant("search"), crossing]
    gateway = compiled(*raws, allow_cross_namespace=True)
    crossed = next(item for item in gateway.config.routes if item.key == "ai/crossing")
    assert [backend.pool for backend in crossed.backends] == ["search/search-api", "ai/ai-api"]
    assert gateway.withheld == ()
    sidecar = compiled(*raws, scope=namespace_scope("ai"), allow_cross_namespace=True)
    assert sidecar.withheld == (("ai/crossing", "search/search-api"),)
    assert "search" not in encoded(sidecar)
    (confined,) = (item for item in sidecar.config.routes if item.key == "ai/crossing")
    assert [backend.pool for backend in confined.backends] == ["ai/ai-api"]


@settings(max_examples=200, deadline=None)
@given(st.lists(anything, max_size=20), st.booleans(), st.sampled_from(["default", "batch"]))
def test_no_namespace_ever_learns_of_another_one(raws: list[Raw], crossing: bool, router_class: str) -> None:
    objects = {identity(raw): raw for raw in raws}
    evaluation = manifests.judged(*objects.values(), allow_cross_namespace=crossing)
    for own, other in (("ai", "search"), ("search", "ai")):
        text = encoded(compile_scope(evaluation, namespace_scope(own), router_class))
        assert not re.search(rf'"{other}["/.]', text)


@settings(max_examples=200, deadline=None)
@given(st.lists(anything, max_size=20), st.booleans(), st.sampled_from([GATEWAY_SCOPE, namespace_scope("ai")]))
def test_what_is_compiled_refers_only_to_what_is_compiled(raws: list[Raw], crossing: bool, scope: str) -> None:
    objects = {identity(raw): raw for raw in raws}
    content = compile_scope(manifests.judged(*objects.values(), allow_cross_namespace=crossing), scope, "default")
    used = {backend.pool for item in content.config.routes for backend in item.backends}
    used |= {
        backend.pool for item in content.config.routes for fallback in item.fallbacks for backend in fallback.backends
    }
    assert {pool.key for pool in content.config.pools} == used
    assert content.endpoints.keys() == {pool.key for pool in content.config.pools if pool.type == "SelfHosted"}
    referred = {item.secret.id: item.secret.version for pool in content.config.pools for item in pool.credentials}
    assert {item: value.version for item, value in content.secrets.items()} == referred
    assert list(content.config.pools) == sorted(content.config.pools, key=lambda pool: pool.key)
    names = [(item.namespace, name) for item in content.config.routes for name in item.models]
    assert len(names) == len(set(names))
    hashes = [item.sha256 for caller in content.config.consumers for item in caller.keys]
    assert len(hashes) == len(set(hashes))


def test_only_routes_of_the_class_and_what_they_use() -> None:
    raws = [
        keyed("a", "a-secret"), secret("a-secret", {"k": "a-sk"}), route("a", ["a"], [ref("a")]),
        keyed("b", "b-secret"), secret("b-secret", {"k": "b-sk"}), route("b", ["b"], [ref("b")], routerClass="batch"),
        keyed("unused", "c-secret"), secret("c-secret", {"k": "c-sk"}),
    ]  # fmt: skip
    content = compiled(*raws, router_class="batch")
    assert [item.key for item in content.config.routes] == ["ai/b"]
    assert [pool.key for pool in content.config.pools] == ["ai/b"]
    assert list(content.secrets) == ["ai/b-secret/k"]
    assert compiled(*raws, router_class="nobody").config.pools == ()


def test_pools_of_fallbacks_are_included() -> None:
    falling = route("a", ["a"], [ref("a")], fallbacks=[{"model": "m/x"}])
    content = compiled(external("a"), external("b", offer("m/x")), falling)
    assert [pool.key for pool in content.config.pools] == ["ai/a", "ai/b"]


def test_a_secret_of_the_config_is_a_reference_and_never_a_value() -> None:
    content = compiled(*tenant("ai"))
    assert "ai-sk" not in msgspec.json.encode(content.config).decode()
    assert "ai-sk" not in repr(content)
    assert hashlib.sha256(b"ai-sk").hexdigest() not in encoded(content), "a version must not be a hash of the value"


def test_the_order_of_objects_does_not_matter() -> None:
    raws = [*tenant("ai"), *tenant("search")]
    forward, backward = compiled(*raws), compiled(*reversed(raws))
    assert forward == backward
    assert content_hash(forward.config) == content_hash(backward.config)


def test_a_flapping_endpoint_leaves_the_config_as_it_is() -> None:
    raws = tenant("ai")
    down = manifests.endpoint_slice("ai-slice", manifests.endpoint("10.0.0.1", False), service="ai-service")
    before, after = compiled(*raws), compiled(*[raw for raw in raws if raw["kind"] != "EndpointSlice"], down)
    assert content_hash(before.config) == content_hash(after.config)
    assert before.endpoints != after.endpoints
    assert before.overlay == after.overlay == {}, "readiness is no verdict of the operator's"


@pytest.mark.parametrize("scope", ["", "namespace", "namespace/", "ai", "Gateway", "gateway/ai"])
def test_what_is_no_scope_is_refused(scope: str) -> None:
    with pytest.raises(ValueError, match="is no scope"):
        namespace_of(scope)
