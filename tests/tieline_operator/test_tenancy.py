from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.names import Key, key
from tieline_api.v1alpha1.providerpool import RouteNamespaces
from tieline_operator.objects import NamespaceView
from tieline_operator.tenancy import Claimant, Claims, holder, permits, reclaim

SEARCH = NamespaceView.of("search", {"team": "search", "tier": "gold"})


def selector(**parts: Any) -> dict[str, Any]:
    return {"from": "Selector", "selector": parts}


def expression(operator: str, *values: str, label: str = "tier") -> dict[str, Any]:
    return selector(matchExpressions=[{"key": label, "operator": operator, "values": list(values)}])


@pytest.mark.parametrize(
    ("allowed", "owner", "permitted"),
    [
        ({}, "search", True),
        ({}, "ai", False),
        ({"from": "All"}, "ai", True),
        (selector(matchLabels={"team": "search"}), "ai", True),
        (selector(matchLabels={"team": "search", "tier": "iron"}), "ai", False),
        (selector(matchLabels={"kubernetes.io/metadata.name": "search"}), "ai", True),
        (selector(matchLabels={"team": "other"}), "search", False),
        (expression("In", "gold", "silver"), "ai", True),
        (expression("In", "silver"), "ai", False),
        (expression("NotIn", "silver"), "ai", True),
        (expression("NotIn", "gold"), "ai", False),
        (expression("NotIn", "gold", label="absent"), "ai", True),
        (expression("Exists"), "ai", True),
        (expression("Exists", label="absent"), "ai", False),
        (expression("DoesNotExist"), "ai", False),
        (expression("DoesNotExist", label="absent"), "ai", True),
        ({"from": "Selector"}, "ai", False),
    ],
)
def test_who_may_use_a_pool(allowed: dict[str, Any], owner: str, permitted: bool) -> None:
    assert permits(RouteNamespaces.model_validate(allowed), owner, "search", SEARCH) is permitted


def test_a_namespace_that_is_not_known_has_its_name_as_label() -> None:
    named = RouteNamespaces.model_validate(selector(matchLabels={"kubernetes.io/metadata.name": "search"}))
    assert permits(named, "ai", "search", None)
    assert not permits(named, "ai", "other", None)


objects = st.dictionaries(
    st.sampled_from([key("ai", name) for name in "abcdef"]),
    st.tuples(st.integers(0, 3), st.sets(st.sampled_from("xyz"))),
)


def claimed(
    before: Mapping[Key, tuple[int, set[str]]], after: Mapping[Key, tuple[int, set[str]]], claims: Claims[str]
) -> tuple[Claims[str], set[str]]:
    return reclaim(
        claims,
        (
            (
                key,
                Claimant(after[key][0], key) if key in after else None,
                before.get(key, (0, set()))[1],
                after.get(key, (0, set()))[1],
            )
            for key in before.keys() | after.keys()
        ),
    )


@given(objects, objects)
def test_the_oldest_claimant_holds_a_name_then_the_first_by_key(
    first: dict[Key, tuple[int, set[str]]], second: dict[Key, tuple[int, set[str]]]
) -> None:
    claims, _ = claimed({}, first, {})
    after, moved = claimed(first, second, claims)
    for name in "xyz":
        claimants = sorted((created, key) for key, (created, names) in second.items() if name in names)
        assert holder(after, name) == (claimants[0][1] if claimants else None)
    assert moved == {name for name in "xyz" if holder(claims, name) != holder(after, name)}
    assert after == claimed({}, second, {})[0], "the way there leaves no trace"
