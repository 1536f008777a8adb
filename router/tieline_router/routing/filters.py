"""The hard filters, in visible lists of total checks. A check returns None, or the sentence why not. Pure.

`OFFER_FILTERS` look at what configuration says, `KIND_FILTERS` at what a kind of request needs: both are evaluated once
per plan (`plan.py`). `REQUEST_FILTERS` look at this request's size and the price of the moment (a price that never
changes is settled in the plan too), `LIVE_FILTERS` at endpoints, pauses and breakers. An offer that fails is no
candidate; preferences do not stand here. Codes are stable; where OpenRouter's `availability.excluded_by` has a word, it
is that one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from tieline_router.apis import PROTOCOLS, Operation
from tieline_router.errors import ErrorClass
from tieline_router.routing.constraints import Rules
from tieline_router.routing.credentials import Choice, MissingSecret, Paused
from tieline_router.routing.endpoint import EndpointState
from tieline_router.routing.live import LiveTable
from tieline_router.routing.offers import Offer, PriceNow, alternatives
from tieline_router.routing.view import RESPONSE_FORMAT, STRUCTURED_OUTPUTS, RequestView

CONTEXT_MARGIN: Final = 1.5
"""An offer is excluded for its context only when the estimate is this much over it: the estimate is bytes ÷ 4, and the
provider knows better."""

# -- what configuration says -------------------------------------------------------------------------------------------


def _weight(_offer: Offer, weight: int, _rules: Rules, _operation: Operation) -> str | None:
    return "its backendRef has weight 0: no traffic" if weight <= 0 else None


def _api(offer: Offer, _weight: int, _rules: Rules, operation: Operation) -> str | None:
    if offer.apis & {other.api for other in alternatives(operation)}:
        return None
    served = ", ".join(sorted(offer.apis)) or "nothing"
    return f"it serves {served}; {operation.api} is none of that, and not translated to it"


def _protocol(offer: Offer, _weight: int, _rules: Rules, operation: Operation) -> str | None:
    wanted = offer.apis & {other.api for other in alternatives(operation)}
    if not wanted or offer.operation_for(operation) is not None:
        return None
    needed = sorted({PROTOCOLS[other.api] for other in alternatives(operation) if other.api in wanted})
    spoken = ", ".join(sorted(offer.pool.protocols)) or "no protocol"
    return f"the pool speaks {spoken}; {', '.join(sorted(wanted))} needs {' or '.join(needed)}"


def _training(offer: Offer, _weight: int, rules: Rules, _operation: Operation) -> str | None:
    trains = rules.deny_training and offer.pool.wire.training
    return "dataCollection is Deny and the provider trains on prompts" if trains else None


def _retention(offer: Offer, _weight: int, rules: Rules, _operation: Operation) -> str | None:
    if not rules.zero_data_retention:
        return None
    kept = offer.pool.wire.retention_seconds
    if offer.pool.wire.training:
        return "zeroDataRetention is required and the provider trains on prompts"
    if kept is None:
        return "zeroDataRetention is required and how long the provider keeps data is not known"
    return f"zeroDataRetention is required and the provider keeps data for {kept:g} s" if kept > 0 else None


def _country(offer: Offer, _weight: int, rules: Rules, _operation: Operation) -> str | None:
    country = offer.pool.wire.country
    if rules.countries.permits(country):
        return None
    return f"country {country} is not permitted" if country else "its country is not stated, and a rule asks for it"


def _region(offer: Offer, _weight: int, rules: Rules, _operation: Operation) -> str | None:
    region = offer.pool.wire.region
    if rules.regions.permits(region):
        return None
    return f"region {region} is not permitted" if region else "its region is not stated, and a rule asks for it"


def _quantization(offer: Offer, _weight: int, rules: Rules, _operation: Operation) -> str | None:
    if rules.quantizations is None or offer.quantization in rules.quantizations:
        return None
    permitted = ", ".join(sorted(rules.quantizations)) or "none"
    return f"quantization is {offer.quantization or 'not stated'}, permitted: {permitted}"


class OfferFilter(NamedTuple):
    code: str
    check: Callable[[Offer, int, Rules, Operation], str | None]
    """(offer, weight of the backendRef, merged rules, the client's operation)."""


OFFER_FILTERS: Final = (
    OfferFilter("weight_zero", _weight),
    OfferFilter("api", _api),
    OfferFilter("protocol", _protocol),
    OfferFilter("data_policy:training", _training),
    OfferFilter("data_policy:zdr", _retention),
    OfferFilter("geo", _country),
    OfferFilter("data_region", _region),
    OfferFilter("quantization", _quantization),
)
MODEL_NOT_SERVED: Final = "model_not_served"
"""The pool of a backendRef has no such model (`plan.py`)."""

# -- what a kind of request needs --------------------------------------------------------------------------------------


def _parameters(offer: Offer, view: RequestView) -> str | None:
    if not view.parameters or view.parameters <= offer.parameters:
        return None
    missing = view.parameters - offer.parameters
    if missing == {RESPONSE_FORMAT} and STRUCTURED_OUTPUTS in offer.parameters:
        return None  # who follows a schema can write plain JSON
    return f"the request needs {', '.join(sorted(missing))}, which supportedParameters does not name"


def _input_modalities(offer: Offer, view: RequestView) -> str | None:
    if view.input_modalities <= offer.input_modalities:
        return None
    return f"it does not read {', '.join(sorted(view.input_modalities - offer.input_modalities))}"


def _output_modalities(offer: Offer, view: RequestView) -> str | None:
    if view.output_modalities <= offer.output_modalities:
        return None
    return f"it does not write {', '.join(sorted(view.output_modalities - offer.output_modalities))}"


class KindFilter(NamedTuple):
    code: str
    check: Callable[[Offer, RequestView], str | None]
    """Reads of the view only what stands in `table.PlanKey`."""


KIND_FILTERS: Final = (
    KindFilter("require_parameters", _parameters),
    KindFilter("input_modalities", _input_modalities),
    KindFilter("output_modalities", _output_modalities),
)

# -- what this one request is like -------------------------------------------------------------------------------------


def _context(offer: Offer, view: RequestView, _rules: Rules, _price: PriceNow) -> str | None:
    length = offer.context_length
    if length is None or view.prompt_tokens <= CONTEXT_MARGIN * length:
        return None
    return f"about {view.prompt_tokens} prompt tokens do not fit a context of {length}"


def _max_output(offer: Offer, view: RequestView, _rules: Rules, _price: PriceNow) -> str | None:
    limit = offer.max_output_tokens
    if limit is None or view.max_tokens is None or view.max_tokens <= limit:
        return None
    return f"the request asks for {view.max_tokens} tokens, the model writes {limit} at most"


def over_price(rules: Rules, price: PriceNow) -> str | None:
    """Why a price is over what the rules permit."""
    if not rules.limits_price:
        return None
    prices = price.prices
    for kind, asked, limit in (
        ("prompt", prices.prompt, rules.max_prompt),
        ("completion", prices.completion, rules.max_completion),
        ("request", prices.request, rules.max_request),
    ):
        if limit is not None and asked is not None and asked > limit:
            return f"its {kind} price is {asked.normalize():f} USD, maxPrice is {limit.normalize():f}"
    return None


class RequestFilter(NamedTuple):
    code: str
    check: Callable[[Offer, RequestView, Rules, PriceNow], str | None]


CONTEXT_LENGTH: Final = "context_length"
MAX_PRICE: Final = "max_price"
REQUEST_FILTERS: Final = (
    RequestFilter(CONTEXT_LENGTH, _context),
    RequestFilter("max_output_tokens", _max_output),
    RequestFilter(MAX_PRICE, lambda _offer, _view, rules, price: over_price(rules, price)),
)

# -- what is the case this second --------------------------------------------------------------------------------------


class LiveFacts(NamedTuple):
    """What the live table says of one offer now; read once, so that all live filters see the same."""

    endpoints: Sequence[EndpointState]
    ready: Sequence[EndpointState]
    """Those that accept requests; some may be on their way out."""
    awake: Sequence[EndpointState]
    """Those of `ready` that are not paused."""
    permitted: Sequence[EndpointState]
    """Those of `awake` from which no breaker keeps the model's requests."""
    credential: Choice
    verdict: str
    next_probe: float
    """When a breaker lets the first request through, where `permitted` is empty."""
    warmth: float
    """The share of its usual traffic that the warmest of `permitted` should get."""


def live_facts(offer: Offer, live: LiveTable, now: float) -> LiveFacts:
    pool, model = offer.pool, offer.upstream_name
    endpoints = live.endpoints(pool, now)
    ready = [endpoint for endpoint in endpoints if endpoint.ready]
    awake = [endpoint for endpoint in ready if not endpoint.cooldown.active(now)]
    permitted = [endpoint for endpoint in awake if live.permits(offer, endpoint, now)]
    return LiveFacts(
        endpoints,
        ready,
        awake,
        permitted,
        live.credentials.choose(pool, ready[0].host if ready else pool.host, now),
        live.verdict(pool).health,
        0.0 if permitted else min((endpoint.next_probe(model, now) for endpoint in awake), default=0.0),
        max((endpoint.warmth(model, now) for endpoint in permitted), default=1.0),
    )


def _no_endpoints(facts: LiveFacts, _now: float) -> str | None:
    return None if facts.endpoints else "no address is known: does the Service exist and select pods?"


def _no_ready_endpoints(facts: LiveFacts, _now: float) -> str | None:
    return None if facts.ready or not facts.endpoints else f"none of its {len(facts.endpoints)} endpoints is ready"


def _credentials_missing(facts: LiveFacts, _now: float) -> str | None:
    if isinstance(facts.credential, MissingSecret):
        return f"the router has not got the secret {facts.credential.id} from the operator"
    return None


def _credentials_refused(facts: LiveFacts, now: float) -> str | None:
    until = _paused_until(facts, refused=True)
    return f"the provider refused the credentials; the next try is in {until - now:.0f} s" if until else None


def _rate_limited(facts: LiveFacts, now: float) -> str | None:
    until = _paused_until(facts, refused=False)
    return f"the provider has asked to wait; the next try is in {until - now:.0f} s" if until else None


def _paused_until(facts: LiveFacts, *, refused: bool) -> float | None:
    """When the first pause is over, if pauses of this kind keep the whole pool from answering."""
    paused = facts.credential
    if isinstance(paused, Paused):
        return paused.until if (paused.reason is ErrorClass.STATUS_401_402_403) is refused else None
    if not facts.ready or facts.awake:
        return None
    first = min((endpoint.cooldown for endpoint in facts.ready), key=lambda cooldown: cooldown.until)
    return first.until if (first.reason is ErrorClass.STATUS_401_402_403) is refused else None


def _breaker_open(facts: LiveFacts, now: float) -> str | None:
    if not facts.awake or facts.permitted:
        return None
    who = "1 endpoint" if len(facts.awake) == 1 else f"{len(facts.awake)} endpoints"
    return f"{who} failed too often; the next probe is in {max(facts.next_probe - now, 0):.0f} s"


def _unhealthy(facts: LiveFacts, _now: float) -> str | None:
    return "the operator sees the pool as Unhealthy" if facts.verdict == "Unhealthy" else None


class LiveFilter(NamedTuple):
    code: str
    check: Callable[[LiveFacts, float], str | None]


BREAKER_OPEN: Final = "breaker_open"
UNHEALTHY: Final = "unhealthy"
RATE_LIMITED: Final = "rate_limited"
CREDENTIALS_MISSING: Final = "credentials_missing"
CREDENTIALS_REFUSED: Final = "credentials_refused"
LIVE_FILTERS: Final = (
    LiveFilter("no_endpoints", _no_endpoints),
    LiveFilter("no_ready_endpoints", _no_ready_endpoints),
    LiveFilter(CREDENTIALS_MISSING, _credentials_missing),
    LiveFilter(CREDENTIALS_REFUSED, _credentials_refused),
    LiveFilter(RATE_LIMITED, _rate_limited),
    LiveFilter(BREAKER_OPEN, _breaker_open),
    LiveFilter(UNHEALTHY, _unhealthy),
)
HEALTH: Final = frozenset({BREAKER_OPEN, UNHEALTHY})
"""Filters about health choose among candidates and never leave none: the last survivor is tried all the same."""


def pause_ends(facts: LiveFacts) -> float:
    """Unix time at which the first pause of a pool is over, where pauses keep it from answering."""
    if isinstance(facts.credential, Paused):
        return facts.credential.until
    return min((endpoint.cooldown.until for endpoint in facts.ready), default=0.0)
