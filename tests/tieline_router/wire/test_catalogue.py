import json
from decimal import Decimal
from typing import Any

import pytest
from anthropic.pagination import SyncPage as AnthropicPage
from anthropic.types import ModelInfo
from openai.pagination import SyncPage as OpenAIPage
from openai.types import Model
from openrouter import components, operations
from tieline_api.snapshot import Backend, PriceOverride, Prices, Pricing, Window
from tieline_router.routing.table import ModelListing, compile_table
from tieline_router.wire.catalogue import endpoints_body, model_body, models_body, providers_body

from tests.support import frames

NOW = 1_800_000_000.0


def listings(*pools: Any, **route: Any) -> list[ModelListing]:
    config = frames.config(pools, [frames.route(*(pool.slug for pool in pools), created=5.0, **route)]).config
    return compile_table(config).models(frames.NAMESPACE, None)


def two() -> list[ModelListing]:
    offers = [
        frames.model("acme/a", "2", context_length=8192, supported_parameters=("tools",)),
        frames.model("acme/b", pricing=None),
    ]
    cheap = frames.model("acme/a", "0.5", variant="fp8", quantization="FP8", input_modalities=("text", "image"))
    one = frames.own_pool("one", offers)
    return listings(one, frames.own_pool("two", [cheap], country="DE"), models=["acme/*"])


def test_openais_list() -> None:
    body = models_body(two(), "openai", NOW)
    assert json.loads(body) == {
        "object": "list",
        "data": [
            {"id": "acme/a", "object": "model", "created": 5, "owned_by": "default"},
            {"id": "acme/b", "object": "model", "created": 5, "owned_by": "default"},
        ],
    }
    assert len(OpenAIPage[Model].model_validate_json(body, strict=True).data) == 2
    Model.model_validate_json(model_body(two()[0], "openai", NOW), strict=True)


def test_anthropics_list() -> None:
    body = models_body(two(), "openai", NOW, anthropic=True)
    page = AnthropicPage[ModelInfo].model_validate_json(body, strict=True)
    assert (page.first_id, page.last_id, page.has_more) == ("acme/a", "acme/b", False)
    first = page.data[0]
    assert (first.id, first.type, first.display_name, first.max_input_tokens) == ("acme/a", "model", "acme/a", 8192)
    assert first.created_at.timestamp() == 5
    ModelInfo.model_validate_json(model_body(two()[0], "openai", NOW, anthropic=True), strict=True)


def test_an_empty_list_is_a_list() -> None:
    assert json.loads(models_body([], "openai", NOW)) == {"object": "list", "data": []}
    empty: dict[str, Any] = {"data": [], "first_id": None, "last_id": None, "has_more": False}
    assert json.loads(models_body([], "openai", NOW, anthropic=True)) == empty
    assert components.ModelsListResponse.model_validate_json(models_body([], "openrouter", NOW)).total_count == 0


def test_openrouters_list_says_what_the_offers_can_do_at_the_least_price() -> None:
    page = components.ModelsListResponse.model_validate_json(models_body(two(), "openrouter", NOW))
    assert (page.total_count, page.links.next) == (2, None)
    first = page.data[0]
    assert (first.id, first.canonical_slug, first.context_length) == ("acme/a", "acme/a", 8192)
    assert first.supported_parameters == ["tools"]
    assert first.architecture.modality == "image+text->text"
    assert (first.pricing.prompt, first.pricing.completion) == ("0.0000005", "0.0000005")
    assert first.links.details == "/api/v1/models/acme/a/endpoints"


def test_what_is_not_known_is_no_number_that_could_be_true() -> None:
    listing = two()[1]
    model = json.loads(model_body(listing, "openrouter", NOW))["data"]
    components.Model.model_validate(model)
    assert (model["context_length"], model["pricing"]) == (None, {"prompt": "-1", "completion": "-1"})
    (endpoint,) = json.loads(endpoints_body(listing, NOW))["data"]["endpoints"]
    assert (endpoint["uptime_last_1d"], endpoint["latency_last_30m"], endpoint["quantization"]) == (None, None, None)


def test_an_alias_tells_whom_it_stands_for() -> None:
    pool = frames.own_pool("one", [frames.model("acme/a")])
    backend = Backend(pool="default/one", model="acme/a")
    table = compile_table(frames.config([pool], [frames.route(models=["coder"], backends=(backend,))]).config)
    (listing,) = table.models(frames.NAMESPACE, None)
    model = json.loads(model_body(listing, "openrouter", NOW))["data"]
    assert (model["id"], model["canonical_slug"]) == ("coder", "acme/a")


@pytest.mark.parametrize(
    ("offset", "limit", "shown", "following"),
    [
        (0, None, ["acme/a", "acme/b"], None),
        (0, 1, ["acme/a"], "/api/v1/models?offset=1&limit=1"),
        (1, 1, ["acme/b"], None),
        (5, 10, [], None),
        (-3, 0, ["acme/a"], "/api/v1/models?offset=1&limit=1"),
    ],
)
def test_openrouters_pages(offset: int, limit: int | None, shown: list[str], following: str | None) -> None:
    page = json.loads(models_body(two(), "openrouter", NOW, offset=offset, limit=limit))
    assert ([model["id"] for model in page["data"]], page["links"]["next"]) == (shown, following)
    assert page["total_count"] == 2


def test_endpoints_are_the_offers_of_the_pools() -> None:
    body = endpoints_body(two()[0], NOW)
    found = operations.ListEndpointsResponse.model_validate_json(body).data
    assert [(one.tag, one.provider_name) for one in found.endpoints] == [("one", "one"), ("two/fp8", "two")]
    first, second = found.endpoints
    assert (first.context_length, second.context_length) == (8192, 0)
    assert (first.supports_tool_choice.auto, first.supports_tool_choice.required) == (True, False)
    assert (second.quantization, second.pricing.prompt) == ("fp8", "0.0000005")


def test_providers_are_the_pools_behind_what_the_caller_may_use() -> None:
    found = operations.ListProvidersResponse.model_validate_json(providers_body(two()))
    assert [(one.name, one.slug, one.datacenters) for one in found.data] == [
        ("one", "one", None),
        ("two", "two", ["DE"]),
    ]


def test_prices_are_those_of_the_moment_and_tiers_are_named() -> None:
    night = Window(start=0, end=24 * 60 - 1)
    overrides = (
        PriceOverride(prices=Prices(prompt=Decimal(4)), window=night),
        PriceOverride(prices=Prices(prompt=Decimal(6), request=Decimal("0.1")), min_prompt_tokens=128_000),
        PriceOverride(prices=Prices(prompt=Decimal(9)), effective_from=NOW + 1),
        PriceOverride(prices=Prices(prompt=Decimal(8)), min_prompt_tokens=500, effective_from=NOW + 1),
    )
    base = Prices(prompt=Decimal(2), completion=Decimal("0.1"), cache_read=Decimal("0.02"), request=Decimal("0.001"))
    pricing = Pricing(base=base, overrides=overrides, fee_percent=Decimal(50))
    (listing,) = listings(frames.own_pool("one", [frames.model("acme/a", pricing=pricing)]), models=["acme/a"])
    found = json.loads(model_body(listing, "openrouter", NOW))["data"]
    assert found["pricing"] == {
        "prompt": "0.000006",
        "completion": "0.00000015",
        "input_cache_read": "0.00000003",
        "request": "0.0015",
        "overrides": [{"min_prompt_tokens": 127_999, "prompt": "0.000009"}],
    }
    components.Model.model_validate(found)
