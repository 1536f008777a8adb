"""Why this provider? `decide` is the answer: caller → route → plan → filters → picker, as one value. Pure; starts here.

    match      the caller's namespace and the model's name give a route           table.py
    prepare    what configuration alone settles, remembered                       plan.py, constraints.py
    filter     request and live filters, each exclusion with code and sentence    filters.py
    order      the strategy's picker makes the order of attempts                  scorers.py, pickers.py
Where nothing stands out, filtering and ordering are one step                     quick.py
What follows from a failed attempt is `attempts.py`'s question, which asks `decide_fallback` for the next model.
"""

from __future__ import annotations

from typing import Final

import msgspec

from tieline_router.errors import ErrorClass
from tieline_router.routing.callers import Caller
from tieline_router.routing.decision import Candidate, Decision, Exclusion, Shortlist
from tieline_router.routing.filters import (
    CONTEXT_LENGTH,
    CREDENTIALS_MISSING,
    CREDENTIALS_REFUSED,
    HEALTH,
    LIVE_FILTERS,
    MODEL_NOT_SERVED,
    RATE_LIMITED,
    REQUEST_FILTERS,
    live_facts,
    pause_ends,
)
from tieline_router.routing.live import LiveTable
from tieline_router.routing.pickers import Draw, order_candidates
from tieline_router.routing.plan import Plan, PlannedOffer, prepare, prepare_fallback
from tieline_router.routing.quick import quick_shortlist
from tieline_router.routing.scorers import completion_tokens
from tieline_router.routing.table import CompiledFallback, RoutingTable
from tieline_router.routing.view import RequestView

LIVE_CODES: Final = frozenset(filter_.code for filter_ in LIVE_FILTERS)


def decide(view: RequestView, caller: Caller, table: RoutingTable, live: LiveTable, now: float, draw: Draw) -> Decision:
    """Decides who may answer a request, in which order.

    Args:
        view: the facts of the request.
        caller: who asks, from `callers.authenticate`.
        table: the snapshot that this request carries.
        live: only read.
        now: Unix seconds.
        draw: floats in [0, 1); used by strategies that draw.

    Returns:
        A `Decision` that explains itself. Where nobody can answer the requested model it has no candidates and a
        `refusal`; `Attempts` then looks for a fallback, or stops with it.
    """
    plan = prepare(table, caller, view)
    if isinstance(plan, ErrorClass):
        return Decision(view, caller, now, table, None, Shortlist(view.model, refusal=plan))
    found = quick_shortlist(plan, view, live, now, draw) or shortlist(plan, view, live, now, draw)
    return Decision(view, caller, now, table, plan.asked, found, plan.fallbacks)


def decide_fallback(
    decision: Decision, fallback: CompiledFallback, live: LiveTable, now: float, draw: Draw
) -> Shortlist:
    """Who may answer a fallback's model: the same filters, with the rules of both routes."""
    assert decision.route is not None, "only a route has fallbacks"  # noqa: S101
    view = decision.view
    plan = prepare_fallback(decision.table, decision.route, decision.caller, view, fallback)
    return quick_shortlist(plan, view, live, now, draw) or shortlist(plan, view, live, now, draw)


def explain_fallbacks(decision: Decision, live: LiveTable, draw: Draw) -> Decision:
    """The same decision with every fallback decided too, for people. A request decides them only when it needs them."""
    shortlists = tuple(decide_fallback(decision, f, live, decision.now, draw) for f in decision.fallbacks)
    return msgspec.structs.replace(decision, fallback_shortlists=shortlists)


def shortlist(plan: Plan, view: RequestView, live: LiveTable, now: float, draw: Draw) -> Shortlist:
    """The long way, which says of every offer why it is no candidate."""
    candidates: list[Candidate] = []
    survivors: list[Candidate] = []
    exclusions = list(plan.exclusions)
    pauses: list[float] = []
    for planned in plan.offers:
        offer = planned.offer
        pool = offer.pool
        facts = live_facts(offer, live, now)
        price = offer.price(view.prompt_tokens, now)
        reasons = [(code, why) for code, check in REQUEST_FILTERS if (why := check(offer, view, plan.rules, price))]
        reasons += [(code, why) for code, check in LIVE_FILTERS if (why := check(facts, now))]
        candidate = _candidate(planned, price.blended(view.prompt_tokens, completion_tokens(view)), facts.warmth)
        if not reasons:
            candidates.append(candidate)
            continue
        exclusions += [Exclusion(pool.key, offer.model_name, offer.model.variant, code, why) for code, why in reasons]
        codes = {code for code, _ in reasons}
        if codes <= HEALTH:
            survivors.append(candidate)
        if codes <= LIVE_CODES and codes & {RATE_LIMITED, CREDENTIALS_REFUSED}:
            pauses.append(pause_ends(facts))
    chosen = candidates or survivors
    refusal = None if chosen else _refusal(exclusions)
    retry_after = max(min(pauses) - now, 0.0) if pauses and not chosen else None
    return Shortlist(
        plan.model,
        order_candidates(plan.strategy, chosen, draw),
        tuple(exclusions),
        plan.strategy,
        plan.route,
        bool(survivors and not candidates),
        refusal,
        retry_after,
    )


def _candidate(planned: PlannedOffer, price: float, warmth: float) -> Candidate:
    return Candidate(
        planned.offer,
        planned.priority,
        planned.weight,
        planned.order,
        price,
        planned.operation,
        planned.translated,
        warmth,
    )


def _refusal(exclusions: list[Exclusion]) -> ErrorClass:
    """The class of "nobody": what would have to change for the nearest miss."""
    by_offer: dict[tuple[str, str, str], set[str]] = {}
    for exclusion in exclusions:
        by_offer.setdefault((exclusion.pool, exclusion.model, exclusion.variant), set()).add(exclusion.code)
    codes = list(by_offer.values())
    if codes and all(found == {MODEL_NOT_SERVED} for found in codes):
        return ErrorClass.MODEL_NOT_FOUND
    waiting = [found for found in codes if found <= LIVE_CODES]
    if waiting:
        return _waiting(waiting)
    if any(found - LIVE_CODES == {CONTEXT_LENGTH} for found in codes):
        return ErrorClass.CONTEXT_LENGTH
    return ErrorClass.NO_PERMITTED_BACKEND


def _waiting(waiting: list[set[str]]) -> ErrorClass:
    """Permitted, but not now: by pauses, by credentials, or by health."""
    if any(RATE_LIMITED in found and not found & {CREDENTIALS_MISSING, CREDENTIALS_REFUSED} for found in waiting):
        return ErrorClass.CAPACITY_EXHAUSTED
    if all(found & {CREDENTIALS_MISSING, CREDENTIALS_REFUSED} for found in waiting):
        return ErrorClass.CREDENTIALS_UNAVAILABLE
    return ErrorClass.NO_HEALTHY_BACKEND
