"""docs/absent-values.md is true: every row is shown from manifests to the router's decision, and no row is missing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from tieline_api.names import GATEWAY_SCOPE
from tieline_api.prices import DEFAULT_COMPLETION_TOKENS, PRICE_FLOOR
from tieline_api.snapshot import Config
from tieline_operator.compile import compile_scope
from tieline_router.apis import CHAT, EMBEDDINGS
from tieline_router.routing.callers import Caller
from tieline_router.routing.decide import decide
from tieline_router.routing.decision import Candidate, Decision
from tieline_router.routing.live import LiveTable
from tieline_router.routing.table import compile_table
from tieline_router.routing.view import RequestView

from tests.docs import markdown
from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import MODEL, Raw, external, hosted, offer, ref, route

NOW = 1_800_000_000.0
STATED = {"addresses": ["10.0.0.1:8000"]}


def config(*raws: Raw) -> Config:
    return compile_scope(manifests.judged(*raws), GATEWAY_SCOPE, "default").config


def decided(*raws: Raw, **request: Any) -> Decision:
    """The decision about a request for the model `coder`."""
    compiled = compile_scope(manifests.judged(*raws), GATEWAY_SCOPE, "default")
    table, live = compile_table(compiled.config), LiveTable()
    live.apply_config(table)
    live.apply_endpoints(compiled.endpoints, NOW)
    live.apply_overlay(compiled.overlay)
    live.apply_secrets({name: value.version for name, value in compiled.secrets.items()})
    return decide(RequestView(**{"model": "coder"} | request), Caller("ai"), table, live, NOW, lambda: 0.0)


def candidate(*raws: Raw, **request: Any) -> Candidate:
    (only,) = decided(*raws, **request).shortlist.candidates
    return only


def excluded(pool: Raw, constraints: Raw | None = None, **request: Any) -> list[str]:
    """Codes that keep the pool from answering the route `coder` with these constraints."""
    asking = route(refs=[ref(pool["metadata"]["name"])])
    if constraints is not None:
        asking["spec"]["constraints"] = constraints
    return [out.code for out in decided(pool, asking, **request).shortlist.exclusions]


def own(*models: Raw, **spec: Any) -> Raw:
    return hosted("own", *models, **{"selfHosted": STATED} | spec)


def offering(**more: Any) -> Raw:
    return external("api", offer(**more))


DENY, ZDR = {"dataCollection": "Deny"}, {"zeroDataRetention": True}


def policy_of_external() -> None:
    assert excluded(external()) == []
    assert excluded(external(), DENY) == excluded(external(dataPolicy={"retention": "0s"}), DENY) != []
    assert excluded(external(), ZDR) != []
    assert excluded(external(dataPolicy={"training": False}), DENY) == []
    assert excluded(external(dataPolicy={"training": False}), ZDR) != [], "how long it keeps data is not stated"


def policy_of_own() -> None:
    assert excluded(own(), DENY | ZDR) == []
    assert excluded(own(dataPolicy={"training": True}), DENY) != []


def location() -> None:
    countries, regions = {"countries": {"deny": ["US"]}}, {"regions": {"allow": ["eu-west-1"]}}
    assert excluded(external()) == []
    assert excluded(external(), countries) == ["geo"]
    assert excluded(external(), regions) == ["data_region"]
    assert excluded(external(location={"country": "DE", "region": "eu-west-1"}), countries | regions) == []


def quantization() -> None:
    rule = {"quantizations": ["fp8", "fp4"]}
    assert excluded(offering(), rule) == ["quantization"]
    assert [excluded(offering(quantization=name), rule) for name in ("mxfp8", "mxfp4", "nvfp4")] == [[], [], []]


def context_length() -> None:
    assert excluded(offering(), prompt_tokens=10_000_000) == []


def context_estimate() -> None:
    assert excluded(offering(contextLength=1000), prompt_tokens=1500) == []
    assert excluded(offering(contextLength=1000), prompt_tokens=1501) == ["context_length"]


def max_output() -> None:
    assert excluded(offering(), max_tokens=10_000_000) == []
    assert excluded(offering(maxOutputTokens=100), max_tokens=101) == ["max_output_tokens"]
    assert excluded(offering(maxOutputTokens=100)) == []


def parameters() -> None:
    assert excluded(offering()) == []
    for name in ("tools", "response_format", "structured_outputs"):
        assert excluded(offering(), parameters=frozenset([name])) == ["require_parameters"]
        assert excluded(offering(supportedParameters=[name]), parameters=frozenset([name])) == []


def modalities() -> None:
    assert excluded(offering(), input_modalities=frozenset(["text", "image"])) == ["input_modalities"]
    assert excluded(offering(), output_modalities=frozenset(["audio"])) == ["output_modalities"]


def apis() -> None:
    assert excluded(offering(), operation=CHAT) == []
    assert excluded(offering(), operation=EMBEDDINGS) == ["api"]


def free_own_pool() -> None:
    asking = route(refs=[ref("own")], constraints={"maxPrice": {"prompt": "0", "completion": "0"}})
    assert candidate(own(), asking).price == float(PRICE_FLOOR)


def own_price_from_cost() -> None:
    cost = {"acceleratorHour": "3.60", "tokensPerSecondPerReplica": 1000}
    assert candidate(own(selfHosted=STATED | {"cost": cost}), route(refs=[ref("own")])).price == 1.0


def one_price_of_several() -> None:
    assert excluded(external(), {"maxPrice": {"request": "0"}}) == []


def max_tokens() -> None:
    with_default = candidate(external(), route(refs=[ref()]), prompt_tokens=100)
    stated = candidate(external(), route(refs=[ref()]), prompt_tokens=100, max_tokens=DEFAULT_COMPLETION_TOKENS)
    other = candidate(external(), route(refs=[ref()]), prompt_tokens=100, max_tokens=1)
    assert with_default.price == stated.price != other.price
    assert DEFAULT_COMPLETION_TOKENS == 256


def allow_list() -> None:
    located = external(location={"country": "US"})
    assert excluded(located, {"countries": {"deny": ["CN"]}}) == []
    assert excluded(located, {"countries": {"allow": ["US"], "deny": ["US"]}}) == ["geo"]


def constraints() -> None:
    assert excluded(external()) == excluded(external(), {}) == []


def weight() -> None:
    (backend,) = config(external(), route(refs=[ref()])).routes[0].backends
    assert backend.weight == 1
    other = route(refs=[ref(weight=0)])
    assert [out.code for out in decided(external(), other).shortlist.exclusions] == ["weight_zero"]


def backend_refs() -> None:
    pools = [external("a"), external("b"), external("c", offer("other"))]
    (compiled,) = config(*pools, route(models=[MODEL])).routes
    assert [backend.pool for backend in compiled.backends] == ["ai/a", "ai/b"]


def expires_at() -> None:
    (caller,) = config(manifests.consumer(), manifests.secret("team-keys", {"ci": "k"})).consumers
    assert caller.keys[0].expires_at is None


def observations() -> None:
    assert excluded(external()) == []
    assert compile_scope(manifests.judged(external(), route(refs=[ref()])), GATEWAY_SCOPE, "default").overlay == {}


PROOFS: dict[str, Callable[[], None]] = {
    "`dataPolicy`, or a part of it, of an External pool": policy_of_external,
    "`dataPolicy`, or a part of it, of a SelfHosted pool": policy_of_own,
    "`location.country`, `location.region`": location,
    "quantization": quantization,
    "contextLength": context_length,
    "`contextLength` is stated": context_estimate,
    "maxOutputTokens": max_output,
    "supportedParameters": parameters,
    "`inputModalities`, `outputModalities`": modalities,
    "apis": apis,
    "`pricing` and `cost` of a SelfHosted pool": free_own_pool,
    "`pricing` of a SelfHosted pool with `cost`": own_price_from_cost,
    "one kind of price": one_price_of_several,
    "`max_tokens` of a request": max_tokens,
    "allow": allow_list,
    "constraints": constraints,
    "`weight` of a backendRef": weight,
    "`backendRefs` of a route": backend_refs,
    "`expiresAt` of a key": expires_at,
    "observations of an External pool": observations,
}


def _plain(text: str) -> str:
    return text.replace("`", "")


@pytest.mark.parametrize("row", PROOFS)
def test_a_row_is_true(row: str) -> None:
    PROOFS[row]()


def test_every_row_has_a_proof() -> None:
    rows = markdown.table_column((markdown.ROOT / "docs" / "absent-values.md").read_text())
    assert sorted(map(_plain, rows)) == sorted(map(_plain, PROOFS))


def test_the_floor_is_the_one_that_the_page_names() -> None:
    assert str(PRICE_FLOOR) == "0.01"
