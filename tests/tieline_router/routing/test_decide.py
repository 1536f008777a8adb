import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.snapshot import AllowDeny, Constraints, Fallback, Protocol, Verdict
from tieline_router.apis import CHAT, MESSAGES
from tieline_router.errors import ErrorClass
from tieline_router.routing.callers import Caller
from tieline_router.routing.decide import explain_fallbacks
from tieline_router.routing.endpoint import SLOW_START_SECONDS
from tieline_router.routing.view import RequestView

from tests.support.routing import (
    NAMESPACE,
    World,
    backend,
    codes_of,
    consumer,
    credential,
    draws,
    endpoints,
    external,
    model,
    own,
    pools_of,
    pricing,
    route,
    zero,
)


def fail(found: World, name: str, outcome: ErrorClass = ErrorClass.STATUS_5XX, *, wait: float | None = None) -> None:
    """Five failures at every endpoint of a pool."""
    pool = found.pool(name)
    for endpoint in found.live.endpoints(pool, found.now):
        for _ in range(5):
            chosen = pool.wire.credentials[0] if pool.wire.credentials else None
            found.live.end(found.begin(endpoint, chosen), outcome, found.now, wait)


def test_the_route_of_the_name_and_the_order_of_the_strategy() -> None:
    pools = [external("dear", model(price="3")), external("cheap", model(price="1"))]
    refs = (backend("dear"), backend("cheap"))
    assert pools_of(World(pools, [route(*refs)]).decide(draw=draws(0.09)).shortlist.candidates) == ["dear", "cheap"]
    assert pools_of(World(pools, [route(*refs)]).decide(draw=draws(0.11)).shortlist.candidates) == ["cheap", "dear"]
    by_price = World(pools, [route(*refs, strategy="Price")]).decide(draw=draws())
    assert pools_of(by_price.shortlist.candidates) == ["cheap", "dear"]
    assert by_price.route is not None
    assert by_price.route.key == "ai/r"
    assert by_price.refusal is None


def test_the_price_is_that_of_this_request() -> None:
    """Long prompts at one pool, long answers at the other."""
    pools = [
        external("reader", model(pricing=pricing("0.1", "10"))),
        external("writer", model(pricing=pricing("2", "1"))),
    ]
    found = World(pools, [route(backend("reader"), backend("writer"), strategy="Price")])
    reading = found.decide(RequestView(model="coder", prompt_tokens=100_000, max_tokens=10))
    writing = found.decide(RequestView(model="coder", prompt_tokens=10, max_tokens=10_000))
    assert pools_of(reading.shortlist.candidates) == ["reader", "writer"]
    assert pools_of(writing.shortlist.candidates) == ["writer", "reader"]


def test_an_own_pool_without_a_price_counts_as_the_floor() -> None:
    found = World([own("own"), external("ext")], [route(backend("ext"), backend("own"), strategy="Price")])
    first = found.decide().shortlist.candidates[0]
    assert (first.offer.pool.key, first.price) == ("ai/own", 0.01)


def test_a_route_with_globs_forwards_the_name() -> None:
    pools = [external("ext", model("deepseek/a", upstream_name="a-chat"), model("deepseek/b"))]
    found = World(pools, [route(backend("ext", None), models=("deepseek/*",))])
    (one,) = found.decide(RequestView(model="deepseek/a")).shortlist.candidates
    assert (one.offer.model_name, one.offer.upstream_name) == ("deepseek/a", "a-chat")


def test_variants_of_a_model_are_candidates_of_their_own() -> None:
    found = World(
        [external("ext", model(), model(variant="turbo", price="2"))], [route(backend("ext"), strategy="Price")]
    )
    assert [c.offer.model.variant for c in found.decide().shortlist.candidates] == ["", "turbo"]


def test_a_pool_of_another_protocol_is_asked_by_a_translation_after_native_ones() -> None:
    claude = own("claude", model(apis=("Messages",)), protocols=(Protocol(type="Anthropic", path=""),))
    found = World([claude, external("ext", model(price="9"))], [route(backend("claude"), backend("ext"))])
    native, translated = found.decide().shortlist.candidates
    assert (native.offer.pool.key, native.operation, native.translated) == ("ai/ext", CHAT, False)
    assert (translated.offer.pool.key, translated.operation, translated.translated) == ("ai/claude", MESSAGES, True)
    decision = found.decide(RequestView(model="coder", operation=MESSAGES))
    assert pools_of(decision.shortlist.candidates) == ["claude", "ext"]
    assert [attempt["translatedTo"] for attempt in decision.to_json()["attempts"]] == [None, "ChatCompletions"]


# -- nobody may answer ------------------------------------------------------------------------------------------------


def test_an_unknown_model() -> None:
    found = World([own("own")], [route(backend("own"))])
    decision = found.decide(RequestView(model="nobody"))
    assert decision.refusal is ErrorClass.MODEL_NOT_FOUND
    assert found.decide(caller=Caller("other")).refusal is ErrorClass.MODEL_NOT_FOUND
    assert decision.availability()["code"] == "model_not_found"
    assert decision.availability()["retryable"] is False


def test_a_model_under_a_glob_that_no_pool_serves() -> None:
    found = World([own("own")], [route(backend("own", None), models=("*",))])
    decision = found.decide(RequestView(model="nobody"))
    assert decision.refusal is ErrorClass.MODEL_NOT_FOUND
    assert codes_of(decision, "own") == ["model_not_served"]


def test_the_consumers_list_is_asked_before_the_routes() -> None:
    found = World([own("own")], [route(backend("own"))])
    denied = Caller(NAMESPACE, consumer(models=AllowDeny(deny=("c*",))))
    for name in ("coder", "c-unknown"):
        assert found.decide(RequestView(model=name), denied).refusal is ErrorClass.MODEL_NOT_ALLOWED
    limited = Caller(NAMESPACE, consumer(models=AllowDeny(allow=("coder",))))
    assert found.decide(caller=limited).refusal is None


def test_a_route_without_backends() -> None:
    assert World([], [route()]).decide().refusal is ErrorClass.NO_PERMITTED_BACKEND


@pytest.mark.parametrize("rules_of", ["route", "consumer"])
def test_rules_of_route_and_consumer_hold_alike(rules_of: str) -> None:
    rules = Constraints(data_collection="Deny")
    found = World(
        [own("own", training=True), external("ext")],
        [route(backend("own"), backend("ext"), constraints=rules if rules_of == "route" else Constraints())],
    )
    caller = Caller(NAMESPACE, consumer(constraints=rules if rules_of == "consumer" else Constraints()))
    decision = found.decide(caller=caller)
    assert codes_of(decision, "own") == ["data_policy:training"]
    assert pools_of(decision.shortlist.candidates) == ["ext"]


def test_rules_leave_nobody() -> None:
    found = World([own("own", training=True)], [route(backend("own"), constraints=Constraints(data_collection="Deny"))])
    decision = found.decide()
    assert decision.refusal is ErrorClass.NO_PERMITTED_BACKEND
    assert decision.availability()["excluded_counts"] == {"data_policy:training": 1}
    assert not decision.availability()["retryable"]


def test_only_the_context_is_too_short() -> None:
    pools = [own("own", model(context_length=10)), external("ext", model(), training=True)]
    rules = Constraints(data_collection="Deny")
    found = World(pools, [route(backend("own"), backend("ext"), constraints=rules)])
    assert found.decide(RequestView(model="coder", prompt_tokens=100)).refusal is ErrorClass.CONTEXT_LENGTH


@pytest.mark.parametrize(
    ("spoil", "refusal"),
    [
        ("secrets", ErrorClass.CREDENTIALS_UNAVAILABLE),
        ("refused", ErrorClass.CREDENTIALS_UNAVAILABLE),
        ("limited", ErrorClass.CAPACITY_EXHAUSTED),
        ("gone", ErrorClass.NO_HEALTHY_BACKEND),
        ("unready", ErrorClass.NO_HEALTHY_BACKEND),
    ],
)
def test_permitted_but_not_now(spoil: str, refusal: ErrorClass) -> None:
    found = World([own("own", credentials=(credential("a"),))], [route(backend("own"))])
    match spoil:
        case "secrets":
            found.live.apply_secrets({})
        case "refused":
            fail(found, "own", ErrorClass.STATUS_401_402_403)
        case "limited":
            fail(found, "own", ErrorClass.STATUS_429, wait=12.0)
        case "gone":
            found.live.apply_endpoints({}, found.now)
        case _:
            found.live.apply_endpoints({"ai/own": endpoints("10.0.0.1:80", ready=False)}, found.now)
    decision = found.decide()
    assert decision.refusal is refusal
    assert decision.availability()["retryable"]
    assert decision.shortlist.retry_after == {"limited": 12.0, "refused": 60.0}.get(spoil)


def test_the_shortest_pause_is_the_time_to_come_back() -> None:
    found = World([external("a"), external("b")], [route(backend("a"), backend("b"))])
    fail(found, "a", ErrorClass.STATUS_429, wait=12.0)
    fail(found, "b", ErrorClass.OVERLOADED, wait=7.0)
    decision = found.decide()
    assert decision.refusal is ErrorClass.CAPACITY_EXHAUSTED
    assert decision.shortlist.retry_after == 7.0
    assert decision.availability()["retry_after"] == 7.0


# -- the last survivor ------------------------------------------------------------------------------------------------


def test_health_never_leaves_nobody() -> None:
    found = World([external("a"), external("b")], [route(backend("a"), backend("b"), strategy="Priority")])
    fail(found, "a")
    decision = found.decide()
    assert pools_of(decision.shortlist.candidates) == ["b"]
    assert not decision.shortlist.readmitted
    fail(found, "b")
    decision = found.decide()
    assert pools_of(decision.shortlist.candidates) == ["a", "b"]
    assert decision.shortlist.readmitted
    assert codes_of(decision, "a") == ["breaker_open"]
    found.live.apply_overlay({"ai/a": Verdict(health="Unhealthy")})
    assert pools_of(found.decide().shortlist.candidates) == ["a", "b"]


def test_the_survivors_answer_brings_it_back_at_once() -> None:
    found = World([external("a")], [route(backend("a"))])
    for outcome in (ErrorClass.STATUS_5XX, ErrorClass.CONNECT_REFUSED):
        fail(found, "a", outcome)
        assert found.decide().shortlist.readmitted
        (endpoint,) = found.live.endpoints(found.pool("a"), found.now)
        found.attempt(endpoint, None)
        assert not found.decide().shortlist.readmitted


def test_a_broken_model_leaves_the_pools_other_models_alone() -> None:
    pools = [external("a", model("m"), model("x")), external("b", model("m"), model("x"))]
    refs = [route(backend("a", name), backend("b", name), name=name, models=(name,)) for name in ("m", "x")]
    found = World(pools, refs)
    fail(found, "a", ErrorClass.STATUS_5XX)
    assert pools_of(found.decide(RequestView(model="m")).shortlist.candidates) == ["b"]
    assert len(found.decide(RequestView(model="x")).shortlist.candidates) == 2


def test_a_pool_that_comes_back_gets_its_share_slowly() -> None:
    found = World([external("a"), external("b")], [route(backend("a"), backend("b"))])
    fail(found, "a")
    found.now += 30
    (endpoint,) = found.live.endpoints(found.pool("a"), found.now)
    found.attempt(endpoint, None)
    assert [round(share["firstShare"], 2) for share in found.decide().to_json()["attempts"]] == [0.09, 0.91]
    found.now += SLOW_START_SECONDS
    assert [round(share["firstShare"], 2) for share in found.decide().to_json()["attempts"]] == [0.5, 0.5]


def test_rules_are_no_matter_of_health() -> None:
    pools = [external("a"), external("b", training=True)]
    rules = Constraints(data_collection="Deny")
    found = World(pools, [route(backend("a"), backend("b"), constraints=rules)])
    fail(found, "a")
    fail(found, "b")
    assert pools_of(found.decide().shortlist.candidates) == ["a"]


# -- fallbacks --------------------------------------------------------------------------------------------------------


def test_fallbacks_are_explained_on_demand() -> None:
    listed = (Fallback(model="x", when=("Capacity",), backends=(backend("ext", None),)), Fallback(model="gone"))
    found = World([own("own"), external("ext", model("x"))], [route(backend("own"), fallbacks=listed)])
    decision = found.decide()
    assert decision.fallback_shortlists == ()
    explained = explain_fallbacks(decision, found.live, zero)
    first, second = explained.fallback_shortlists
    assert pools_of(first.candidates) == ["ext"]
    assert second.refusal is ErrorClass.NO_PERMITTED_BACKEND


def test_a_consumer_is_not_led_to_a_model_that_it_may_not_use() -> None:
    listed = (Fallback(model="x", backends=(backend("ext", None),)), Fallback(model="y"))
    found = World([own("own"), external("ext", model("x"))], [route(backend("own"), fallbacks=listed)])
    denied = Caller(NAMESPACE, consumer(models=AllowDeny(deny=("x",))))
    assert [f.model for f in found.decide(caller=denied).fallbacks] == ["y"]
    limited = Caller(NAMESPACE, consumer("other", models=AllowDeny(allow=("coder",))))
    assert found.decide(caller=limited).fallbacks == ()
    assert [f.model for f in found.decide().fallbacks] == ["x", "y"]


# -- invariants -------------------------------------------------------------------------------------------------------

spoiled = st.sampled_from(["no", "training", "breaker", "unready", "weight", "short"])
shapes = st.lists(spoiled, min_size=1, max_size=5)


def build(shape: list[str], names: list[str]) -> World:
    pools, refs, addresses = [], [], {}
    for name, spoil in zip(names, shape, strict=True):
        pools.append(own(name, model(context_length=10 if spoil == "short" else None), training=spoil == "training"))
        refs.append(backend(name, weight=0 if spoil == "weight" else 1))
        addresses[f"ai/{name}"] = endpoints(f"10.0.0.{name[1:]}:80", ready=spoil != "unready")
    found = World(pools, [route(*refs, constraints=Constraints(data_collection="Deny"))], addresses)
    for name, spoil in zip(names, shape, strict=True):
        if spoil == "breaker":
            fail(found, name)
    return found


VIEW = RequestView(model="coder", prompt_tokens=100)


@given(shapes)
def test_every_offer_is_a_candidate_or_excluded_with_a_reason(shape: list[str]) -> None:
    names = [f"p{i}" for i in range(len(shape))]
    decision = build(shape, names).decide(VIEW)
    chosen = set(pools_of(decision.shortlist.candidates))
    for name in names:
        assert (name in chosen) or codes_of(decision, name)
        if name in chosen and codes_of(decision, name):
            assert decision.shortlist.readmitted
            assert codes_of(decision, name) == ["breaker_open"]
    assert (decision.refusal is None) is bool(chosen)
    assert all(out.message and out.code for out in decision.shortlist.exclusions)


@given(shapes, st.data())
def test_who_else_is_listed_never_excludes_anybody(shape: list[str], data: st.DataObject) -> None:
    names = [f"p{i}" for i in range(len(shape))]
    gone = data.draw(st.integers(0, len(shape) - 1))
    before = build(shape, names).decide(VIEW)
    rest = [i for i in range(len(shape)) if i != gone]
    after = build([shape[i] for i in rest], [names[i] for i in rest]).decide(VIEW)
    for i in rest:
        assert codes_of(after, names[i]) == codes_of(before, names[i])
        if names[i] in pools_of(before.shortlist.candidates):
            assert names[i] in pools_of(after.shortlist.candidates)


@given(shapes)
def test_deciding_changes_nothing(shape: list[str]) -> None:
    found = build(shape, [f"p{i}" for i in range(len(shape))])
    assert found.decide(VIEW).to_json() == found.decide(VIEW).to_json()
