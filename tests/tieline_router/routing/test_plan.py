import math
from decimal import Decimal

from tieline_api.snapshot import (
    AllowDeny,
    Constraints,
    Fallback,
    MaxPrice,
    PriceOverride,
    Prices,
    Pricing,
    Protocol,
)
from tieline_router.apis import CHAT, MESSAGES, Operation
from tieline_router.errors import ErrorClass
from tieline_router.routing.callers import Caller
from tieline_router.routing.plan import Plan, prepare, prepare_fallback
from tieline_router.routing.table import MAX_PLANS, CompiledRoute
from tieline_router.routing.view import NOTHING, RequestView

from tests.support.routing import NAMESPACE, World, backend, consumer, external, model, own, route

GERMAN = Constraints(countries=AllowDeny(allow=("DE",)))


def world(*fallbacks: Fallback, strategy: str = "Balanced") -> World:
    pools = [own("own", model(), country="DE"), external("ext", model(), model("x"), country="US")]
    return World(pools, [route(backend("own"), backend("ext"), fallbacks=fallbacks, strategy=strategy)])


def planned(
    found: World,
    caller: Caller | None = None,
    *,
    name: str = "coder",
    operation: Operation = CHAT,
    parameters: frozenset[str] = NOTHING,
) -> Plan:
    view = RequestView(model=name, operation=operation, parameters=parameters)
    made = prepare(found.table, caller or Caller(NAMESPACE), view)
    assert isinstance(made, Plan)
    return made


def fallback_of(found: World, compiled: CompiledRoute) -> Plan:
    return prepare_fallback(found.table, compiled, Caller(NAMESPACE), RequestView(model="coder"), compiled.fallbacks[0])


def test_a_plan_is_made_once_per_consumer_and_model() -> None:
    found = world()
    team = Caller(NAMESPACE, consumer(constraints=GERMAN))
    anonymous = planned(found)
    assert planned(found) is anonymous
    assert [offer.offer.pool.key for offer in anonymous.offers] == ["ai/own", "ai/ext"]
    theirs = planned(found, team)
    assert [offer.offer.pool.key for offer in theirs.offers] == ["ai/own"]
    assert [out.code for out in theirs.exclusions] == ["geo"]
    assert len(found.table.plans) == 2


def test_names_that_lead_nowhere_are_not_remembered() -> None:
    found = World([own("own")], [route(backend("own", None), models=("*",))])
    for name in ("a", "b", "c"):
        assert planned(found, name=name).offers == ()
    assert found.table.plans == {}


def test_the_memo_is_bounded() -> None:
    found = world()
    made = planned(found)
    none: frozenset[str] = frozenset()
    found.table.plans.update({("", "", str(number), "", none, none, none): made for number in range(MAX_PLANS - 1)})
    assert planned(found) is made
    planned(found, Caller(NAMESPACE, consumer()))
    assert len(found.table.plans) == 1


def test_a_fallback_takes_the_backends_of_the_route_that_claims_it_and_both_rules() -> None:
    listed = Fallback(model="x", backends=(backend("ext", None),))
    theirs = route(backend("own"), backend("ext", "x"), name="other", models=("x",), strategy="Price")
    pools = [own("own", model(), country="DE"), external("ext", model("x"), country="US")]
    first = route(backend("own"), fallbacks=(listed,), constraints=GERMAN)
    found = World(pools, [first, theirs])
    compiled = found.table.routes["ai/r"]
    made = fallback_of(found, compiled)
    assert (made.route, made.strategy) == ("ai/other", "Price")
    assert [offer.offer.pool.key for offer in made.offers] == ["ai/own"]
    assert [(out.pool, out.code) for out in made.exclusions] == [("ai/ext", "geo")]


def test_a_fallback_that_no_route_claims_has_its_own_list() -> None:
    found = world(Fallback(model="x", backends=(backend("ext", None),)), strategy="Weighted")
    compiled = found.table.routes["ai/r"]
    made = fallback_of(found, compiled)
    assert (made.model, made.route, made.strategy) == ("x", "", "Weighted")
    assert [offer.offer.model_name for offer in made.offers] == ["x"]
    assert fallback_of(found, compiled) is made


def test_a_fallback_and_a_request_for_the_same_name_do_not_share_a_plan() -> None:
    """The rules of the route that names the fallback hold for the one, not for the other."""
    listed = Fallback(model="x")
    pools = [own("own"), external("ext", model("x"), country="US")]
    found = World(
        pools,
        [
            route(backend("own"), fallbacks=(listed,), constraints=GERMAN),
            route(backend("ext", "x"), name="other", models=("x",)),
        ],
    )
    first = found.table.routes["ai/r"]
    assert fallback_of(found, first).offers == ()
    assert len(planned(found, name="x").offers) == 1


def test_each_operation_has_its_own_plan_with_what_the_provider_is_asked_by() -> None:
    claude = own("claude", model(apis=("Messages",)), protocols=(Protocol(type="Anthropic", path=""),))
    found = World([claude, own("own")], [route(backend("claude"), backend("own"))])
    for asked, translated in ((CHAT, [True, False]), (MESSAGES, [False, True])):
        made = planned(found, operation=asked)
        assert [offer.operation for offer in made.offers] == [MESSAGES, CHAT]
        assert [offer.translated for offer in made.offers] == translated


def test_a_name_without_a_route_or_without_the_right_has_no_plan() -> None:
    found = world()
    view = RequestView(model="nobody")
    assert prepare(found.table, Caller(NAMESPACE), view) is ErrorClass.MODEL_NOT_FOUND
    denied = Caller(NAMESPACE, consumer(models=AllowDeny(deny=("coder",))))
    assert prepare(found.table, denied, RequestView(model="coder")) is ErrorClass.MODEL_NOT_ALLOWED
    assert found.table.plans == {}


def test_what_a_kind_of_request_needs_is_settled_once() -> None:
    able = own("able", model(supported_parameters=("tools",)))
    found = World([able, own("plain")], [route(backend("able"), backend("plain"))])
    made = planned(found, parameters=frozenset({"tools"}))
    assert [offer.offer.pool.key for offer in made.offers] == ["ai/able"]
    assert [(out.pool, out.code) for out in made.exclusions] == [("ai/plain", "require_parameters")]
    assert len(planned(found).offers) == 2


def test_a_price_that_never_changes_is_settled_once() -> None:
    rules = Constraints(max_price=MaxPrice(prompt=Decimal(5)))
    dear = Pricing(base=Prices(prompt=Decimal(9)))
    later = PriceOverride(prices=Prices(prompt=Decimal(9)), effective_from=1.0)
    changing = Pricing(base=Prices(prompt=Decimal(1)), overrides=(later,))
    pools = [external("dear", model(pricing=dear)), external("later", model(pricing=changing)), external("fair")]
    refs = [backend(pool.slug) for pool in pools]
    made = planned(World(pools, [route(*refs, constraints=rules)]))
    assert [offer.offer.pool.key for offer in made.offers] == ["ai/later", "ai/fair"]
    assert [(out.pool, out.code) for out in made.exclusions] == [("ai/dear", "max_price")]
    assert made.rows is None


def test_offers_stand_by_rank() -> None:
    claude = own("claude", model(apis=("Messages",)), protocols=(Protocol(type="Anthropic", path=""),))
    pools = [own("late"), claude, own("first"), own("second")]
    refs = [backend("late", priority=1), backend("claude"), backend("first"), backend("second")]
    made = planned(World(pools, [route(*refs)]))
    names = [[offer.offer.pool.wire.slug for offer in group] for group in made.groups]
    assert names == [["first", "second"], ["claude"], ["late"]]


def test_the_bounds_are_those_of_the_smallest_offer() -> None:
    pools = [own("a", model(context_length=1000)), own("b", model(context_length=500, max_output_tokens=9))]
    made = planned(World(pools, [route(backend("a"), backend("b"))]))
    assert (made.max_prompt, made.max_output) == (750, 9)
    assert planned(world()).max_prompt == math.inf
