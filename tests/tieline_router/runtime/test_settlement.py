from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from tieline_api.snapshot import Prices
from tieline_router.runtime.settlement import prompt_cost
from tieline_router.streaming.usage import Usage

PRICES = Prices(prompt=Decimal(2), completion=Decimal(8), cache_read=Decimal("0.5"), cache_write=Decimal(3))


def test_cached_tokens_have_prices_of_their_own() -> None:
    usage = Usage(prompt=1_000_000, cached=400_000, cache_write=100_000)
    assert prompt_cost(PRICES, usage) == Decimal("1.0") + Decimal("0.2") + Decimal("0.3")


def test_without_prices_of_their_own_they_cost_what_others_do() -> None:
    usage = Usage(prompt=1_000_000, cached=400_000, cache_write=100_000)
    assert prompt_cost(Prices(prompt=Decimal(2)), usage) == 2


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(0, 10**9))
def test_a_cost_is_never_negative_and_never_above_the_dearest_kind(prompt: int, cached: int, written: int) -> None:
    cached = min(cached, prompt)
    usage = Usage(prompt=prompt, cached=cached, cache_write=min(written, prompt - cached))
    assert 0 <= prompt_cost(PRICES, usage) <= prompt * Decimal(3) / 1_000_000
