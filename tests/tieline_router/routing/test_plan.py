from tieline_api.snapshot import AllowDeny, Constraints, Fallback, Protocol
from tieline_router.apis import CHAT, MESSAGES
from tieline_router.routing.callers import Caller
from tieline_router.routing.plan import prepare, prepare_fallback
from tieline_router.routing.table import MAX_PLANS

from tests.support.routing import NAMESPACE, World, backend, consumer, external, model, own, route

GERMAN = Constraints(countries=AllowDeny(allow=("DE",)))


def world(*fallbacks: Fallback, strategy: str = "Balanced") -> World:
    pools = [own("own", model(), country="DE"), external("ext", model(), model("x"), country="US")]
    return World(pools, [route(backend("own"), backend("ext"), fallbacks=fallbacks, strategy=strategy)])


def test_a_plan_is_made_once_per_consumer_and_model() -> None:
    found = world()
    team = Caller(NAMESPACE, consumer(constraints=GERMAN))
    compiled = found.table.routes["ai/r"]
    anonymous = prepare(found.table, compiled, Caller(NAMESPACE), "coder", CHAT)
    assert prepare(found.table, compiled, Caller(NAMESPACE), "coder", CHAT) is anonymous
    assert [offer.offer.pool.key for offer in anonymous.offers] == ["ai/own", "ai/ext"]
    theirs = prepare(found.table, compiled, team, "coder", CHAT)
    assert [offer.offer.pool.key for offer in theirs.offers] == ["ai/own"]
    assert [out.code for out in theirs.exclusions] == ["geo"]
    assert len(found.table.plans) == 2


def test_names_that_lead_nowhere_are_not_remembered() -> None:
    found = World([own("own")], [route(backend("own", None), models=("*",))])
    for name in ("a", "b", "c"):
        assert prepare(found.table, found.table.routes["ai/r"], Caller(NAMESPACE), name, CHAT).offers == ()
    assert found.table.plans == {}


def test_the_memo_is_bounded() -> None:
    found = world()
    compiled = found.table.routes["ai/r"]
    made = prepare(found.table, compiled, Caller(NAMESPACE), "coder", CHAT)
    found.table.plans.update({("", "", "", str(number), ""): made for number in range(MAX_PLANS - 1)})
    assert prepare(found.table, compiled, Caller(NAMESPACE), "coder", CHAT) is made
    prepare(found.table, compiled, Caller(NAMESPACE, consumer()), "coder", CHAT)
    assert len(found.table.plans) == 1


def test_a_fallback_takes_the_backends_of_the_route_that_claims_it_and_both_rules() -> None:
    listed = Fallback(model="x", backends=(backend("ext", None),))
    theirs = route(backend("own"), backend("ext", "x"), name="other", models=("x",), strategy="Price")
    pools = [own("own", model(), country="DE"), external("ext", model("x"), country="US")]
    first = route(backend("own"), fallbacks=(listed,), constraints=GERMAN)
    found = World(pools, [first, theirs])
    compiled = found.table.routes["ai/r"]
    made = prepare_fallback(found.table, compiled, Caller(NAMESPACE), compiled.fallbacks[0], CHAT)
    assert (made.route, made.strategy) == ("ai/other", "Price")
    assert [offer.offer.pool.key for offer in made.offers] == ["ai/own"]
    assert [(out.pool, out.code) for out in made.exclusions] == [("ai/ext", "geo")]


def test_a_fallback_that_no_route_claims_has_its_own_list() -> None:
    found = world(Fallback(model="x", backends=(backend("ext", None),)), strategy="Weighted")
    compiled = found.table.routes["ai/r"]
    made = prepare_fallback(found.table, compiled, Caller(NAMESPACE), compiled.fallbacks[0], CHAT)
    assert (made.model, made.route, made.strategy) == ("x", "", "Weighted")
    assert [offer.offer.model_name for offer in made.offers] == ["x"]
    assert prepare_fallback(found.table, compiled, Caller(NAMESPACE), compiled.fallbacks[0], CHAT) is made


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
    first, other = found.table.routes["ai/r"], found.table.routes["ai/other"]
    assert prepare_fallback(found.table, first, Caller(NAMESPACE), first.fallbacks[0], CHAT).offers == ()
    assert len(prepare(found.table, other, Caller(NAMESPACE), "x", CHAT).offers) == 1


def test_each_operation_has_its_own_plan_with_what_the_provider_is_asked_by() -> None:
    claude = own("claude", model(apis=("Messages",)), protocols=(Protocol(type="Anthropic", path=""),))
    found = World([claude, own("own")], [route(backend("claude"), backend("own"))])
    compiled = found.table.routes["ai/r"]
    for asked, translated in ((CHAT, [True, False]), (MESSAGES, [False, True])):
        made = prepare(found.table, compiled, Caller(NAMESPACE), "coder", asked)
        assert [offer.operation for offer in made.offers] == [MESSAGES, CHAT]
        assert [offer.translated for offer in made.offers] == translated
