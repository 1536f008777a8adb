"""The short way says what the long way says, draw by draw, or nothing."""

from decimal import Decimal
from random import Random
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tieline_api.snapshot import (
    Constraints,
    Ejection,
    MaxPrice,
    Pool,
    PriceOverride,
    Prices,
    Pricing,
    Protocol,
    Verdict,
)
from tieline_router.errors import ErrorClass
from tieline_router.routing import decide as long_way
from tieline_router.routing.callers import Caller
from tieline_router.routing.decision import Shortlist
from tieline_router.routing.pickers import PICKERS
from tieline_router.routing.plan import Plan, prepare
from tieline_router.routing.quick import quick_shortlist
from tieline_router.routing.view import RequestView

from tests.support.routing import NAMESPACE, NOW, World, backend, credential, external, model, own, route

VIEW = RequestView(model="coder", prompt_tokens=1000, max_tokens=500)


def both(found: World, view: RequestView, seed: int = 1) -> tuple[Shortlist | None, Shortlist]:
    """The short and the long way with the same draws."""
    plan = prepare(found.table, Caller(NAMESPACE), view)
    assert isinstance(plan, Plan)
    quick = quick_shortlist(plan, view, found.live, found.now, Random(seed).random)
    return quick, long_way.shortlist(plan, view, found.live, found.now, Random(seed).random)


money = st.decimals(0, 50, places=3)
pricings = st.builds(
    Pricing,
    base=st.builds(Prices, prompt=st.none() | money, completion=st.none() | money, request=st.none() | money),
    overrides=st.lists(
        st.builds(
            PriceOverride,
            prices=st.builds(Prices, prompt=money),
            min_prompt_tokens=st.none() | st.integers(1, 5000),
            effective_from=st.none() | st.just(NOW - 5) | st.just(NOW + 5),
        ),
        max_size=2,
    ).map(tuple),
)
MOSTLY_NONE = [None] * 17 + [ErrorClass.STATUS_5XX, ErrorClass.TLS, ErrorClass.OVERLOADED]
HEALTH: list[Literal["Healthy", "Unhealthy"]] = ["Healthy", "Healthy", "Unhealthy"]
messages = (Protocol(type="Anthropic", path=""),)


@st.composite
def worlds(draw: st.DrawFn) -> World:
    pools: list[Pool] = []
    refs = []
    for number in range(draw(st.integers(1, 5))):
        offer = model(
            pricing=draw(pricings),
            context_length=draw(st.none() | st.none() | st.integers(500, 9000)),
            max_output_tokens=draw(st.none() | st.none() | st.integers(100, 9000)),
            supported_parameters=draw(st.sampled_from([None, ("tools",)])),
            apis=draw(st.sampled_from([("ChatCompletions",), ("Messages", "ChatCompletions"), ("Messages",)])),
        )
        kind = draw(st.sampled_from([own, external]))
        both_ = (*messages, Protocol(type="OpenAI", path="/v1"))
        keys = draw(st.sampled_from([(), (credential(f"c{number}"),)]))
        ejection = Ejection(consecutive_failures=1)
        pools.append(kind(f"p{number}", offer, protocols=both_, credentials=keys, ejection=ejection))
        weight, priority = draw(st.integers(0, 3)), draw(st.integers(0, 1))
        refs.append(backend(f"p{number}", weight=weight, priority=priority))
    rules = Constraints(max_price=draw(st.none() | st.none() | st.builds(MaxPrice, prompt=money)))
    found = World(pools, [route(*refs, strategy=draw(st.sampled_from(sorted(PICKERS))), constraints=rules)])
    for pool in pools:
        for endpoint in found.live.endpoints(found.pool(pool.slug), found.now):
            trouble = draw(
                st.sampled_from([None] * 17 + [ErrorClass.STATUS_5XX, ErrorClass.TLS, ErrorClass.OVERLOADED])
            )
            found.attempt(endpoint, trouble)
    if draw(st.booleans()):
        found.live.apply_overlay({pools[0].key: Verdict(health=draw(st.sampled_from(HEALTH)))})
    if draw(st.integers(0, 9)) == 0:
        found.live.apply_secrets({})
    found.now += draw(st.sampled_from([0.0, 6.0, 100.0]))
    return found


views = st.builds(
    RequestView,
    model=st.just("coder"),
    prompt_tokens=st.integers(0, 6000),
    max_tokens=st.none() | st.integers(0, 3000),
    parameters=st.sampled_from([frozenset(), frozenset({"tools"})]),
)


@settings(max_examples=400)
@given(worlds(), views, st.integers(0, 1000))
def test_the_short_way_says_what_the_long_way_says(found: World, view: RequestView, seed: int) -> None:
    quick, explained = both(found, view, seed)
    assert quick is None or quick == explained


@pytest.mark.parametrize("strategy", sorted(PICKERS))
@pytest.mark.parametrize("count", [1, 2, 4])
def test_calm_pools_take_the_short_way(strategy: str, count: int) -> None:
    pools = [external(f"p{number}", model(price=str(number + 1))) for number in range(count)]
    found = World(pools, [route(*(backend(pool.slug) for pool in pools), strategy=strategy)])
    for seed in range(20):
        quick, explained = both(found, VIEW, seed)
        assert quick is not None
        assert quick == explained


def test_so_do_prices_that_change() -> None:
    later = PriceOverride(prices=Prices(prompt=Decimal(9)), min_prompt_tokens=500)
    tiered = Pricing(base=Prices(prompt=Decimal(1)), overrides=(later,))
    found = World([external("a", model(pricing=tiered)), external("b")], [route(backend("a"), backend("b"))])
    quick, explained = both(found, VIEW)
    assert quick is not None
    assert quick == explained


@pytest.mark.parametrize(
    "pool",
    [
        external("a", model(context_length=600)),
        external("a", model(max_output_tokens=100)),
    ],
    ids=["context", "output"],
)
def test_what_excludes_takes_the_long_way(pool: Pool) -> None:
    found = World([pool, external("b")], [route(backend("a"), backend("b"))])
    quick, explained = both(found, VIEW)
    assert quick is None
    assert len(explained.exclusions) == 1
