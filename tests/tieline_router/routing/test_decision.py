import json
from decimal import Decimal

from tieline_api.snapshot import Constraints, Fallback, PriceOverride, Prices, Pricing
from tieline_router.routing.callers import Caller
from tieline_router.routing.decide import explain_fallbacks
from tieline_router.routing.view import RequestView

from tests.support.routing import NAMESPACE, World, backend, consumer, external, model, own, route, zero


def world() -> World:
    listed = (Fallback(model="x", when=("Capacity", "ContextLength"), backends=(backend("ext", None),)),)
    tier = PriceOverride(prices=Prices(prompt=Decimal("0.1")), min_prompt_tokens=1000)
    priced = Pricing(base=Prices(prompt=Decimal("0.28"), completion=Decimal("0.42")), overrides=(tier,))
    pools = [
        own("own", model(pricing=Pricing(base=Prices(prompt=Decimal("0.2")), source="Cost"))),
        external("ext", model("x"), model(pricing=priced, upstream_name="m-chat", variant="turbo")),
        external("bad", training=True),
    ]
    rules = Constraints(data_collection="Deny")
    refs = (backend("own"), backend("ext", weight=3), backend("bad"))
    return World(pools, [route(*refs, constraints=rules, fallbacks=listed)])


VIEW = RequestView(model="coder", prompt_tokens=1000, max_tokens=500, stream=True, parameters=frozenset())


def test_the_json_explains_the_whole_decision() -> None:
    found = world()
    decision = found.decide(VIEW, Caller(NAMESPACE, consumer()), zero)
    said = json.loads(json.dumps(decision.to_json()))
    assert {key: said[key] for key in ("model", "namespace", "consumer", "route", "strategy", "refusal")} == {
        "model": "coder",
        "namespace": "ai",
        "consumer": "ai/team",
        "route": "ai/r",
        "strategy": "Balanced",
        "refusal": None,
    }
    assert said["request"]["promptTokens"] == 1000
    assert said["request"]["pricedCompletionTokens"] == 500
    own_, ext = said["attempts"]
    assert own_["pool"] == "ai/own"
    assert own_["price"] == {
        "source": "Cost",
        "promptPerMillion": "0.2",
        "completionPerMillion": None,
        "perRequest": None,
        "estimatedCost": "0.0002",
        "blendedPerMillion": "0.133333",
    }
    assert {key: ext[key] for key in ("place", "pool", "provider", "model", "variant", "upstreamName", "weight")} == {
        "place": 2,
        "pool": "ai/ext",
        "provider": "ext",
        "model": "m",
        "variant": "turbo",
        "upstreamName": "m-chat",
        "weight": 3,
    }
    assert ext["price"]["promptPerMillion"] == "0.1", "the tier of a long prompt"
    assert ext["price"]["estimatedCost"] == "0.00031"
    assert own_["firstShare"] + ext["firstShare"] == 1
    assert said["excluded"] == [
        {
            "pool": "ai/bad",
            "model": "m",
            "variant": "",
            "code": "data_policy:training",
            "message": "dataCollection is Deny and the provider trains on prompts",
        }
    ]
    assert said["fallbacks"] == [{"model": "x", "when": ["Capacity", "ContextLength"]}]


def test_fallbacks_that_were_decided_are_told_in_full() -> None:
    found = world()
    said = explain_fallbacks(found.decide(VIEW), found.live, zero).to_json()
    (fallback,) = said["fallbacks"]
    assert fallback["when"] == ["Capacity", "ContextLength"]
    assert [attempt["pool"] for attempt in fallback["attempts"]] == ["ai/ext"]


def test_a_refusal_is_told_too() -> None:
    said = world().decide(RequestView(model="nobody")).to_json()
    assert (said["refusal"], said["route"], said["attempts"], said["excluded"]) == ("model_not_found", None, [], [])


def test_money_is_exact_where_the_draw_is_not() -> None:
    found = World([external("e", model(price="0.1"))], [route(backend("e"))])
    (attempt,) = found.decide(RequestView(model="coder", prompt_tokens=3, max_tokens=0)).to_json()["attempts"]
    assert attempt["price"]["estimatedCost"] == "0.0000003"


def test_availability_names_filters_and_models() -> None:
    found = World([own("own", training=True)], [route(backend("own"), constraints=Constraints(data_collection="Deny"))])
    assert found.decide().availability() == {
        "code": "constraint_filtered",
        "retryable": False,
        "requested_models": ["coder"],
        "excluded_by": ["data_policy:training"],
        "excluded_counts": {"data_policy:training": 1},
    }
