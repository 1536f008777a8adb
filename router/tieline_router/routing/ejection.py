"""What an attempt's outcome does to the breakers: which of them counts it, and how many a pool can spare. Pure; called
by `live`.

A failure of the connection counts against the address, for all models; a failure of the answer counts against that
model at that address, with that credential, and shows that the address can be reached.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from tieline_router.errors import ERRORS, Ejects, ErrorClass
from tieline_router.routing.breaker import Breaker, State
from tieline_router.routing.endpoint import NO_CREDENTIAL, EndpointState, Lease

E = ErrorClass
ANSWERED: Final = frozenset({E.CONTEXT_LENGTH, E.CONTENT_POLICY, E.BAD_REQUEST, E.EMPTY})
"""Outcomes that are no success of the request, but show that the model answers."""
REACHED: Final = ANSWERED | {E.STATUS_429, E.STATUS_401_402_403, E.OVERLOADED, E.ANSWER_TOO_LARGE}
"""Outcomes that show that the endpoint answers, and nothing about the model."""


class Transition(NamedTuple):
    """A breaker opened or closed: worth a log line and a metric."""

    endpoint: EndpointState
    state: State
    model: str | None = None
    """The provider's name of the model, where the breaker is one model's alone."""


def feed(lease: Lease, outcome: ErrorClass | None, peers: Sequence[EndpointState], now: float) -> Transition | None:
    """Tells the breakers how an attempt ended (`outcome` None: a complete answer). `peers`: the pool's endpoints.

    Returns:
        The change, if a breaker changed: the address's rather than the model's.
    """
    model = _feed_model(lease, outcome, peers, now)
    return _feed_address(lease, outcome, peers, now) or model


def _feed_address(
    lease: Lease, outcome: ErrorClass | None, peers: Sequence[EndpointState], now: float
) -> Transition | None:
    endpoint, breaker = lease.endpoint, lease.endpoint.breaker
    if outcome is None or outcome in REACHED or ERRORS[outcome].ejects is Ejects.MODEL:
        changed = breaker.succeed(now, lease.ticket)
    elif ERRORS[outcome].ejects is Ejects.ENDPOINT:
        others = sum(peer.breaker.state is not State.CLOSED for peer in peers if peer is not endpoint)
        changed = breaker.fail(now, lease.ticket, may_eject=_may_eject(endpoint, others, len(peers)))
    else:
        breaker.abandon(lease.ticket)
        changed = False
    return Transition(endpoint, breaker.state) if changed else None


def _feed_model(
    lease: Lease, outcome: ErrorClass | None, peers: Sequence[EndpointState], now: float
) -> Transition | None:
    endpoint, model = lease.endpoint, lease.offer.upstream_name
    key = (model, lease.credential.name if lease.credential else NO_CREDENTIAL)
    breaker = endpoint.models.get(key)
    failed = outcome is not None and ERRORS[outcome].ejects is Ejects.MODEL
    if breaker is None:
        if not failed:
            return None
        breaker = endpoint.models[key] = Breaker(endpoint.pool.wire.ejection)
    if outcome is None or outcome in ANSWERED:
        changed = breaker.succeed(now, lease.model_ticket)
    elif failed:
        others = sum(_out(peer, model) for peer in peers if peer is not endpoint)
        changed = breaker.fail(now, lease.model_ticket, may_eject=_may_eject(endpoint, others, len(peers)))
    else:
        breaker.abandon(lease.model_ticket)
        changed = False
    return Transition(endpoint, breaker.state, model) if changed else None


def _out(peer: EndpointState, model: str) -> bool:
    return any(breaker.state is not State.CLOSED for breaker in peer.breakers(model))


def _may_eject(endpoint: EndpointState, others: int, count: int) -> bool:
    """Whether the pool can spare one more endpoint: `maxPercent` of it, one at least (as in Envoy). That the last
    candidate of a request is never ejected is `decide`'s rule, which sees the other pools."""
    return others < max(1, count * endpoint.pool.wire.ejection.max_percent // 100)
