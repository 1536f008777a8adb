from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api import snapshot
from tieline_api.conditions import Reason
from tieline_api.names import key
from tieline_operator.routes import matches, patterns_of
from tieline_operator.verdicts import RESOLVED, Finding, RouteVerdict

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import MODEL, Raw, external, judged_route, offer, ref, route


def wire(verdict: RouteVerdict) -> snapshot.Route:
    assert verdict.wire is not None
    return verdict.wire


def pools_of(verdict: RouteVerdict) -> list[str]:
    return [backend.pool for backend in wire(verdict).backends]


def refs(verdict: RouteVerdict) -> Finding:
    return verdict.verdict.resolved_refs


def test_a_route_with_all_parts_reaches_the_wire() -> None:
    verdict = judged_route(
        external(),
        external("other"),
        route(
            models=["coder", "code"],
            refs=[ref("api", priority=1, weight=3), ref("other")],
            strategy={"type": "Price"},
            constraints={"dataCollection": "Deny"},
            timeouts={"connect": "1s"},
            retries={"attempts": 2, "budgetPercent": 10},
            meta={"generation": 7},
        ),
    )
    assert wire(verdict) == snapshot.Route(
        key="ai/coder",
        namespace="ai",
        generation=7,
        created=1767225600.0,
        models=("coder", "code"),
        backends=(
            snapshot.Backend(pool="ai/api", model=MODEL, priority=1, weight=3),
            snapshot.Backend(pool="ai/other", model=MODEL),
        ),
        strategy="Price",
        constraints=snapshot.Constraints(data_collection="Deny"),
        timeouts=snapshot.Timeouts(connect=1.0),
        retries=snapshot.Retries(attempts=2, budget_percent=10),
    )
    assert verdict.verdict.resolved_refs == RESOLVED


@pytest.mark.parametrize("strategy", ["Adaptive", "Latency", "Throughput"])
def test_a_strategy_that_is_not_built_acts_as_balanced(strategy: str) -> None:
    verdict = judged_route(external(), route(refs=[ref()], strategy={"type": strategy}))
    assert wire(verdict).strategy == "Balanced"
    assert verdict.verdict.ignored == ("spec.strategy.type",)


REFUSED = external("api", limits={"requestsPerMinute": 1})
LOCKED = external("api", connection={"headers": [{"name": "X-A", "secretRef": {"name": "gone", "key": "k"}}]})


@pytest.mark.parametrize(
    ("pool", "model", "reason", "words"),
    [
        (external("another"), MODEL, Reason.POOL_NOT_FOUND, "no ProviderPool ai/api"),
        (REFUSED, MODEL, Reason.POOL_NOT_ACCEPTED, "UnsupportedField"),
        (LOCKED, MODEL, Reason.POOL_NOT_RESOLVED, "SecretNotFound"),
        (external(), "gpt-9", Reason.MODEL_NOT_SERVED, f"does not offer gpt-9 (it offers {MODEL})"),
        (external(), None, Reason.MODEL_NOT_SERVED, "does not offer coder"),
    ],
)
def test_a_backend_that_does_not_resolve_is_named_and_the_others_carry_traffic(
    pool: Raw, model: str | None, reason: Reason, words: str
) -> None:
    verdict = judged_route(pool, external("good"), route(refs=[ref("good"), ref("api", model)]))
    assert (refs(verdict).status, refs(verdict).reason) == ("False", reason)
    assert words in refs(verdict).message
    assert [problem.path for problem in refs(verdict).problems] == ["spec.backendRefs[1]"]
    assert pools_of(verdict) == ["ai/good"]
    assert [backend.problem is None for backend in verdict.backends] == [True, False]
    assert verdict.verdict.accepted.holds


def test_the_pool_heals_the_route() -> None:
    asking = route(refs=[ref()])
    assert not refs(judged_route(asking)).holds
    assert refs(judged_route(asking, external())).holds


# -- other namespaces ------------------------------------------------------------------------------------------------


def foreign(**allowed: Any) -> Raw:
    return external("shared", meta={"namespace": "platform"}, allowedRoutes={"namespaces": allowed})


CROSSING = route(refs=[ref("shared", namespace="platform")])


@pytest.mark.parametrize(
    ("raws", "options", "words"),
    [
        ([foreign(**{"from": "All"})], {}, "--allow-cross-namespace"),
        ([foreign()], {"allow_cross_namespace": True}, "spec.allowedRoutes"),
        ([], {"allow_cross_namespace": True}, "spec.allowedRoutes"),
        (
            [foreign(**{"from": "Selector", "selector": {"matchLabels": {"team": "x"}}})],
            {"allow_cross_namespace": True},
            "spec.allowedRoutes",
        ),
    ],
)
def test_a_pool_of_another_namespace_needs_its_owner_s_and_the_operator_s_leave(
    raws: list[Raw], options: dict[str, bool], words: str
) -> None:
    verdict = manifests.judged(CROSSING, *raws, **options).routes[key("ai", "coder")]
    assert refs(verdict).reason == Reason.REF_NOT_PERMITTED
    assert words in refs(verdict).message
    assert wire(verdict).backends == ()


def test_whether_a_foreign_pool_exists_cannot_be_found_out() -> None:
    missing = judged_route(CROSSING, allow_cross_namespace=True)
    closed = judged_route(CROSSING, foreign(), allow_cross_namespace=True)
    assert refs(missing) == refs(closed)


def test_a_permitted_pool_of_another_namespace_answers() -> None:
    allowed = foreign(**{"from": "Selector", "selector": {"matchLabels": {"team": "ai"}}})
    verdict = judged_route(CROSSING, allowed, manifests.namespace("ai", team="ai"), allow_cross_namespace=True)
    assert refs(verdict).holds
    assert pools_of(verdict) == ["platform/shared"]


# -- omitted backendRefs ---------------------------------------------------------------------------------------------


def test_omitted_backends_are_the_permitted_pools_of_the_namespace_that_offer_the_model() -> None:
    verdict = judged_route(
        external("b", offer("m/one")),
        external("a", offer("m/one"), offer("m/two")),
        external("unasked", offer("x")),
        external(
            "elsewhere", offer("m/one"), meta={"namespace": "other"}, allowedRoutes={"namespaces": {"from": "All"}}
        ),
        external(
            "closed",
            offer("m/one"),
            allowedRoutes={"namespaces": {"from": "Selector", "selector": {"matchLabels": {"no": "one"}}}},
        ),
        route(models=["m/one"]),
        allow_cross_namespace=True,
    )
    assert refs(verdict).holds
    assert wire(verdict).backends == (snapshot.Backend(pool="ai/a"), snapshot.Backend(pool="ai/b"))


def test_a_glob_forwards_to_every_pool_with_a_matching_model() -> None:
    pools = [external("a", offer("m/one")), external("b", offer("m/two")), external("c", offer("n/one"))]
    assert pools_of(judged_route(*pools, route(models=["m/*"]))) == ["ai/a", "ai/b"]
    assert pools_of(judged_route(*pools, route(models=["*"]))) == ["ai/a", "ai/b", "ai/c"]
    assert pools_of(judged_route(*pools, route(models=["m/*"], refs=[ref("b", None)]))) == ["ai/b"]


def test_a_namespace_without_pools_is_told() -> None:
    verdict = judged_route(route())
    assert refs(verdict).reason == Reason.NO_POOLS
    assert wire(verdict).backends == ()


def test_an_alias_that_no_pool_offers_must_be_rewritten() -> None:
    verdict = judged_route(external(), route())
    assert refs(verdict).reason == Reason.MODEL_NOT_SERVED
    assert "no pool offers coder" in refs(verdict).message
    assert "backendRefs" in refs(verdict).message


def test_each_name_needs_a_backend_that_answers_it() -> None:
    verdict = judged_route(external("api", offer("one")), route(models=["one", "two"], refs=[ref("api", None)]))
    assert refs(verdict).reason == Reason.MODEL_NOT_SERVED
    assert "no pool offers two" in refs(verdict).message
    assert pools_of(verdict) == ["ai/api"]


def test_an_unusable_pool_among_the_omitted_is_named_and_left_out() -> None:
    verdict = judged_route(REFUSED, external("good"), route(models=[MODEL]))
    assert refs(verdict).reason == Reason.POOL_NOT_ACCEPTED
    assert pools_of(verdict) == ["ai/good"]


# -- fallbacks -------------------------------------------------------------------------------------------------------


def falling(model: str, **more: Any) -> Raw:
    return route(refs=[ref()], fallbacks=[{"model": model, "when": ["Capacity"]}], **more)


def test_a_fallback_that_a_route_answers_has_that_route_s_backends() -> None:
    others = [route("b", ["m/*"], [ref("api", None)]), external("api", offer(), offer("m/x"))]
    verdict = judged_route(falling("m/x"), *others)
    assert refs(verdict).holds
    assert wire(verdict).fallbacks == (snapshot.Fallback(model="m/x", when=("Capacity",)),)


def test_a_fallback_without_route_has_every_permitted_pool_that_offers_it() -> None:
    verdict = judged_route(falling("m/x"), external(), external("b", offer("m/x")), external("a", offer("m/x")))
    assert refs(verdict).holds
    backends = (snapshot.Backend(pool="ai/a", model="m/x"), snapshot.Backend(pool="ai/b", model="m/x"))
    assert wire(verdict).fallbacks == (snapshot.Fallback(model="m/x", when=("Capacity",), backends=backends),)


@pytest.mark.parametrize(
    "other",
    [
        external("elsewhere", offer("m/x"), meta={"namespace": "other"}),
        route("b", ["m/x"], [ref()], routerClass="batch"),
        external("unusable", offer("m/x"), limits={"requestsPerMinute": 1}),
    ],
)
def test_a_fallback_that_nobody_answers_is_named_and_left_out(other: Raw) -> None:
    verdict = judged_route(falling("m/x"), external(), other)
    assert refs(verdict).reason == Reason.MODEL_NOT_SERVED
    assert "spec.fallbacks[0]" in refs(verdict).message
    assert wire(verdict).fallbacks == ()
    assert pools_of(verdict) == ["ai/api"]


def test_a_route_is_no_answer_to_its_own_fallback() -> None:
    verdict = judged_route(route(models=["*"], refs=[ref("api", None)], fallbacks=[{"model": "m/x"}]), external())
    assert refs(verdict).reason == Reason.MODEL_NOT_SERVED


text = st.text("ab/", min_size=1, max_size=5)


@given(text, text, st.booleans())
def test_the_patterns_of_a_name_are_those_that_match_it(name: str, other: str, glob: bool) -> None:
    pattern = f"{other}*" if glob else other
    assert matches(pattern, name) is (pattern in set(patterns_of(name)))


def test_everything_matches_a_lone_star() -> None:
    assert matches("*", "anything/at:all")
