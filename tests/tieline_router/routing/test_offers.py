from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.prices import blended_price, prices_in_force, request_cost
from tieline_api.snapshot import Header, PriceOverride, Prices, Pricing, Protocol, SecretRef, Tls, Window
from tieline_router.apis import CHAT, COUNT_TOKENS, EMBEDDINGS, MESSAGES, RESPONSES, Operation
from tieline_router.routing.offers import FLOOR, FREE, CompiledPool, Offer

from tests.support.routing import NOW, credential, external, model, own

amounts = st.decimals(0, 100, places=4)
prices = st.builds(Prices, prompt=st.none() | amounts, completion=st.none() | amounts, request=st.none() | amounts)
overrides = st.builds(
    PriceOverride,
    prices=prices,
    window=st.none() | st.builds(Window, start=st.integers(0, 1439), end=st.integers(0, 1439)),
    min_prompt_tokens=st.none() | st.integers(0, 2000),
    effective_from=st.none() | st.integers(-5000, 5000).map(lambda seconds: NOW + seconds),
)
pricings = st.builds(Pricing, base=prices, overrides=st.lists(overrides, max_size=4).map(tuple), fee_percent=amounts)


def offer_of(pricing: Pricing | None) -> Offer:
    return CompiledPool(own("p", model(price=None, pricing=pricing))).offers["m"][0]


@given(
    pricings,
    st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 3000), st.integers(-4000, 4000)), min_size=1, max_size=6),
)
def test_the_float_price_is_the_decimal_one(pricing: Pricing, requests: list[tuple[int, int, int]]) -> None:
    """Also from the memo: the same offer is asked for several sizes and times."""
    offer = offer_of(pricing)
    for prompt, completion, seconds in requests:
        now = NOW + seconds
        exact = prices_in_force(pricing, prompt, now)
        found = offer.price(prompt, now)
        assert found.prices == exact
        expected = blended_price(request_cost(exact, prompt, completion), prompt + completion)
        assert found.blended(prompt, completion) == pytest.approx(float(expected))


def test_an_unpriced_pool_counts_as_the_floor() -> None:
    offer = offer_of(None)
    assert offer.price(1000, NOW) is FREE
    assert FREE.blended(1000, 256) == FLOOR == 0.01


def test_the_memo_keeps_one_price_per_tier_and_second() -> None:
    over = PriceOverride(prices=Prices(prompt=Decimal(2)), min_prompt_tokens=100)
    offer = offer_of(Pricing(base=Prices(prompt=Decimal(1)), overrides=(over,)))
    assert offer.price(99, NOW) is offer.price(5, NOW + 1000)
    assert offer.price(100, NOW) is not offer.price(99, NOW)
    assert offer.price(100, NOW).prompt == 2


def test_offers_of_one_name_are_told_apart_by_variant() -> None:
    pool = CompiledPool(own("p", model(), model(variant="turbo"), model("other")))
    assert [offer.model.variant for offer in pool.offers["m"]] == ["", "turbo"]
    assert [offer.model_name for offer in pool.offers["other"]] == ["other"]


@pytest.mark.parametrize(
    ("base_url", "authority", "host"),
    [
        ("https://api.x.com", "api.x.com:443", "api.x.com"),
        ("http://api.x.com/path", "api.x.com:80", "api.x.com"),
        ("https://api.x.com:8443/v1", "api.x.com:8443", "api.x.com"),
        ("https://[2001:db8::1]/v1", "[2001:db8::1]:443", "2001:db8::1"),
    ],
)
def test_the_address_of_an_external_pool(base_url: str, authority: str, host: str) -> None:
    pool = CompiledPool(external("p", base_url=base_url))
    assert (pool.authority, pool.host) == (authority, host)
    assert pool.external


def test_what_sending_needs() -> None:
    ref = SecretRef(id="h", version="1")
    wire = own(
        "p",
        headers=(Header(name="X-A", value="plain"), Header(name="X-B", secret=ref)),
        tls=Tls(ca=SecretRef(id="ca", version="1")),
        protocols=(Protocol(type="Anthropic", path="/a"),),
    )
    pool = CompiledPool(wire)
    assert pool.required_secrets == ("h", "ca")
    assert pool.protocols == {"Anthropic"}


def offer(protocols: tuple[str, ...], *apis: str) -> Offer:
    wire = own("p", model(apis=apis), protocols=tuple(Protocol(type=kind, path="/v1") for kind in protocols))
    return CompiledPool(wire).offers["m"][0]


@pytest.mark.parametrize(
    ("protocols", "apis", "asked", "served"),
    [
        (("OpenAI",), ("ChatCompletions",), CHAT, CHAT),
        (("OpenAI", "Anthropic"), ("ChatCompletions", "Messages"), MESSAGES, MESSAGES),
        (("OpenAI", "Anthropic"), ("ChatCompletions",), MESSAGES, CHAT),
        (("OpenAI",), ("ChatCompletions", "Messages"), MESSAGES, CHAT),
        (("Anthropic",), ("Messages",), CHAT, MESSAGES),
        (("OpenAI",), ("Responses",), CHAT, RESPONSES),
        (("OpenAI", "Anthropic"), ("Responses", "Messages"), CHAT, MESSAGES),
        (("OpenAI",), ("ChatCompletions",), RESPONSES, CHAT),
        (("Anthropic",), ("Messages",), RESPONSES, MESSAGES),
        (("OpenAI",), ("Responses",), MESSAGES, RESPONSES),
        (("Anthropic",), ("ChatCompletions",), CHAT, None),
        (("Anthropic",), ("Messages",), COUNT_TOKENS, COUNT_TOKENS),
        (("OpenAI",), ("ChatCompletions",), COUNT_TOKENS, None),
        (("OpenAI",), ("ChatCompletions",), EMBEDDINGS, None),
        (("OpenAI",), ("Embeddings", "Unheard"), EMBEDDINGS, EMBEDDINGS),
        ((), ("ChatCompletions",), CHAT, None),
    ],
)
def test_an_operation_is_native_or_the_best_translation_or_none(
    protocols: tuple[str, ...], apis: tuple[str, ...], asked: Operation, served: Operation | None
) -> None:
    assert offer(protocols, *apis).operation_for(asked) is served


def test_a_bound_credential_is_only_for_its_hosts() -> None:
    wire = own("p", credentials=(credential("a", hosts=("*.x.com",)), credential("b")))
    pool = CompiledPool(wire)
    assert [c.name for c in pool.credentials_for("api.x.com")] == ["a", "b"]
    assert [c.name for c in pool.credentials_for("10.0.0.1")] == ["b"]
    unbound = CompiledPool(msgspec.structs.replace(wire, credentials=(credential("b"),)))
    assert [c.name for c in unbound.credentials_for("anywhere")] == ["b"]
