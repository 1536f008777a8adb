"""The whole pass: what depends on what, and that an incremental pass says what a full one says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tieline_api.names import key
from tieline_operator.evaluate import evaluate
from tieline_operator.verdicts import Evaluation
from tieline_operator.world import Options, World

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import Raw, consumer, external, hosted, offer, ref, route, secret

NAMESPACES = st.sampled_from(["ai", "search"])
NAMES = st.sampled_from(["a", "b", "c"])
MODELS = st.sampled_from(["m/one", "m/two", "coder"])
CREATED = st.sampled_from(["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"])
ALLOWED = st.sampled_from(
    [
        {},
        {"namespaces": {"from": "All"}},
        {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "x"}}}},
    ]
)


@st.composite
def pools(draw: st.DrawFn) -> Raw:
    meta = {"namespace": draw(NAMESPACES), "generation": draw(st.integers(1, 3))}
    models = [offer(name) for name in draw(st.sets(MODELS, min_size=1))]
    more: dict[str, Any] = {"allowedRoutes": draw(ALLOWED)}
    if draw(st.booleans()):
        more["limits"] = {"requestsPerMinute": 1}
    if draw(st.booleans()):
        return hosted(draw(NAMES), *models, meta=meta, **more)
    reference = {"secretRef": {"name": draw(NAMES), "key": draw(st.sampled_from("kl"))}}
    more["connection"] = {"credentials": [{"name": "main", "type": "APIKey", "apiKey": reference}]}
    return external(draw(NAMES), *models, meta=meta, **more)


@st.composite
def routes(draw: st.DrawFn) -> Raw:
    meta = {"namespace": draw(NAMESPACES), "generation": draw(st.integers(1, 3)), "creationTimestamp": draw(CREATED)}
    more: dict[str, Any] = {"routerClass": draw(st.sampled_from(["default", "batch"]))}
    if draw(st.booleans()):
        more["fallbacks"] = [{"model": draw(MODELS)}]
    if draw(st.integers(0, 4)) == 0:
        more["spillover"] = {"fromSaturation": "0.5"}
    names = sorted(draw(st.sets(st.one_of(MODELS, st.sampled_from(["m/*", "*"])), min_size=1)))
    refs = None
    if draw(st.booleans()):
        model = None if "*" in "".join(names) else draw(MODELS)
        namespace = {"namespace": draw(NAMESPACES)} if draw(st.booleans()) else {}
        refs = [ref(draw(NAMES), model, **namespace)]
    return route(draw(NAMES), names, refs, meta=meta, **more)


@st.composite
def consumers(draw: st.DrawFn) -> Raw:
    meta = {"namespace": draw(NAMESPACES), "creationTimestamp": draw(CREATED)}
    keys = [("one", draw(NAMES), "k"), ("two", draw(NAMES), "l")]
    more = {"limits": {"requestsPerMinute": 1}} if draw(st.integers(0, 4)) == 0 else {}
    return consumer(draw(NAMES), *keys, meta=meta, **more)


@st.composite
def secrets(draw: st.DrawFn) -> Raw:
    values = {name: draw(st.sampled_from(["", "s1", "s2"])) for name in "kl" if draw(st.booleans())}
    return secret(
        draw(NAMES),
        values,
        namespace=draw(NAMESPACES),
        labelled=draw(st.booleans()),
        version=draw(st.sampled_from("12")),
    )


slices = st.builds(
    lambda namespace, addresses, ready: manifests.endpoint_slice(
        "own-1", *[manifests.endpoint(f"10.0.0.{item}", ready) for item in addresses], namespace=namespace
    ),
    NAMESPACES,
    st.sets(st.integers(1, 3)),
    st.booleans(),
)
services = st.builds(lambda namespace: manifests.service(namespace=namespace), NAMESPACES)
namespaces = st.builds(lambda name, team: manifests.namespace(name, team=team), NAMESPACES, st.sampled_from("xy"))
anything = st.one_of(pools(), routes(), consumers(), secrets(), slices, services, namespaces)
beginnings = st.lists(anything, max_size=20)
edits = st.lists(st.tuples(anything, st.booleans(), st.booleans()), min_size=1, max_size=6)


def identity(raw: Raw) -> tuple[str, str, str]:
    return raw["kind"], raw["metadata"].get("namespace", ""), raw["metadata"]["name"]


@settings(max_examples=300, deadline=None)
@given(beginnings, edits)
def test_an_incremental_pass_says_what_a_full_pass_says(
    beginning: list[Raw], history: list[tuple[Raw, bool, bool]]
) -> None:
    """After every edit of a history of edits: objects put and removed, the operator's options switched."""
    objects = {identity(raw): raw for raw in beginning}
    evaluation = manifests.judged(*objects.values())
    for raw, removed, crossing in history:
        if removed:
            objects.pop(identity(raw), None)
        else:
            objects[identity(raw)] = raw
        world = World.from_objects(objects.values(), Options(allow_cross_namespace=crossing))
        evaluation = evaluate(world, evaluation)
        assert evaluation == evaluate(world)


SETTING = [
    external("api", connection={"credentials": [
        {"name": "main", "type": "APIKey", "apiKey": {"secretRef": {"name": "provider", "key": "k"}}}
    ]}),
    secret("provider", {"k": "sk"}),
    hosted(),
    manifests.service(),
    manifests.endpoint_slice("own-1", manifests.endpoint("10.0.0.1")),
    route("coder", ["coder"], [ref()]),
    route("own", ["mine"], [ref("own")]),
    consumer("team", ("ci", "team-keys", "ci")),
    secret("team-keys", {"ci": "tl-1"}),
    consumer("other", ("ci", "other-keys", "ci")),
    secret("other-keys", {"ci": "tl-2"}),
]  # fmt: skip


def again(before: Evaluation, *replaced: Raw) -> Evaluation:
    objects = {identity(raw): raw for raw in [*SETTING, *replaced]}
    return evaluate(World.from_objects(objects.values()), before)


def test_without_a_change_everything_is_the_very_same_object() -> None:
    before = manifests.judged(*SETTING)
    after = again(before)
    assert after.pools is before.pools
    assert after.endpoints is before.endpoints
    assert after.routes is before.routes
    assert after.consumers is before.consumers


def test_an_endpoint_that_comes_or_goes_touches_neither_pools_nor_routes() -> None:
    before = manifests.judged(*SETTING)
    after = again(before, manifests.endpoint_slice("own-1", manifests.endpoint("10.0.0.1", False)))
    assert after.pools is before.pools
    assert after.routes is before.routes
    assert after.endpoints[key("ai", "own")].ready == 0


def test_an_edited_pool_touches_only_the_routes_that_use_it() -> None:
    before = manifests.judged(*SETTING)
    after = again(before, external("api", offer("other/model")))
    assert after.routes[key("ai", "coder")] != before.routes[key("ai", "coder")]
    assert after.routes[key("ai", "own")] is before.routes[key("ai", "own")]
    assert after.consumers is before.consumers


def test_a_new_key_touches_only_the_consumer_that_has_it() -> None:
    before = manifests.judged(*SETTING)
    after = again(before, secret("team-keys", {"ci": "tl-3"}, version="2"))
    assert after.consumers[key("ai", "team")] != before.consumers[key("ai", "team")]
    assert after.consumers[key("ai", "other")] is before.consumers[key("ai", "other")]
    assert after.pools is before.pools


def test_a_status_write_touches_nothing() -> None:
    before = manifests.judged(*SETTING)
    written = route("coder", ["coder"], [ref()], meta={"resourceVersion": "99"}) | {"status": {"routers": []}}
    assert again(before, written).routes is before.routes


def test_a_caller_that_writes_into_its_tables_hides_no_change() -> None:
    world = manifests.world(external(), route(refs=[ref()]))
    table = dict(world.pools)
    world = World(pools=table, routes=world.routes)
    before = evaluate(world)
    del table[key("ai", "api")]
    after = evaluate(world, before)
    assert after.pools == {}
    assert not after.routes[key("ai", "coder")].verdict.resolved_refs.holds


# -- every dependence: what is judged anew when something else changes ----------------------------------------------

KEYED = {"credentials": [{"name": "main", "type": "APIKey", "apiKey": {"secretRef": {"name": "provider", "key": "k"}}}]}
SELECTED = {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "x"}}}}
OLD, YOUNG = {"creationTimestamp": "2026-01-01T00:00:00Z"}, {"creationTimestamp": "2026-01-02T00:00:00Z"}
SHARED = secret("shared", {"k": "tl-shared"})
TEAM_X = manifests.namespace("ai", team="x")
CASES: dict[str, tuple[list[Raw], Raw, tuple[str, str]]] = {
    "the secret of a pool": ([external("a", connection=KEYED)], secret("provider", {"k": "sk"}), ("ProviderPool", "a")),
    "the secret of a pool of a route": (
        [external("a", connection=KEYED), route("r", refs=[ref("a")])],
        secret("provider", {"k": "sk"}),
        ("ModelRoute", "r"),
    ),
    "the service of a pool": ([hosted()], manifests.service(), ("Endpoints", "own")),
    "the slices of a pool": (
        [hosted(), manifests.service()],
        manifests.endpoint_slice("own-1", manifests.endpoint("10.0.0.1")),
        ("Endpoints", "own"),
    ),
    "the secret of a consumer": ([consumer("c", ("one", "shared", "k"))], SHARED, ("Consumer", "c")),
    "an older consumer with the key": (
        [SHARED, consumer("young", ("one", "shared", "k"), meta=YOUNG)],
        consumer("old", ("one", "shared", "k"), meta=OLD),
        ("Consumer", "young"),
    ),
    "a secret that gives an older consumer the key": (
        [
            SHARED,
            consumer("young", ("one", "shared", "k"), meta=YOUNG),
            consumer("old", ("one", "late", "k"), meta=OLD),
        ],
        secret("late", {"k": "tl-shared"}),
        ("Consumer", "young"),
    ),
    "an older route with the name": (
        [external(), route("young", refs=[ref()], meta=YOUNG)],
        route("old", refs=[ref()], meta=OLD),
        ("ModelRoute", "young"),
    ),
    "a named pool": ([route("r", refs=[ref()])], external(), ("ModelRoute", "r")),
    "a pool of the namespace": ([external(), route("r", [manifests.MODEL])], external("b"), ("ModelRoute", "r")),
    "a pool for a fallback": (
        [external(), route("r", refs=[ref()], fallbacks=[{"model": "m/x"}])],
        external("b", offer("m/x")),
        ("ModelRoute", "r"),
    ),
    "a route for a fallback": (
        [external(), route("r", refs=[ref()], fallbacks=[{"model": "m/x"}])],
        route("b", ["m/*"], [ref("api", None)]),
        ("ModelRoute", "r"),
    ),
    "the labels of the namespace of its own pools": (
        [external(allowedRoutes=SELECTED), route("r", [manifests.MODEL])],
        TEAM_X,
        ("ModelRoute", "r"),
    ),
    "the labels of the namespace of a named pool": (
        [external(allowedRoutes=SELECTED), route("r", refs=[ref()])],
        TEAM_X,
        ("ModelRoute", "r"),
    ),
}


def verdict(evaluation: Evaluation, identified: tuple[str, str]) -> object:
    kind, name = identified
    tables: dict[str, Any] = {
        "ProviderPool": evaluation.pools,
        "Endpoints": evaluation.endpoints,
        "Consumer": evaluation.consumers,
        "ModelRoute": evaluation.routes,
    }
    return tables[kind][key("ai", name)]


@pytest.mark.parametrize("dependence", CASES)
def test_what_an_object_depends_on_reaches_its_verdict_when_it_comes_and_when_it_goes(dependence: str) -> None:
    base, other, dependent = CASES[dependence]
    without, complete = manifests.world(*base), manifests.world(*base, other)
    before, after = evaluate(without), evaluate(complete)
    assert verdict(before, dependent) != verdict(after, dependent)
    assert evaluate(complete, before) == after
    assert evaluate(without, after) == before


def test_a_younger_claim_changes_hands_with_the_age_alone() -> None:
    def claims(first: Raw, second: Raw) -> World:
        return manifests.world(
            SHARED,
            consumer("a", ("one", "shared", "k"), meta=first),
            consumer("b", ("one", "shared", "k"), meta=second),
        )

    before, after = claims(OLD, YOUNG), claims(YOUNG, OLD)
    assert evaluate(after, evaluate(before)) == evaluate(after) != evaluate(before)


def test_the_operator_s_options_reach_every_verdict() -> None:
    raws = [external(connection={"allowPrivate": True}), route("r", refs=[ref()])]
    strict, lenient = manifests.world(*raws), manifests.world(*raws, allow_private=True)
    assert evaluate(lenient, evaluate(strict)) == evaluate(lenient) != evaluate(strict)


def test_an_unreadable_object_harms_no_other_one() -> None:
    broken = route("broken") | {"spec": {"models": 3}}
    evaluation = manifests.judged(broken, external(), route(refs=[ref()]))
    assert evaluation.routes[key("ai", "coder")].verdict.resolved_refs.holds
    assert list(evaluation.invalid) == [manifests.identity("ModelRoute", "broken")]
