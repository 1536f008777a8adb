"""Orders are computed from controlled draws, never counted from samples."""

from fractions import Fraction
from itertools import pairwise
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.apis import MESSAGES
from tieline_router.routing.decision import Candidate
from tieline_router.routing.endpoint import EndpointState
from tieline_router.routing.offers import CompiledPool
from tieline_router.routing.pickers import PICKERS, order_candidates, pick_endpoint
from tieline_router.routing.scorers import first_shares

from tests.support.routing import World, backend, draws, endpoints, external, model, own, pools_of, route, zero


def candidates(*specs: tuple[str, float, int, int]) -> list[Candidate]:
    """(name, price, weight, priority) each."""
    pools = [CompiledPool(external(name)) for name, *_ in specs]
    return [
        Candidate(pool.offers["m"][0], priority, weight, order, price)
        for order, (pool, (_, price, weight, priority)) in enumerate(zip(pools, specs, strict=True))
    ]


def test_balanced_draws_by_the_inverse_square_of_the_price() -> None:
    """1 against 3 USD is 9 : 1, so the border lies at 0.9."""
    both = candidates(("cheap", 1.0, 1, 0), ("dear", 3.0, 1, 0))
    assert pools_of(order_candidates("Balanced", both, draws(0.8999))) == ["cheap", "dear"]
    assert pools_of(order_candidates("Balanced", both, draws(0.9001))) == ["dear", "cheap"]
    assert first_shares("Balanced", both) == pytest.approx([0.9, 0.1])


def test_later_places_are_drawn_among_those_left() -> None:
    """Weights 36 : 9 : 4 of 49; after the first is gone 9 : 4 of 13."""
    three = candidates(("a", 1.0, 1, 0), ("b", 2.0, 1, 0), ("c", 3.0, 1, 0))
    assert pools_of(order_candidates("Balanced", three, draws(36 / 49 - 1e-9, 9 / 13 - 1e-9))) == ["a", "b", "c"]
    assert pools_of(order_candidates("Balanced", three, draws(36 / 49 - 1e-9, 9 / 13 + 1e-9))) == ["a", "c", "b"]
    assert pools_of(order_candidates("Balanced", three, draws(36 / 49 + 1e-9, 36 / 40 - 1e-9))) == ["b", "a", "c"]
    assert pools_of(order_candidates("Balanced", three, draws(45 / 49 + 1e-9, 36 / 45 + 1e-9))) == ["c", "b", "a"]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=5), st.integers(0, 10**6 - 1))
def test_the_first_of_a_draw_is_the_one_whose_interval_holds_the_point(weights: list[int], point: int) -> None:
    drawn = candidates(*((f"p{i}", 1.0, weight, 0) for i, weight in enumerate(weights)))
    at = Fraction(point, 10**6)
    borders = [Fraction(sum(weights[:i]), sum(weights)) for i in range(len(weights) + 1)]
    if min(abs(at - border) for border in borders[1:]) < Fraction(1, 10**7):
        return
    expected = next(i for i, (low, high) in enumerate(pairwise(borders)) if low <= at < high)
    order = order_candidates("Weighted", drawn, lambda: float(at))
    assert order[0] is drawn[expected]


def test_price_takes_the_cheapest_then_the_order_of_the_list() -> None:
    found = candidates(("b", 2.0, 1, 0), ("a", 1.0, 1, 0), ("z", 1.0, 9, 0), ("c", 0.5, 1, 1))
    assert pools_of(order_candidates("Price", found, draws())) == ["a", "z", "b", "c"]


def test_priority_takes_the_heavier_then_the_order_of_the_list() -> None:
    found = candidates(("a", 1.0, 1, 1), ("b", 1.0, 1, 0), ("c", 9.0, 5, 0), ("d", 1.0, 1, 0))
    assert pools_of(order_candidates("Priority", found, draws())) == ["c", "b", "d", "a"]


def test_weighted_draws_by_weight() -> None:
    found = candidates(("a", 1.0, 3, 0), ("b", 99.0, 1, 0))
    assert pools_of(order_candidates("Weighted", found, draws(0.74))) == ["a", "b"]
    assert pools_of(order_candidates("Weighted", found, draws(0.76))) == ["b", "a"]
    assert first_shares("Weighted", found) == [0.75, 0.25]


specs = st.lists(st.tuples(st.floats(0.01, 1000), st.integers(1, 100), st.integers(0, 3)), min_size=0, max_size=6).map(
    lambda found: [(f"p{i}", *spec) for i, spec in enumerate(found)]
)


@pytest.mark.parametrize("strategy", sorted(PICKERS))
def test_native_comes_before_translated_within_a_priority(strategy: str) -> None:
    native, cheap, later = candidates(("native", 9.0, 1, 0), ("cheap", 0.01, 99, 0), ("later", 1.0, 1, 1))
    translated = msgspec.structs.replace(cheap, operation=MESSAGES, translated=True)
    order = order_candidates(strategy, [later, translated, native], zero)
    assert pools_of(order) == ["native", "cheap", "later"]
    assert first_shares(strategy, order) == [1.0, 0.0, 0.0]


@given(st.sampled_from(sorted(PICKERS)), specs, st.randoms(use_true_random=False))
def test_invariants_of_every_strategy(strategy: str, found: list[tuple[str, float, int, int]], rng: Random) -> None:
    listed = candidates(*found)
    order = order_candidates(strategy, listed, rng.random)
    assert sorted(order, key=id) == sorted(listed, key=id), "nobody is lost or doubled"
    priorities = [candidate.priority for candidate in order]
    assert priorities == sorted(priorities), "lower priority first"
    shares = first_shares(strategy, order)
    assert len(shares) == len(order)
    assert not order or sum(shares) == pytest.approx(1)
    assert all(share == 0 for share, c in zip(shares, order, strict=True) if c.priority != order[0].priority)


def test_a_single_candidate_needs_no_draw() -> None:
    assert len(order_candidates("Balanced", candidates(("a", 1.0, 1, 0)), draws())) == 1
    assert order_candidates("Balanced", [], draws()) == ()


def states(count: int, *, ready: bool = True, terminating: bool = False) -> list[EndpointState]:
    addresses = endpoints(*(f"10.0.0.{i}:80" for i in range(count)), ready=ready, terminating=terminating)
    found = World([own("own", model())], [route(backend("own"))], {"ai/own": addresses})
    return list(found.live.endpoints(found.pool("own"), found.now))


def test_the_emptier_of_two_drawn() -> None:
    three = states(3)
    for endpoint, count in zip(three, (5, 1, 0), strict=True):
        endpoint.in_flight = count
    assert pick_endpoint(three, draws(0.0, 0.0)) is three[1]
    assert pick_endpoint(three, draws(0.0, 0.99)) is three[2]
    assert pick_endpoint(three, draws(0.4, 0.0)) is three[1]
    assert pick_endpoint(three, draws(0.0, 0.49)) is three[1]
    assert pick_endpoint(three, draws(0.0, 0.51)) is three[2]
    three[1].in_flight = 5
    assert pick_endpoint(three, draws(0.4, 0.0)) is three[1], "the first drawn on a tie"


@given(st.integers(2, 9), st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_two_different_endpoints_are_drawn(count: int, a: float, b: float) -> None:
    found = states(count)
    first = min(int(a * count), count - 1)
    found[first].in_flight = 1
    assert pick_endpoint(found, draws(a, b)) is not found[first]


def test_a_cold_endpoint_is_drawn_by_its_warmth_and_its_load() -> None:
    """Weights 0.25 : 1 : 1 of 2.25; with one request under way at the second 0.25 : 0.5 : 1 of 1.75."""
    cold, *_ = three = states(3)
    warmth = {id(cold): 0.25}

    def at(point: float) -> int:
        return three.index(pick_endpoint(three, draws(point), lambda e: warmth.get(id(e), 1.0)) or cold)

    assert [at(0.25 / 2.25 - 1e-9), at(0.25 / 2.25 + 1e-9), at(1.25 / 2.25 + 1e-9), at(0.999)] == [0, 1, 2, 2]
    three[1].in_flight = 1
    assert [at(0.25 / 1.75 + 1e-9), at(0.75 / 1.75 + 1e-9)] == [1, 2]


def test_warm_endpoints_are_chosen_by_their_load() -> None:
    three = states(3)
    three[0].in_flight = 1
    assert pick_endpoint(three, draws(0.0, 0.0), lambda _endpoint: 1.0) is three[1]


def test_the_rank_of_readiness() -> None:
    ready, leaving, unready = states(2), states(1, terminating=True), states(1, ready=False)
    assert pick_endpoint([*leaving, *unready, ready[0]], draws()) is ready[0]
    assert pick_endpoint([*leaving, *unready], draws()) is leaving[0]
    assert pick_endpoint(unready, draws()) is None
    assert pick_endpoint([], zero) is None
