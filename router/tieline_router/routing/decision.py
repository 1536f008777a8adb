"""What was decided and why, as values: candidates, exclusions, shortlists and the `Decision`. No rules here.

Logs, spans, `/admin/explain`, `tieline explain`, tests and `error.availability` all read this one value. Floats are
for drawing; `to_json` states money as exact decimals.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import msgspec
from tieline_api.prices import blended_price, prices_in_force, request_cost
from tieline_api.snapshot import Prices

from tieline_router.apis import CHAT, Operation
from tieline_router.errors import ERRORS, ErrorClass
from tieline_router.routing.callers import Caller
from tieline_router.routing.offers import Offer
from tieline_router.routing.scorers import completion_tokens, first_shares
from tieline_router.routing.table import CompiledFallback, CompiledRoute, RoutingTable
from tieline_router.routing.view import RequestView

if TYPE_CHECKING:
    from decimal import Decimal


class Exclusion(msgspec.Struct, frozen=True, gc=False):
    """Why an offer is no candidate. `code` is stable, `message` has the figures."""

    pool: str
    model: str
    variant: str
    code: str
    message: str


class Candidate(msgspec.Struct, frozen=True, gc=False):
    """An offer that passed every filter."""

    offer: Offer
    priority: int
    weight: int
    order: int
    """Place of its backendRef in the route's list."""
    price: float
    """USD per million tokens for this request, for comparing."""
    operation: Operation = CHAT
    """What the provider is asked by: the client's operation, or what that is translated to."""
    translated: bool = False
    warmth: float = 1.0
    """The part of its share in draws that it gets: below 1 while all its endpoints come back from an ejection."""

    @property
    def rank(self) -> tuple[int, bool]:
        """Lower comes first under every strategy: priority, then native before translated."""
        return self.priority, self.translated


class Shortlist(msgspec.Struct, frozen=True, gc=False):
    """The outcome for one model: who may answer, in the order of attempts, and who may not."""

    model: str
    candidates: tuple[Candidate, ...] = ()
    exclusions: tuple[Exclusion, ...] = ()
    strategy: str = ""
    route: str = ""
    """Key of the route that brought the backends; empty: the fallback's own list."""
    readmitted: bool = False
    """Every candidate had been excluded for its health alone, so they were taken all the same."""
    refusal: ErrorClass | None = None
    """Set iff there are no candidates."""
    retry_after: float | None = None
    """Seconds until the first pause ends, where pauses are the cause."""


class Decision(msgspec.Struct, frozen=True, gc=False):
    """The decision about one request. `fallbacks` are decided only when they are needed (`decide.decide_fallback`)."""

    view: RequestView
    caller: Caller
    now: float
    table: RoutingTable
    route: CompiledRoute | None
    shortlist: Shortlist
    fallbacks: tuple[CompiledFallback, ...] = ()
    fallback_shortlists: tuple[Shortlist, ...] = ()
    """Filled by `decide.explain_fallbacks` only."""

    @property
    def refusal(self) -> ErrorClass | None:
        """Why the requested model cannot be tried at all; a fallback may still answer."""
        return self.shortlist.refusal

    def to_json(self) -> dict[str, Any]:
        """The documented JSON of `/admin/explain` and `tieline explain --output json` (docs/explain.md)."""
        return {
            "model": self.view.model,
            "namespace": self.caller.namespace,
            "consumer": self.caller.consumer_key or None,
            "route": self.route.key if self.route else None,
            "request": {
                "api": self.view.api,
                "stream": self.view.stream,
                "promptTokens": self.view.prompt_tokens,
                "maxTokens": self.view.max_tokens,
                "pricedCompletionTokens": completion_tokens(self.view),
                "parameters": sorted(self.view.parameters),
                "inputModalities": sorted(self.view.input_modalities),
            },
            **self._shortlist_json(self.shortlist),
            "fallbacks": [
                {"model": fallback.model, "when": sorted(fallback.when), **self._fallback_json(place)}
                for place, fallback in enumerate(self.fallbacks)
            ],
        }

    def _fallback_json(self, place: int) -> dict[str, Any]:
        known = self.fallback_shortlists
        return self._shortlist_json(known[place]) if place < len(known) else {}

    def _shortlist_json(self, shortlist: Shortlist) -> dict[str, Any]:
        shares = first_shares(shortlist.strategy, shortlist.candidates)
        return {
            "model": shortlist.model,
            "route": shortlist.route or None,
            "strategy": shortlist.strategy or None,
            "refusal": shortlist.refusal.value if shortlist.refusal else None,
            "readmitted": shortlist.readmitted,
            "retryAfterSeconds": shortlist.retry_after,
            "attempts": [
                self._candidate_json(candidate, place, share)
                for place, (candidate, share) in enumerate(zip(shortlist.candidates, shares, strict=True), 1)
            ],
            "excluded": [msgspec.structs.asdict(exclusion) for exclusion in shortlist.exclusions],
        }

    def _candidate_json(self, candidate: Candidate, place: int, share: float) -> dict[str, Any]:
        offer = candidate.offer
        prices, cost, blended = exact_price(self.view, offer, self.now)
        return {
            "place": place,
            "firstShare": round(share, 4),
            "pool": offer.pool.key,
            "provider": offer.pool.wire.slug,
            "model": offer.model_name,
            "variant": offer.model.variant,
            "upstreamName": offer.upstream_name,
            "translatedTo": candidate.operation.api.value if candidate.translated else None,
            "priority": candidate.priority,
            "weight": candidate.weight,
            "price": {
                "source": offer.model.pricing.source if offer.model.pricing else "None",
                "promptPerMillion": _plain(prices.prompt),
                "completionPerMillion": _plain(prices.completion),
                "perRequest": _plain(prices.request),
                "estimatedCost": _plain(cost),
                "blendedPerMillion": _plain(round(blended, 6)),
            },
        }

    def availability(self) -> dict[str, Any]:
        """The `error.availability` object of a refusal (OpenRouter's field): the filters, and whether to retry."""
        shortlist = self.shortlist
        codes = Counter(exclusion.code for exclusion in shortlist.exclusions)
        found: dict[str, Any] = {
            "code": ERRORS[shortlist.refusal or ErrorClass.NO_HEALTHY_BACKEND].availability,
            "retryable": shortlist.refusal in RETRYABLE,
            "requested_models": [self.view.model, *(fallback.model for fallback in self.fallbacks)],
            "excluded_by": list(codes),
            "excluded_counts": dict(codes),
        }
        if shortlist.retry_after is not None:
            found["retry_after"] = round(shortlist.retry_after, 3)
        return found


RETRYABLE = frozenset(
    {ErrorClass.NO_HEALTHY_BACKEND, ErrorClass.CAPACITY_EXHAUSTED, ErrorClass.CREDENTIALS_UNAVAILABLE}
)
"""Refusals that time may heal; the others stay until somebody changes the request or the configuration."""


def exact_price(view: RequestView, offer: Offer, now: float) -> tuple[Prices, Decimal, Decimal]:
    """Prices in force, USD for the request, and USD per million tokens, in exact decimals: for people and records."""
    pricing = offer.model.pricing
    prices = prices_in_force(pricing, view.prompt_tokens, int(now)) if pricing else Prices()
    completion = completion_tokens(view)
    cost = request_cost(prices, view.prompt_tokens, completion)
    return prices, cost, blended_price(cost, view.prompt_tokens + completion)


def _plain(value: Decimal | None) -> str | None:
    return None if value is None else format(value.normalize(), "f")
