"""Each filter: what it excludes, and what it lets pass; absent values as docs/absent-values.md has them."""

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_api.snapshot import (
    AllowDeny,
    Constraints,
    Ejection,
    Endpoint,
    MaxPrice,
    Model,
    Pool,
    PoolEndpoints,
    Prices,
    Pricing,
    Protocol,
    Verdict,
)
from tieline_router.apis import COUNT_TOKENS, EMBEDDINGS, MESSAGES
from tieline_router.errors import ErrorClass
from tieline_router.routing.filters import KIND_FILTERS, LIVE_FILTERS, OFFER_FILTERS, REQUEST_FILTERS, live_facts
from tieline_router.routing.view import RequestView

from tests.support.routing import World, backend, codes_of, credential, endpoints, external, model, own, route


def world(pool: Pool, constraints: Constraints | None = None, weight: int = 1) -> World:
    """A route with the pool under test and another one that nothing excludes."""
    rules = constraints or Constraints()
    safe = own("safe", SAFE, country="DE", region="eu", ejection=pool.ejection)
    name = pool.key.partition("/")[2]
    return World([pool, safe], [route(backend(name, weight=weight), backend("safe"), constraints=rules)])


SAFE = model(
    price="0",
    quantization="bf16",
    supported_parameters=("tools", "tool_choice", "structured_outputs", "response_format"),
    apis=("ChatCompletions", "Embeddings"),
    input_modalities=("text", "image"),
    output_modalities=("text", "image"),
)
REQUEST = RequestView(model="coder")


def check(
    pool: Pool, constraints: Constraints | None, code: str | None, view: RequestView = REQUEST, weight: int = 1
) -> None:
    decision = world(pool, constraints, weight).decide(view)
    assert codes_of(decision, pool.key.partition("/")[2]) == ([code] if code else [])
    assert codes_of(decision, "safe") == []
    assert len(decision.shortlist.candidates) == (1 if code else 2)


def p(offer: Model | None = None, **fields: object) -> Pool:
    return own("p", offer or model(), **fields)


def test_codes_are_unique() -> None:
    codes = [rule.code for rules in (OFFER_FILTERS, KIND_FILTERS, REQUEST_FILTERS, LIVE_FILTERS) for rule in rules]
    assert len(codes) == len(set(codes))


def test_weight_zero() -> None:
    check(p(), None, "weight_zero", weight=0)


@pytest.mark.parametrize(
    ("types", "code"),
    [(("OpenAI",), None), (("Anthropic", "OpenAI"), None), (("Anthropic",), "protocol"), ((), "protocol")],
)
def test_protocol(types: tuple[str, ...], code: str | None) -> None:
    check(p(protocols=tuple(Protocol(type=kind, path="/v1") for kind in types)), None, code)


DENY = Constraints(data_collection="Deny")
ZDR = Constraints(zero_data_retention=True)


@pytest.mark.parametrize(
    ("rules", "training", "kept", "code"),
    [
        (None, True, None, None),
        (DENY, True, 0.0, "data_policy:training"),
        (DENY, False, 3600.0, None),
        (ZDR, False, 0.0, None),
        (ZDR, False, 1.0, "data_policy:zdr"),
        (ZDR, False, None, "data_policy:zdr"),
        (ZDR, True, 0.0, "data_policy:zdr"),
    ],
)
def test_data_policy(rules: Constraints | None, training: bool, kept: float | None, code: str | None) -> None:
    check(p(training=training, retention_seconds=kept), rules, code)


@pytest.mark.parametrize(
    ("rule", "country", "code"),
    [
        (AllowDeny(), None, None),
        (AllowDeny(allow=("DE",)), "DE", None),
        (AllowDeny(allow=("DE",)), "de", None),
        (AllowDeny(allow=("DE",)), "US", "geo"),
        (AllowDeny(allow=("DE",)), None, "geo"),
        (AllowDeny(deny=("US",)), "US", "geo"),
        (AllowDeny(deny=("US",)), "CN", None),
        (AllowDeny(deny=("US",)), None, "geo"),
        (AllowDeny(allow=("DE", "US"), deny=("US",)), "US", "geo"),
    ],
)
def test_countries(rule: AllowDeny, country: str | None, code: str | None) -> None:
    check(p(country=country), Constraints(countries=rule), code)


@pytest.mark.parametrize(("region", "code"), [("eu", None), ("us", "data_region"), (None, "data_region")])
def test_regions(region: str | None, code: str | None) -> None:
    check(p(region=region), Constraints(regions=AllowDeny(allow=("EU",))), code)


@pytest.mark.parametrize(
    ("quantization", "code"),
    [("fp8", None), ("MXFP8", None), ("bf16", None), ("fp4", "quantization"), (None, "quantization")],
)
def test_quantizations(quantization: str | None, code: str | None) -> None:
    check(p(model(quantization=quantization)), Constraints(quantizations=("fp8", "bf16")), code)


@pytest.mark.parametrize(
    ("supported", "needed", "code"),
    [
        (None, set(), None),
        (None, {"tools"}, "require_parameters"),
        (("temperature",), {"tools"}, "require_parameters"),
        (("tools",), {"tools"}, None),
        (("tools",), {"tools", "tool_choice"}, "require_parameters"),
        (("response_format",), {"structured_outputs"}, "require_parameters"),
        (("structured_outputs",), {"response_format"}, None),
        (("response_format",), {"response_format"}, None),
    ],
)
def test_parameters(supported: tuple[str, ...] | None, needed: set[str], code: str | None) -> None:
    view = RequestView(model="coder", parameters=frozenset(needed))
    check(p(model(supported_parameters=supported)), None, code, view)


def test_an_api_that_cannot_be_translated() -> None:
    check(p(), None, "api", RequestView(model="coder", operation=EMBEDDINGS))
    decision = world(p()).decide(RequestView(model="coder", operation=COUNT_TOKENS))
    (why,) = [out.message for out in decision.shortlist.exclusions if out.pool == "ai/p"]
    assert why == "it serves ChatCompletions; Messages is none of that, and not translated to it"


def test_the_sentence_about_protocols_says_what_the_pool_speaks() -> None:
    silent = p(model(apis=("Messages",)))
    decision = world(silent).decide(RequestView(model="coder", operation=MESSAGES))
    (why,) = [out.message for out in decision.shortlist.exclusions if out.pool == "ai/p"]
    assert why == "the pool speaks OpenAI; Messages needs Anthropic"


def test_modalities() -> None:
    image = frozenset({"text", "image"})
    check(p(), None, "input_modalities", RequestView(model="coder", input_modalities=image))
    check(p(), None, "output_modalities", RequestView(model="coder", output_modalities=image))
    reads = model(input_modalities=("text", "image"))
    check(p(reads), None, None, RequestView(model="coder", input_modalities=image))


@pytest.mark.parametrize(
    ("length", "tokens", "code"),
    [(None, 10**6, None), (1000, 1000, None), (1000, 1500, None), (1000, 1501, "context_length")],
)
def test_context_length_counts_with_a_margin(length: int | None, tokens: int, code: str | None) -> None:
    check(p(model(context_length=length)), None, code, RequestView(model="coder", prompt_tokens=tokens))


@pytest.mark.parametrize(
    ("limit", "asked", "code"),
    [(None, 10**6, None), (100, None, None), (100, 100, None), (100, 101, "max_output_tokens")],
)
def test_max_output(limit: int | None, asked: int | None, code: str | None) -> None:
    check(p(model(max_output_tokens=limit)), None, code, RequestView(model="coder", max_tokens=asked))


@pytest.mark.parametrize(
    ("prices", "limit", "code"),
    [
        (Prices(prompt=Decimal("1.00")), MaxPrice(prompt=Decimal(1)), None),
        (Prices(prompt=Decimal("1.01")), MaxPrice(prompt=Decimal(1)), "max_price"),
        (Prices(prompt=Decimal("0.5"), completion=Decimal(3)), MaxPrice(completion=Decimal(2)), "max_price"),
        (Prices(request=Decimal("0.2")), MaxPrice(request=Decimal("0.1")), "max_price"),
        (Prices(prompt=Decimal(9)), MaxPrice(completion=Decimal(2)), None),
        (None, MaxPrice(prompt=Decimal(0), completion=Decimal(0), request=Decimal(0)), None),
    ],
)
def test_max_price(prices: Prices | None, limit: MaxPrice, code: str | None) -> None:
    offer = model(price=None, pricing=Pricing(base=prices) if prices else None)
    check(p(offer), Constraints(max_price=limit), code)


def test_max_price_counts_the_fee() -> None:
    offer = model(pricing=Pricing(base=Prices(prompt=Decimal(1)), fee_percent=Decimal("5.5")))
    found = world(external("p", offer), Constraints(max_price=MaxPrice(prompt=Decimal("1.05")))).decide()
    assert [out.message for out in found.shortlist.exclusions] == ["its prompt price is 1.055 USD, maxPrice is 1.05"]


def test_every_reason_is_named_not_the_first_only() -> None:
    rules = Constraints(data_collection="Deny", quantizations=("fp8",))
    found = world(p(model(context_length=10), training=True), rules)
    assert codes_of(found.decide(), "p") == ["data_policy:training", "quantization"]
    found = world(p(model(context_length=10, max_output_tokens=5)))
    view = RequestView(model="coder", prompt_tokens=100, max_tokens=50)
    assert codes_of(found.decide(view), "p") == ["context_length", "max_output_tokens"]


def test_endpoints() -> None:
    found = world(p())
    found.live.apply_endpoints({"ai/safe": endpoints("10.0.0.9:80")}, found.now)
    assert codes_of(found.decide(), "p") == ["no_endpoints"]
    unready = endpoints("10.0.0.1:80", "10.0.0.2:80", ready=False)
    found.live.apply_endpoints({"ai/safe": endpoints("10.0.0.9:80"), "ai/p": unready}, found.now)
    decision = found.decide()
    assert codes_of(decision, "p") == ["no_ready_endpoints"]
    assert decision.shortlist.exclusions[0].message == "none of its 2 endpoints is ready"


def test_breaker_and_overlay() -> None:
    found = world(p())
    found.live.apply_overlay({"ai/p": Verdict(health="Unhealthy")})
    assert codes_of(found.decide(), "p") == ["unhealthy"]
    for health in ("Healthy", "Degraded", "Unknown"):
        found.live.apply_overlay({"ai/p": Verdict(health=health)})
        assert codes_of(found.decide(), "p") == []
    (endpoint,) = found.live.endpoints(found.pool("p"), found.now)
    for _ in range(5):
        found.live.end(found.begin(endpoint), ErrorClass.STATUS_5XX, found.now)
    found.now += 10
    decision = found.decide()
    assert codes_of(decision, "p") == ["breaker_open"]
    assert decision.shortlist.exclusions[0].message.endswith("the next probe is in 20 s")
    found.now += 20
    assert codes_of(found.decide(), "p") == []


def test_credentials() -> None:
    found = world(p(credentials=(credential("a"), credential("b"))))
    assert codes_of(found.decide(), "p") == []
    found.live.apply_secrets({})
    decision = found.decide()
    assert codes_of(decision, "p") == ["credentials_missing"]
    assert "secret-a" in decision.shortlist.exclusions[0].message
    found.live.apply_secrets({"secret-a": "1"})
    assert codes_of(found.decide(), "p") == []
    (endpoint,) = found.live.endpoints(found.pool("p"), found.now)
    lease = found.begin(endpoint, credential("a"))
    found.live.end(lease, ErrorClass.STATUS_401_402_403, found.now)
    assert codes_of(found.decide(), "p") == ["credentials_refused"]
    found.live.apply_secrets({"secret-a": "2"})
    assert codes_of(found.decide(), "p") == []


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (ErrorClass.STATUS_429, "rate_limited"),
        (ErrorClass.OVERLOADED, "rate_limited"),
        (ErrorClass.STATUS_401_402_403, "credentials_refused"),
    ],
)
def test_pauses_of_a_pool_without_credentials(outcome: ErrorClass, code: str) -> None:
    found = world(p())
    (endpoint,) = found.live.endpoints(found.pool("p"), found.now)
    found.live.end(found.begin(endpoint), outcome, found.now, retry_after=20.0)
    decision = found.decide()
    assert codes_of(decision, "p") == [code]
    assert "in 20 s" in decision.shortlist.exclusions[0].message
    found.now += 20
    assert codes_of(found.decide(), "p") == []


@given(
    st.sampled_from(["Healthy", "Unhealthy"]),
    st.lists(st.sampled_from(["ok", "unready", "paused", "open"]), max_size=3),
    st.sampled_from(["none", "held", "missing", "paused"]),
)
def test_no_live_filter_excludes_a_calm_pool(health: str, states: list[str], key: str) -> None:
    pool = p(credentials=() if key == "none" else (credential("a"),), ejection=Ejection(max_percent=100))
    listed = tuple(
        Endpoint(address=f"10.0.0.{place}:80", ready=state != "unready") for place, state in enumerate(states)
    )
    found = World([pool], [route(backend("p"))], {"ai/p": PoolEndpoints(endpoints=listed)})
    found.live.apply_overlay({"ai/p": msgspec.convert({"health": health}, Verdict)})
    for endpoint, state in zip(found.live.endpoints(found.pool("p"), found.now), states, strict=True):
        outcome = {"paused": ErrorClass.OVERLOADED, "open": ErrorClass.STATUS_5XX}.get(state)
        for _ in range(5 if outcome else 0):
            found.attempt(endpoint, outcome)
    if key == "missing":
        found.live.apply_secrets({})
    if key == "paused" and states:
        (first, *_) = found.live.endpoints(found.pool("p"), found.now)
        found.attempt(first, ErrorClass.STATUS_429, credential("a"))
    compiled = found.pool("p")
    facts = live_facts(compiled.offers["m"][0], found.live, found.now)
    if found.live.calm(frozenset({compiled.key}), found.now):
        assert not any(rule.check(facts, found.now) for rule in LIVE_FILTERS)
        assert facts.warmth == 1
    elif set(states) <= {"ok", "unready"} and key in {"none", "held"} and health == "Healthy":
        assert "ok" not in states, "nothing stands out, so it is calm"
