"""One object that cannot be judged, by its own fault or by ours, stops no other."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tieline_api.conditions import Reason
from tieline_api.names import CONSUMER, MODEL_ROUTE, PROVIDER_POOL, Key, key
from tieline_api.validation import validate_object
from tieline_operator import addresses, consumers, pools, routes
from tieline_operator.compile import compile_scope
from tieline_operator.evaluate import evaluate
from tieline_operator.verdicts import Evaluation, Finding
from tieline_operator.world import Options, World

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import Raw, consumer, external, hosted, judged, ref, route, secret

SETTING = [
    external("api"),
    hosted("own"),
    external("other"),
    route("coder", ["coder"], [ref("api")]),
    route("writer", ["writer"], [ref("other")]),
    consumer("team", ("ci", "team-keys", "ci")),
    consumer("rest", ("ci", "team-keys", "more")),
    secret("team-keys", {"ci": "tl-1", "more": "tl-2"}),
]


def failing(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, victim: str) -> None:
    """Lets one step fail for one object, as a mistake in it would."""
    real = getattr(module, name)

    def judge(*given: Any) -> Any:
        first = given[0]
        if getattr(first, "name", getattr(first, "engine", None)) == victim:
            raise LookupError("sk-secret")
        return real(*given)

    monkeypatch.setattr(module, name, judge)


def finding_of(evaluation: Evaluation, kind: str, name: str) -> Finding:
    at = key(manifests.NAMESPACE, name)
    match kind:
        case str() if kind == PROVIDER_POOL:
            return evaluation.pools[at].verdict.accepted
        case str() if kind == MODEL_ROUTE:
            return evaluation.routes[at].verdict.accepted
        case _:
            return evaluation.consumers[at].verdict.accepted


@pytest.mark.parametrize(
    ("module", "step", "kind", "victim", "other"),
    [
        (pools, "evaluate_pool", PROVIDER_POOL, "api", "other"),
        (routes, "evaluate_route", MODEL_ROUTE, "coder", "writer"),
        (consumers, "evaluate_consumer", CONSUMER, "team", "rest"),
    ],
)
def test_a_mistake_of_ours_concerns_one_object_alone(
    monkeypatch: pytest.MonkeyPatch, module: Any, step: str, kind: str, victim: str, other: str
) -> None:
    failing(monkeypatch, module, step, victim)
    evaluation = judged(*SETTING)
    finding = finding_of(evaluation, kind, victim)
    assert (finding.status, finding.reason) == ("False", Reason.INVALID)
    assert f"{kind} {manifests.NAMESPACE}/{victim} (LookupError)" in finding.message
    assert "mistake in Tieline" in finding.message
    assert "sk-secret" not in finding.message
    assert finding_of(evaluation, kind, other).holds
    assert [(str(id_), type(error)) for id_, error in evaluation.faults] == [
        (f"{kind} {manifests.NAMESPACE}/{victim}", LookupError)
    ]
    assert len(compile_scope(evaluation, "gateway", "default").config.routes) == 2
    again = evaluate(manifests.world(*SETTING), evaluation)
    assert again == evaluation
    assert again.faults == ()


def test_a_route_that_we_fail_on_keeps_its_names_without_backends(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, routes, "evaluate_route", "coder")
    wire = judged(*SETTING).routes[Key("ai/coder")].wire
    assert wire is not None
    assert (wire.models, wire.backends) == (("coder",), ())


def test_steps_beside_the_verdict_may_fail_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_given: Any) -> Any:
        raise LookupError

    monkeypatch.setattr(addresses, "endpoints", broken)
    monkeypatch.setattr(consumers, "resolve_keys", broken)
    evaluation = judged(*SETTING)
    problem = evaluation.endpoints[Key("ai/own")].problem
    assert problem is not None
    assert "mistake in Tieline" in problem.message
    assert not evaluation.consumers[Key("ai/team")].verdict.resolved_refs.holds


# -- what the API server accepts never raises -----------------------------------------------------------------------

HOSTS = st.one_of(
    st.sampled_from(
        ["api.example.com", "[::::]", "[1.2.3.4]", "[fd00::7]", "127.1", "0x7f000001", "1.2.3", "a..b", "8"]
    ),
    st.text("0123456789abcdefxX.:[]-", min_size=1, max_size=12),
)
PORTS = st.sampled_from(["", ":80", ":8443", ":65535"])
PLACES: list[tuple[Raw, tuple[str | int, ...], st.SearchStrategy[Any]]] = [
    (external("api"), ("spec", "external", "baseURL"), st.builds("https://{}{}".format, HOSTS, PORTS)),
    (
        hosted(selfHosted={"addresses": ["10.0.0.1:80"]}),
        ("spec", "selfHosted", "addresses", 0),
        st.builds("{}{}".format, HOSTS, PORTS),
    ),
    (route("coder", ["coder"]), ("spec", "models", 0), st.text("ab/*.:@+", min_size=1, max_size=8)),
    (external("api", connection={"tls": {"serverName": "a"}}), ("spec", "connection", "tls", "serverName"), HOSTS),
    (
        external("api", manifests.offer(pricing={"base": {"prompt": "1"}})),
        ("spec", "models", 0, "pricing", "base", "prompt"),
        st.text("0123456789.eE+-", min_size=1, max_size=20),
    ),
    (
        consumer("team", ("ci", "team-keys", "ci")),
        ("spec", "keys", 0, "expiresAt"),
        st.builds(
            "{}-{}-{}T{}:00:00Z".format, *[st.sampled_from(["0000", "0001", "9999", "02", "12", "30", "23"])] * 4
        ),
    ),
]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_what_the_rules_accept_is_judged_without_a_fault(data: st.DataObject) -> None:
    base, path, values = data.draw(st.sampled_from(PLACES))
    raw = copy.deepcopy(base)
    at: Any = raw
    for part in path[:-1]:
        at = at[part]
    at[path[-1]] = data.draw(values)
    for options in (Options(), Options(True, True, True, True)):
        evaluation = evaluate(World.from_objects([raw, *SETTING[3:]], options))
        assert evaluation.faults == ()
        compile_scope(evaluation, "gateway", "default")
        if not list(validate_object(raw)):
            assert evaluation.invalid == {}


@pytest.mark.parametrize("base", ["https://[::::]", "https://[1.2.3.4]", "https://127.1"])
def test_the_rules_refuse_what_is_no_address(base: str) -> None:
    assert [found.path for found in validate_object(external("api") | {"spec": external()["spec"]})] == []
    raw = external(external={"baseURL": base})
    assert [found.path for found in validate_object(raw)] == ["spec.external.baseURL"]


# -- a route that cannot be read ------------------------------------------------------------------------------------


def unreadable(name: str, models: Any, created: str = "2026-01-01T00:00:00Z", **more: Any) -> Raw:
    return route(name, models, meta={"creationTimestamp": created}, strategy={"type": "FutureStrategy"}, **more)


BROAD = route("broad", ["coder*"], meta={"creationTimestamp": "2026-02-01T00:00:00Z"})


def names_served(evaluation: Evaluation, router_class: str = "default") -> dict[str, tuple[tuple[str, ...], int]]:
    compiled = compile_scope(evaluation, "gateway", router_class)
    return {item.key: (item.models, len(item.backends)) for item in compiled.config.routes}


def test_a_route_that_cannot_be_read_keeps_its_names() -> None:
    evaluation = judged(external("api", manifests.offer("coder")), unreadable("strict", ["coder"]), BROAD)
    assert [(id_.key, one.generation) for id_, one in evaluation.invalid.items()] == [("ai/strict", 1)]
    assert names_served(evaluation) == {"ai/strict": (("coder",), 0), "ai/broad": (("coder*",), 1)}
    assert "strategy" in evaluation.routes[Key("ai/strict")].verdict.accepted.message


def test_its_age_class_and_readable_names_count() -> None:
    young = unreadable("young", ["coder", 7, "", "writer"], "2026-03-01T00:00:00Z")
    elsewhere = unreadable("elsewhere", ["coder"], routerClass="batch")
    evaluation = judged(external("api"), route("old", ["coder"]), young, elsewhere)
    assert names_served(evaluation) == {"ai/old": (("coder",), 0), "ai/young": (("writer",), 0)}
    assert names_served(evaluation, "batch") == {"ai/elsewhere": (("coder",), 0)}


@pytest.mark.parametrize("models", [None, "coder", {}, [], [1]])
def test_names_that_cannot_be_read_are_not_claimed(models: Any) -> None:
    raw = unreadable("strict", ["x"])
    raw["spec"]["models"] = models
    evaluation = judged(raw, BROAD)
    assert len(evaluation.invalid) == 1
    assert names_served(evaluation) == {"ai/broad": (("coder*",), 0)}


def test_claims_follow_a_route_that_becomes_readable_and_back() -> None:
    pool = external("api", manifests.offer("coder"))
    broken, good = unreadable("strict", ["coder"]), route("strict", ["coder"])
    evaluation = judged(pool, broken, BROAD)
    for raws in ([pool, good, BROAD], [pool, broken, BROAD], [pool, BROAD], [pool, broken, BROAD]):
        world = World.from_objects(raws)
        evaluation = evaluate(world, evaluation)
        assert evaluation == evaluate(world)
