"""Whole statuses: their form, that a second run writes nothing, and what each kind shows."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tieline_api.conditions import ConditionType, Reason
from tieline_api.names import CONSUMER, MODEL_ROUTE, PROVIDER_POOL, key
from tieline_api.v1alpha1 import ConsumerStatus, ModelRouteStatus, ProviderPoolStatus, Shape
from tieline_operator.plan import Observed, StatusPlan, plan_status
from tieline_operator.programmed import FleetProgress
from tieline_operator.verdicts import Evaluation
from tieline_operator.world import ObjectId

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import Raw, condition, consumer, external, hosted, offer, ref, route, secret
from tests.tieline_operator.test_evaluate import anything, identity

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
DONE = FleetProgress("default", ("a", "b"), frozenset("ab"))
STATUSES: Mapping[str, type[Shape]] = {
    MODEL_ROUTE: ModelRouteStatus,
    PROVIDER_POOL: ProviderPoolStatus,
    CONSUMER: ConsumerStatus,
}


def planned(
    evaluation: Evaluation,
    kind: str,
    name: str,
    *,
    status: Mapping[str, Any] | None = None,
    fleets: tuple[FleetProgress, ...] = (DONE,),
    now: datetime = NOW,
    namespace: str = "ai",
) -> StatusPlan | None:
    return plan_status(Observed(ObjectId(kind, key(namespace, name)), 3, status or {}, evaluation, fleets), now)


def status_of(evaluation: Evaluation, kind: str, name: str, **more: Any) -> dict[str, Any]:
    plan = planned(evaluation, kind, name, **more)
    assert plan is not None
    return plan.status


def summary(status: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    return {item["type"]: (item["status"], item["reason"]) for item in status["conditions"]}


def test_a_route_in_force() -> None:
    status = status_of(manifests.judged(external(), route(refs=[ref(), ref("gone")])), MODEL_ROUTE, "coder")
    assert summary(status) == {
        "Accepted": ("True", "Accepted"),
        "ResolvedRefs": ("False", "PoolNotFound"),
        "Programmed": ("True", "Programmed"),
        "BackendsHealthy": ("Unknown", "NotObserved"),
        "Ready": ("False", "NotReady"),
    }
    assert status["routers"] == [
        {"class": "default", "acked": 2, "expected": 2, "summary": "2/2", "observedGeneration": 3}
    ]
    first, second = status["backends"]
    assert first == {"name": "api", "model": manifests.MODEL, "reason": "NotObserved", "message": ""}
    assert (second["name"], second["reason"]) == ("gone", "PoolNotFound")
    assert "no ProviderPool ai/gone" in second["message"]


def test_a_backend_of_another_namespace_shows_it() -> None:
    allowed = external("shared", meta={"namespace": "platform"}, allowedRoutes={"namespaces": {"from": "All"}})
    crossing = route(refs=[ref("shared", namespace="platform")])
    status = status_of(manifests.judged(allowed, crossing, allow_cross_namespace=True), MODEL_ROUTE, "coder")
    assert status["backends"][0]["namespace"] == "platform"


@pytest.mark.parametrize("refused", [True, False])
def test_a_route_that_is_not_accepted_is_not_programmed_whatever_routers_say(refused: bool) -> None:
    more: dict[str, Any] = {"spillover": {"fromSaturation": "0.5"}} if refused else {}
    mine = route("mine", refs=[ref()], **more)
    older = [] if refused else [route("a", refs=[ref()])]
    status = status_of(manifests.judged(external(), mine, *older), MODEL_ROUTE, "mine")
    assert summary(status)["Programmed"] == ("False", "NotAccepted")
    assert summary(status)["BackendsHealthy"] == ("Unknown", "NotAccepted")
    assert summary(status)["Ready"] == ("False", "NotReady")
    assert "routers" not in status


def test_health_plays_no_part_in_ready() -> None:
    down = [hosted(), manifests.service(), manifests.endpoint_slice("own-1", manifests.endpoint("10.0.0.1", False))]
    evaluation = manifests.judged(*down, route(refs=[ref("own")]))
    for kind, name in ((PROVIDER_POOL, "own"), (MODEL_ROUTE, "coder")):
        assert summary(status_of(evaluation, kind, name))["Ready"] == ("True", "Ready")
    assert summary(status_of(evaluation, PROVIDER_POOL, "own"))["Healthy"] == ("False", "NoReadyEndpoints")
    assert summary(status_of(evaluation, MODEL_ROUTE, "coder"))["BackendsHealthy"] == ("False", "NoHealthyBackends")


def test_a_pool_shows_its_endpoints_and_what_its_tokens_cost() -> None:
    cost = {"acceleratorHour": "3.60", "tokensPerSecondPerReplica": 2000}
    pool = hosted(selfHosted={"serviceRef": {"name": "own", "port": 8000}, "cost": cost})
    endpoints = [manifests.endpoint("10.0.0.1"), manifests.endpoint("10.0.0.2", False)]
    evaluation = manifests.judged(pool, manifests.service(), manifests.endpoint_slice("own-1", *endpoints))
    status = status_of(evaluation, PROVIDER_POOL, "own")
    assert status["endpoints"] == {"total": 2, "ready": 1, "healthy": 1}
    assert status["price"] == {"averagePerMillion": "0.5"}


def test_a_pool_with_a_stated_price_shows_none() -> None:
    status = status_of(manifests.judged(external()), PROVIDER_POOL, "api")
    assert "price" not in status
    assert "endpoints" not in status


def test_a_missing_service_stands_in_resolved_refs_beside_a_missing_secret() -> None:
    header = {"headers": [{"name": "X-A", "secretRef": {"name": "gone", "key": "k"}}]}
    resolved = condition(status_of(manifests.judged(hosted()), PROVIDER_POOL, "own"), ConditionType.RESOLVED_REFS)
    assert (resolved["status"], resolved["reason"]) == ("False", "ServiceNotFound")
    both = status_of(manifests.judged(hosted(connection=header)), PROVIDER_POOL, "own")
    resolved = condition(both, ConditionType.RESOLVED_REFS)
    assert resolved["reason"] == "SecretNotFound"
    assert "Secret ai/gone" in resolved["message"]
    assert "Service ai/own" in resolved["message"]


def test_a_consumer_without_budget_cannot_run_out_of_it() -> None:
    evaluation = manifests.judged(consumer(), secret("team-keys", {"ci": "a"}))
    assert summary(status_of(evaluation, CONSUMER, "team"))["BudgetAvailable"] == ("True", "NoBudget")


def test_a_refused_consumer_has_no_budget_to_speak_of() -> None:
    refused = consumer(budgets=[{"period": "Day", "usd": "1"}])
    status = status_of(manifests.judged(refused, secret("team-keys", {"ci": "a"})), CONSUMER, "team")
    assert summary(status)["Accepted"] == ("False", "UnsupportedField")
    assert summary(status)["BudgetAvailable"] == ("Unknown", "NotAccepted")


def test_ignored_fields_are_named() -> None:
    raw = route(refs=[ref()], affinity={"session": {}}, strategy={"type": "Latency"})
    ignored = condition(
        status_of(manifests.judged(external(), raw), MODEL_ROUTE, "coder"), ConditionType.FIELDS_IGNORED
    )
    assert (ignored["status"], ignored["reason"]) == ("True", "NotImplemented")
    assert ignored["message"].endswith("spec.strategy.type, spec.affinity")


@pytest.mark.parametrize(
    ("kind", "raw"),
    [
        (MODEL_ROUTE, route() | {"spec": {"models": 3}}),
        (PROVIDER_POOL, external("coder") | {"spec": {}}),
        (CONSUMER, consumer("coder") | {"spec": {"keys": {}}}),
    ],
)
def test_an_object_that_cannot_be_read_is_invalid_and_nothing_else_is_known(kind: str, raw: Raw) -> None:
    status = status_of(manifests.judged(raw), kind, "coder")
    found = summary(status)
    assert found["Accepted"] == ("False", "Invalid")
    assert found["ResolvedRefs"] == ("Unknown", "NotAccepted")
    assert found["Ready"] == ("False", "NotReady")
    assert "spec" in condition(status, ConditionType.ACCEPTED)["message"]


def test_an_object_that_is_gone_gets_no_status() -> None:
    for kind in (MODEL_ROUTE, PROVIDER_POOL, CONSUMER):
        assert planned(manifests.judged(), kind, "coder") is None


def test_a_secret_s_value_stands_in_no_status() -> None:
    pool = external(
        "api",
        offer(),
        connection={"headers": [{"name": "X-A", "secretRef": {"name": "provider", "key": "k"}}]},
    )
    bound = secret("provider", {"k": "sk-hidden"}, annotations={"tieline.dev/hosts": "elsewhere.example"})
    evaluation = manifests.judged(pool, bound, consumer("team", ("ci", "provider", "k")))
    for kind, name in ((PROVIDER_POOL, "api"), (CONSUMER, "team")):
        assert "sk-hidden" not in repr(planned(evaluation, kind, name))


# -- a second run -----------------------------------------------------------------------------------------------


def test_a_transition_is_told_once() -> None:
    missing = manifests.judged(route(refs=[ref()]))
    first = planned(missing, MODEL_ROUTE, "coder")
    assert first is not None
    assert ("Warning", "PoolNotFound") in [(event.type, event.reason) for event in first.events]
    assert planned(missing, MODEL_ROUTE, "coder", status=first.status, now=NOW + timedelta(hours=1)) is None
    healed = manifests.judged(external(), route(refs=[ref()]))
    second = planned(healed, MODEL_ROUTE, "coder", status=first.status, now=NOW + timedelta(hours=1))
    assert second is not None
    assert {event.reason for event in second.events} == {"ResolvedRefs", "Ready"}
    programmed = condition(second.status, ConditionType.PROGRAMMED)
    assert programmed["lastTransitionTime"] == "2026-05-01T12:00:00Z", "it was true all the while"


def test_a_field_of_another_writer_is_taken_away() -> None:
    evaluation = manifests.judged(external(), route(refs=[ref()]))
    status = status_of(evaluation, MODEL_ROUTE, "coder")
    assert planned(evaluation, MODEL_ROUTE, "coder", status=status | {"stray": 1}) is not None


def test_one_endpoint_s_flap_writes_the_pool_and_no_route() -> None:
    def with_ready(ready: bool) -> Evaluation:
        items = [manifests.endpoint("10.0.0.1"), manifests.endpoint("10.0.0.2", ready)]
        pool = [hosted(), manifests.service(), manifests.endpoint_slice("own-1", *items)]
        return manifests.judged(*pool, route(refs=[ref("own")]))

    before, after = with_ready(True), with_ready(False)
    route_status, pool_status = status_of(before, MODEL_ROUTE, "coder"), status_of(before, PROVIDER_POOL, "own")
    assert planned(after, MODEL_ROUTE, "coder", status=route_status) is None
    assert planned(after, PROVIDER_POOL, "own", status=pool_status) is not None


fleets = st.lists(
    st.builds(
        FleetProgress,
        st.just("default"),
        st.sampled_from([(), ("a",), ("a", "b")]),
        st.frozensets(st.sampled_from("abc")),
        st.dictionaries(st.sampled_from("abc"), st.just("why")),
    ),
    max_size=1,
).map(tuple)


@settings(max_examples=300, deadline=None)
@given(st.lists(anything, max_size=14), st.lists(anything, max_size=14), fleets, fleets)
def test_every_status_has_the_form_of_its_kind_and_is_written_once(
    first: list[Raw], second: list[Raw], before: tuple[FleetProgress, ...], after: tuple[FleetProgress, ...]
) -> None:
    """Whatever the world, and from whatever world it came: the schema knows every field of the status and has no
    default to add (either would make the next run write again), and the next run writes nothing."""
    statuses: dict[ObjectId, dict[str, Any]] = {}
    for raws, progress, now in ((first, before, NOW), (second, after, NOW + timedelta(minutes=1))):
        objects = {identity(raw): raw for raw in raws if raw["kind"] in STATUSES}
        evaluation = manifests.judged(*{identity(raw): raw for raw in raws}.values())
        for kind, namespace, name in objects:
            identified = ObjectId(kind, key(namespace, name))
            old = statuses.get(identified, {})
            plan = planned(evaluation, kind, name, status=old, fleets=progress, now=now, namespace=namespace)
            status = old if plan is None else plan.status
            statuses[identified] = status
            parsed = STATUSES[kind].model_validate(status).to_wire()
            assert {field: value for field, value in parsed.items() if value} == status
            later = now + timedelta(days=1)
            assert (
                planned(evaluation, kind, name, status=status, fleets=progress, now=later, namespace=namespace) is None
            )
            assert {item["reason"] for item in status["conditions"]} <= set(Reason)
