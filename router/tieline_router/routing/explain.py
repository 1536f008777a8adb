"""A decision as rows for a table: words only, no colours and no widths. Called by the command line.

The same facts as `Decision.to_json`, in the order in which a person asks: who is tried first, at which price, and why
the others are not.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from tieline_router.errors import ERRORS
from tieline_router.routing.decision import Decision, Shortlist, exact_price
from tieline_router.routing.scorers import completion_tokens, first_shares

COLUMNS = ("model", "place", "pool", "offer", "priority", "share", "USD per million", "USD per request", "verdict")


class Row(NamedTuple):
    """One line of the table, in the order of `COLUMNS`. `chosen`: it is tried first."""

    model: str
    place: str
    pool: str
    offer: str
    priority: str
    share: str
    per_million: str
    per_request: str
    verdict: str
    chosen: bool = False


def rows(decision: Decision) -> list[Row]:
    """Candidates in the order of attempts, then exclusions with their reasons; fallbacks after the requested model."""
    found = list(_rows(decision, decision.shortlist, "", first=True))
    for fallback, shortlist in zip(decision.fallbacks, decision.fallback_shortlists, strict=False):
        found += _rows(decision, shortlist, f" (fallback on {', '.join(sorted(fallback.when))})", first=False)
    return found


def _rows(decision: Decision, shortlist: Shortlist, suffix: str, *, first: bool) -> Iterator[Row]:
    model = shortlist.model + suffix
    shares = first_shares(shortlist.strategy, shortlist.candidates)
    for place, (candidate, share) in enumerate(zip(shortlist.candidates, shares, strict=True), 1):
        offer = candidate.offer
        _, cost, blended = exact_price(decision.view, offer, decision.now)
        chosen = first and place == 1
        yield Row(
            model,
            str(place),
            offer.pool.key,
            f"{offer.model_name}:{offer.model.variant}" if offer.model.variant else offer.model_name,
            str(candidate.priority),
            f"{share:.0%}",
            f"{blended:.4f}",
            f"{cost:.6f}",
            "tried first" if chosen else "tried next",
            chosen,
        )
    for out in shortlist.exclusions:
        offer_name = f"{out.model}:{out.variant}" if out.variant else out.model
        yield Row(model, "", out.pool, offer_name, "", "", "", "", f"{out.code}: {out.message}")


def summary(decision: Decision) -> list[str]:
    """What stands above the table: who asks for what, which route answers, and the refusal with its remedy."""
    view = decision.view
    caller = decision.caller.consumer_key or "anonymous"
    lines = [f"{view.model!r} asked by {caller} in namespace {decision.caller.namespace}"]
    if decision.route is not None:
        strategy = decision.shortlist.strategy
        tokens = f"{view.prompt_tokens} prompt and {completion_tokens(view)} completion tokens"
        lines.append(f"route {decision.route.key}, strategy {strategy}, priced for {tokens}")
    if decision.shortlist.readmitted:
        lines.append("every candidate is unhealthy: they are tried all the same, nothing better is left")
    if decision.refusal is not None:
        lines.append(f"refused with {decision.refusal}: {ERRORS[decision.refusal].remedy}")
    return lines
