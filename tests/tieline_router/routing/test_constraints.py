"""Merging never loosens: what fails one set of rules fails the merged one, whatever the other says."""

from decimal import Decimal
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st
from tieline_api.snapshot import AllowDeny, Constraints, MaxPrice, Model, Pool, Prices, Pricing
from tieline_router.apis import CHAT
from tieline_router.routing.constraints import NO_RULES, Rules, merge
from tieline_router.routing.filters import OFFER_FILTERS, REQUEST_FILTERS
from tieline_router.routing.offers import CompiledPool, Offer
from tieline_router.routing.view import RequestView

places = st.sampled_from(["US", "DE", "cn"])
place_lists = st.lists(places, max_size=2, unique=True).map(tuple)
rules_about_places = st.builds(AllowDeny, allow=place_lists, deny=place_lists)
money = st.none() | st.sampled_from(["0", "0.5", "1", "2"]).map(Decimal)
collection: st.SearchStrategy[Literal["Allow", "Deny"]] = st.sampled_from(["Allow", "Deny"])
constraints = st.builds(
    Constraints,
    data_collection=collection,
    zero_data_retention=st.booleans(),
    countries=rules_about_places,
    regions=rules_about_places,
    quantizations=st.lists(st.sampled_from(["fp8", "fp4", "BF16"]), max_size=2, unique=True).map(tuple),
    max_price=st.none() | st.builds(MaxPrice, prompt=money, completion=money, request=money),
)
pools = st.builds(
    Pool,
    key=st.just("ai/p"),
    slug=st.just("p"),
    display_name=st.just("p"),
    type=st.just("SelfHosted"),
    country=st.none() | places,
    region=st.none() | places,
    training=st.booleans(),
    retention_seconds=st.none() | st.sampled_from([0.0, 60.0]),
    models=st.builds(
        Model,
        name=st.just("m"),
        upstream_name=st.just("m"),
        quantization=st.none() | st.sampled_from(["fp8", "mxfp8", "nvfp4", "bf16"]),
        pricing=st.none() | st.builds(Pricing, base=st.builds(Prices, prompt=money, completion=money, request=money)),
    ).map(lambda model: (model,)),
)


def excluded_by(wire: Pool, rules: Rules) -> set[str]:
    offer: Offer = CompiledPool(wire).offers["m"][0]
    codes = {rule.code for rule in OFFER_FILTERS if rule.check(offer, 1, rules, CHAT)}
    view = RequestView(model="m")
    return codes | {rule.code for rule in REQUEST_FILTERS if rule.check(offer, view, rules, offer.price(0, 0.0))}


@given(pools, constraints, constraints)
def test_the_merged_rules_exclude_exactly_what_one_of_them_excludes(wire: Pool, a: Constraints, b: Constraints) -> None:
    assert excluded_by(wire, merge(a, b)) == excluded_by(wire, merge(a)) | excluded_by(wire, merge(b))


@given(constraints, constraints, constraints)
def test_merging_is_a_meet(a: Constraints, b: Constraints, c: Constraints) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(a, b, c) == merge(c, a, b)
    assert merge(a, a) == merge(a)
    assert merge(a, Constraints()) == merge(a)


@given(pools)
def test_no_constraints_exclude_nobody(wire: Pool) -> None:
    assert merge() == merge(Constraints()) == NO_RULES
    assert excluded_by(wire, NO_RULES) == set()


def test_allow_lists_without_a_common_place_permit_none() -> None:
    merged = merge(
        Constraints(countries=AllowDeny(allow=("DE",))),
        Constraints(countries=AllowDeny(allow=("FR",))),
    )
    assert merged.countries.allow == frozenset()
    assert not merged.countries.permits("DE")
    assert not merged.countries.permits(None)


def test_a_family_of_quantisations_meets_its_member() -> None:
    merged = merge(Constraints(quantizations=("fp8",)), Constraints(quantizations=("mxfp8",)))
    assert merged.quantizations == frozenset({"mxfp8"})
