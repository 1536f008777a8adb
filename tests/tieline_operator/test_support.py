from typing import Any

import pytest
from tieline_operator.support import TABLE, Support, fields
from tieline_operator.world import Invalid, read

from tests.tieline_operator import manifests

Raw = dict[str, Any]
SELF_HOSTED = {"serviceRef": {"name": "own", "port": 8000}}


def hosted(**more: Any) -> Raw:
    return manifests.hosted(selfHosted=SELF_HOSTED | more)


LEVELS = [{"name": "simple", "model": "a"}, {"name": "hard", "model": "b"}]
OWN_KEY = {"apiKey": {"secretRef": {"name": "s", "key": "k"}}}
CASES: list[tuple[str, Support, Raw, list[str]]] = [
    (
        "spec.limits.requestsPerMinute",
        Support.REFUSED,
        manifests.external(limits={"requestsPerMinute": 1, "concurrency": 1}),
        ["spec.limits.requestsPerMinute"],
    ),
    (
        "spec.limits.tokensPerMinute",
        Support.REFUSED,
        manifests.external(limits={"tokensPerMinute": 1, "queue": {"depth": 1}}),
        ["spec.limits.tokensPerMinute"],
    ),
    ("spec.spillover", Support.REFUSED, manifests.route(spillover={"fromSaturation": "0.7"}), ["spec.spillover"]),
    ("spec.limits", Support.REFUSED, manifests.consumer(limits={"concurrency": 1}), ["spec.limits"]),
    ("spec.budgets", Support.REFUSED, manifests.consumer(budgets=[{"period": "Day", "usd": "1"}]), ["spec.budgets"]),
    (
        "spec.runawayGuard",
        Support.REFUSED,
        manifests.consumer(runawayGuard={"maxRequestsPerSession": 1}),
        ["spec.runawayGuard"],
    ),
    (
        "spec.bringYourOwnKey[].mode: Only",
        Support.REFUSED,
        manifests.consumer(bringYourOwnKey=[{"name": "api", "mode": "Only"} | OWN_KEY]),
        ["spec.bringYourOwnKey[0].mode"],
    ),
    *(
        (
            "spec.strategy.type: Adaptive, Latency, Throughput",
            Support.IGNORED,
            manifests.route(strategy={"type": strategy}),
            ["spec.strategy.type"],
        )
        for strategy in ("Adaptive", "Latency", "Throughput")
    ),
    ("spec.affinity", Support.IGNORED, manifests.route(affinity={"session": {}}), ["spec.affinity"]),
    ("spec.tiering", Support.IGNORED, manifests.route(tiering={"levels": LEVELS}), ["spec.tiering"]),
    ("spec.mirrors", Support.IGNORED, manifests.route(mirrors=[{"name": "x", "percent": 1}]), ["spec.mirrors"]),
    (
        "spec.preferences",
        Support.IGNORED,
        manifests.route(preferences={"maxLatency": {"p90": "3s"}}),
        ["spec.preferences"],
    ),
    (
        "spec.selfHosted.autoscaling: mode Recommend, Direct",
        Support.IGNORED,
        hosted(autoscaling={"maxReplicas": 2}),
        ["spec.selfHosted.autoscaling"],
    ),
    (
        "spec.selfHosted.scaleTargetRef",
        Support.IGNORED,
        hosted(scaleTargetRef={"name": "own"}),
        ["spec.selfHosted.scaleTargetRef"],
    ),
    (
        "spec.selfHosted.dataParallelSize: above 1",
        Support.IGNORED,
        hosted(dataParallelSize=2),
        ["spec.selfHosted.dataParallelSize"],
    ),
    (
        "spec.health.probe",
        Support.IGNORED,
        manifests.external(health={"probe": {"path": "/health"}}),
        ["spec.health.probe"],
    ),
    (
        "spec.modelsFrom",
        Support.IGNORED,
        manifests.external(modelsFrom=[{"configMapRef": {"name": "c", "key": "k"}}]),
        ["spec.modelsFrom"],
    ),
    (
        "spec.models[].apis: of a protocol that connection.protocols lacks",
        Support.IGNORED,
        manifests.external("api", manifests.offer(), manifests.offer("m/y", apis=["ChatCompletions", "Messages"])),
        ["spec.models[1].apis"],
    ),
    (
        "spec.identities",
        Support.IGNORED,
        manifests.consumer(identities=[{"type": "ServiceAccount", "serviceAccount": {"name": "a", "namespace": "b"}}]),
        ["spec.identities"],
    ),
    (
        "spec.bringYourOwnKey[].mode: Prefer, Fallback",
        Support.IGNORED,
        manifests.consumer(bringYourOwnKey=[{"name": "a", "mode": "Fallback"} | OWN_KEY, {"name": "b"} | OWN_KEY]),
        ["spec.bringYourOwnKey[0]", "spec.bringYourOwnKey[1]"],
    ),
    ("spec.markupPercent: above 0", Support.IGNORED, manifests.consumer(markupPercent="1.5"), ["spec.markupPercent"]),
    ("spec.failureMode: Closed", Support.IGNORED, manifests.consumer(failureMode="Closed"), ["spec.failureMode"]),
]


@pytest.mark.parametrize(("path", "support", "raw", "found"), CASES, ids=[f"{case[1]}-{case[0]}" for case in CASES])
def test_each_row_finds_the_field_and_no_other_row_does(
    path: str, support: Support, raw: Raw, found: list[str]
) -> None:
    thing = read(raw)
    assert not isinstance(thing, Invalid), thing.reason
    other = Support.IGNORED if support is Support.REFUSED else Support.REFUSED
    assert list(fields(thing, support)) == found
    assert fields(thing, other) == ()


def test_every_row_has_a_case() -> None:
    cases = {(raw["kind"], path, support) for path, support, raw, _ in CASES}
    assert cases == {(row.kind, row.path, row.support) for row in TABLE}


@pytest.mark.parametrize(
    "raw",
    [
        manifests.external(),
        hosted(autoscaling={"mode": "Off", "maxReplicas": 2}),
        manifests.route(strategy={"type": "Price"}, constraints={"dataCollection": "Deny"}, retries={"attempts": 2}),
        manifests.consumer(models={"deny": ["gpt-*"]}, constraints={"zeroDataRetention": True}),
    ],
)
def test_what_is_enforced_stands_in_no_row(raw: Raw) -> None:
    thing = read(raw)
    assert not isinstance(thing, Invalid), thing.reason
    assert fields(thing, Support.REFUSED) == fields(thing, Support.IGNORED) == ()
