from decimal import Decimal
from typing import Any

import pytest
from tieline_api import snapshot
from tieline_api.conditions import Reason
from tieline_operator.verdicts import RESOLVED, PoolVerdict

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import Raw


def credential(name: str = "main", secret: str = "provider", key: str = "apiKey") -> Raw:
    return {"name": name, "type": "APIKey", "apiKey": {"secretRef": {"name": secret, "key": key}}}


def connected(**connection: Any) -> Raw:
    return manifests.external(connection=connection)


PROVIDER = manifests.secret("provider", {"apiKey": "sk-1", "token": "t"}, version="7")
AUTHORITY = manifests.secret("authority", {"ca.crt": "-----BEGIN\nabc\n-----END"}, version="8")


def wire(*raws: Raw, name: str = "api") -> snapshot.Pool:
    verdict = manifests.judged_pool(*raws, name=name)
    assert verdict.wire is not None
    return verdict.wire


def test_a_pool_with_all_parts_reaches_the_wire() -> None:
    raw = manifests.external(
        "deepseek",
        manifests.offer(variant="fp8", upstreamName="deepseek-chat", contextLength=163840, quantization="fp8"),
        provider={"slug": "deepseek/turbo", "displayName": "DeepSeek"},
        external={"baseURL": "https://api.example.com/base/", "feePercent": "5.5"},
        connection={
            "protocols": [{"type": "OpenAI", "path": "/v2"}],
            "credentials": [credential()],
            "headers": [
                {"name": "X-Title", "value": "tieline"},
                {"name": "X-Token", "secretRef": {"name": "provider", "key": "token"}},
            ],
            "tls": {"serverName": "api.example.com", "caSecretRef": {"name": "authority"}},
        },
        location={"country": "CN", "region": "cn-north-1"},
        dataPolicy={"training": False, "retention": "1h"},
        health={"ejection": {"consecutiveFailures": 2, "baseDuration": "5s", "maxPercent": 10}},
    )
    verdict = manifests.judged_pool(raw, PROVIDER, AUTHORITY, name="deepseek")
    assert verdict.wire == snapshot.Pool(
        key="ai/deepseek",
        slug="deepseek/turbo",
        display_name="DeepSeek",
        type="External",
        base_url="https://api.example.com/base",
        scheme="https",
        protocols=(snapshot.Protocol(type="OpenAI", path="/v2"),),
        credentials=(
            snapshot.Credential(name="main", secret=snapshot.SecretRef(id="ai/provider/apiKey", version="7")),
        ),
        headers=(
            snapshot.Header(name="X-Title", value="tieline"),
            snapshot.Header(name="X-Token", secret=snapshot.SecretRef(id="ai/provider/token", version="7")),
        ),
        tls=snapshot.Tls(server_name="api.example.com", ca=snapshot.SecretRef(id="ai/authority/ca.crt", version="8")),
        country="CN",
        region="cn-north-1",
        training=False,
        retention_seconds=3600.0,
        models=(
            snapshot.Model(
                name=manifests.MODEL,
                variant="fp8",
                upstream_name="deepseek-chat",
                pricing=snapshot.Pricing(
                    base=snapshot.Prices(prompt=Decimal("0.28"), completion=Decimal("0.42")), fee_percent=Decimal("5.5")
                ),
                context_length=163840,
                quantization="fp8",
            ),
        ),
        ejection=snapshot.Ejection(consecutive_failures=2, base_seconds=5.0, max_percent=10),
    )
    assert {item: value.value for item, value in verdict.secrets.items()} == {
        "ai/provider/apiKey": "sk-1",
        "ai/provider/token": "t",
        "ai/authority/ca.crt": "-----BEGIN\nabc\n-----END",
    }
    assert verdict.verdict.resolved_refs == RESOLVED
    assert "sk-1" not in repr(verdict)


@pytest.mark.parametrize(
    ("raw", "training", "retention"),
    [
        (manifests.external(), True, None),
        (manifests.external(dataPolicy={"training": False}), False, None),
        (manifests.external(dataPolicy={"retention": "0s"}), True, 0.0),
        (manifests.hosted(), False, 0.0),
        (manifests.hosted(dataPolicy={"training": True}), True, 0.0),
        (manifests.hosted(dataPolicy={"retention": "720h"}), False, 2_592_000.0),
    ],
)
def test_who_does_not_say_trains_and_retains_unless_it_is_one_s_own(
    raw: Raw, training: bool, retention: float | None
) -> None:
    pool = wire(raw, name=raw["metadata"]["name"])
    assert (pool.training, pool.retention_seconds) == (training, retention)


def test_slug_and_display_name_default_to_the_name() -> None:
    pool = wire(manifests.external())
    assert (pool.slug, pool.display_name) == ("api", "api")


def test_own_servers_speak_https_when_tls_is_stated() -> None:
    assert wire(manifests.hosted(), name="own").scheme == "http"
    assert wire(manifests.hosted(connection={"tls": {"serverName": "own"}}), name="own").scheme == "https"


def test_own_tokens_cost_what_their_making_costs_unless_a_price_is_stated() -> None:
    cost = {"acceleratorHour": "3.60", "tokensPerSecondPerReplica": 1000}
    hosted = {"serviceRef": {"name": "own", "port": 8000}, "cost": cost}
    pool = wire(manifests.hosted("own", {"name": "a"}, manifests.offer("b"), selfHosted=hosted), name="own")
    derived, stated = (model.pricing for model in pool.models)
    assert derived is not None
    assert stated is not None
    assert (derived.source, derived.base.prompt) == ("Cost", Decimal("1.000000"))
    assert (stated.source, stated.base.prompt) == ("Pricing", Decimal("0.28"))


def resolved(verdict: PoolVerdict) -> tuple[str, Reason, bool]:
    refs = verdict.verdict.resolved_refs
    return refs.status, refs.reason, verdict.wire is not None


@pytest.mark.parametrize(
    ("connection", "path"),
    [
        ({"credentials": [credential(secret="gone")]}, "spec.connection.credentials[0].apiKey.secretRef"),
        (
            {"headers": [{"name": "X-Token", "secretRef": {"name": "gone", "key": "a"}}]},
            "spec.connection.headers[0].secretRef",
        ),
        ({"tls": {"caSecretRef": {"name": "gone"}}}, "spec.connection.tls.caSecretRef"),
    ],
)
def test_a_pool_without_a_secret_that_it_needs_carries_no_traffic(connection: Raw, path: str) -> None:
    verdict = manifests.judged_pool(connected(**connection), PROVIDER)
    assert resolved(verdict) == ("False", Reason.SECRET_NOT_FOUND, False)
    assert verdict.verdict.resolved_refs.message.startswith(path)
    assert verdict.verdict.accepted.holds
    assert verdict.secrets == {}


def test_one_credential_of_several_is_enough() -> None:
    verdict = manifests.judged_pool(connected(credentials=[credential("a", "gone"), credential("b")]), PROVIDER)
    assert resolved(verdict) == ("False", Reason.SECRET_NOT_FOUND, True)
    assert verdict.wire is not None
    assert [item.name for item in verdict.wire.credentials] == ["b"]


def test_a_secret_bound_to_other_hosts_is_not_sent() -> None:
    bound = manifests.secret("provider", {"apiKey": "a"}, annotations={"tieline.dev/hosts": "api.other.example"})
    verdict = manifests.judged_pool(connected(credentials=[credential()]), bound)
    assert resolved(verdict) == ("False", Reason.SECRET_HOST_NOT_PERMITTED, False)


def test_the_binding_goes_with_the_credential_to_the_router() -> None:
    bound = manifests.secret("provider", {"apiKey": "a"}, annotations={"tieline.dev/hosts": "*.example.com"})
    assert wire(connected(credentials=[credential()]), bound).credentials[0].hosts == ("*.example.com",)


def test_a_binding_of_own_servers_is_to_the_name_of_their_service() -> None:
    pool = manifests.hosted(connection={"credentials": [credential()]})
    for hosts, works in (("own.ai.svc", True), ("api.example.com", False)):
        bound = manifests.secret("provider", {"apiKey": "a"}, annotations={"tieline.dev/hosts": hosts})
        verdict = manifests.judged_pool(pool, bound, name="own")
        assert (verdict.wire is not None) is works
        if verdict.wire is not None:
            assert verdict.wire.credentials[0].hosts == (), "pods answer at addresses, which no name binds"


def test_a_binding_does_not_concern_the_authority_which_is_sent_to_nobody() -> None:
    bound = manifests.secret("authority", {"ca.crt": "x"}, annotations={"tieline.dev/hosts": "api.other.example"})
    assert wire(connected(tls={"caSecretRef": {"name": "authority"}}), bound).tls is not None


def test_a_model_none_of_whose_apis_the_pool_speaks_is_refused() -> None:
    verdict = manifests.judged_pool(connected(protocols=[{"type": "Anthropic"}]))
    assert verdict.wire is None
    assert verdict.verdict.accepted.reason is Reason.INVALID
    assert "spec.models[0].apis: ChatCompletions needs protocol OpenAI" in verdict.verdict.accepted.message
