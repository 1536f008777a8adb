import msgspec
from tieline_router.apis import MESSAGES
from tieline_router.routing.decision import Candidate
from tieline_router.routing.offers import CompiledPool
from tieline_router.routing.scorers import completion_tokens, first_shares, inverse_square, weight
from tieline_router.routing.view import RequestView

from tests.support.routing import external

OFFER = CompiledPool(external("p")).offers["m"][0]


def candidate(price: float, weight_: int = 1, priority: int = 0) -> Candidate:
    return Candidate(OFFER, priority, weight_, 0, price)


def test_a_request_without_max_tokens_is_priced_at_256() -> None:
    assert completion_tokens(RequestView(model="m")) == 256
    assert completion_tokens(RequestView(model="m", max_tokens=7)) == 7
    assert completion_tokens(RequestView(model="m", max_tokens=0)) == 0


def test_one_dollar_against_three_is_nine_to_one() -> None:
    assert inverse_square(candidate(1.0)) == 9 * inverse_square(candidate(3.0))
    assert weight(candidate(1.0, 4)) == 4


def test_a_pool_that_comes_back_gets_a_part_of_its_share() -> None:
    cold = msgspec.structs.replace(candidate(1.0, 3), warmth=0.5)
    assert first_shares("Balanced", [candidate(1.0), cold]) == [2 / 3, 1 / 3]
    assert first_shares("Weighted", [candidate(1.0, 3), cold]) == [2 / 3, 1 / 3]
    assert first_shares("Price", [cold, candidate(1.0)]) == [1.0, 0.0]


def test_shares_of_the_first_place() -> None:
    assert first_shares("Balanced", []) == []
    assert first_shares("Price", [candidate(1.0), candidate(1.0)]) == [1.0, 0.0]
    mixed = [candidate(9.0), candidate(0.01, priority=1)]
    assert first_shares("Balanced", mixed) == [1.0, 0.0]
    translated = Candidate(OFFER, 0, 1, 0, 0.01, MESSAGES, True)
    assert first_shares("Balanced", [candidate(9.0), translated]) == [1.0, 0.0]
