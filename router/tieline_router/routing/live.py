"""What the router knows of this second: endpoints, requests under way, breakers, pauses, verdicts. Mutable, one thread.

Time is an argument: Unix seconds of a clock that does not go backwards. `decide` only reads; the runtime applies frames
(`apply_*`, `confirm`) and brackets every attempt by `begin` and `end`, where all state changes.

A pool is *calm* when nothing stands out: a credential is there, no verdict, breaker, pause or slow start distinguishes
its endpoints. Nearly all pools are, nearly always, so the table keeps the few that may not be, and a request spends
nothing on the others. The list errs on one side only: what is not calm stands in it; what calmed down leaves it late.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from tieline_api.snapshot import Credential, Endpoint, PoolEndpoints, Verdict

from tieline_router.errors import ErrorClass
from tieline_router.routing.admission import Admission, Ticket
from tieline_router.routing.breaker import CLOSED_TICKET
from tieline_router.routing.budget import RetryBudget
from tieline_router.routing.credentials import Credentials
from tieline_router.routing.ejection import Transition, feed
from tieline_router.routing.endpoint import NO_CREDENTIAL, EndpointState, Lease
from tieline_router.routing.hedging import RouteHedging
from tieline_router.routing.offers import CompiledPool, Offer
from tieline_router.routing.table import CompiledRoute, RoutingTable

CONFIRMATION_TTL: Final = 60.0
"""Seconds after which unconfirmed addresses are not trusted any more: pod addresses are reused."""
REVIEW_SECONDS: Final = 1.0
"""A pool that was not calm is looked at again by the answers of its requests, once in this time."""
UNKNOWN: Final = Verdict()
NO_ENDPOINTS: Final = PoolEndpoints()
PAUSES: Final = frozenset({ErrorClass.STATUS_429, ErrorClass.STATUS_401_402_403})
"""They pause the credential, or the endpoint where there is none."""


class LiveTable:
    """One per process; `apply_config` follows every new routing table.

    Args:
        confirmation_ttl: seconds; see `CONFIRMATION_TTL`. `math.inf` where a folder is the source of truth.
    """

    def __init__(self, confirmation_ttl: float = CONFIRMATION_TTL) -> None:
        self.confirmation_ttl = confirmation_ttl
        self.confirmed_at = -math.inf
        self.verdicts: Mapping[str, Verdict] = {}
        self.credentials = Credentials()
        self.admission = Admission()
        self._pools: dict[str, CompiledPool] = {}
        self._addresses: Mapping[str, PoolEndpoints] = {}
        self._listed: dict[str, tuple[EndpointState, ...]] = {}
        self._service: dict[str, tuple[EndpointState, ...]] = {}
        self._ready: dict[str, tuple[EndpointState, ...]] = {}
        """Those of `_listed` that accept requests."""
        self._budgets: dict[str, RetryBudget] = {}
        self._hedging: dict[str, RouteHedging] = {}
        self._restless: dict[str, float] = {}
        """Pools that may not be calm: key → when to look again."""

    # -- frames ------------------------------------------------------------------------------------------------------

    def apply_config(self, table: RoutingTable) -> None:
        """Takes the pools of a new table: External ones get their one endpoint; what vanished is dropped."""
        self._pools = table.pools
        self._budgets = {key: budget for key, budget in self._budgets.items() if key in table.routes}
        self._hedging = {key: known for key, known in self._hedging.items() if key in table.routes}
        for key, known in self._hedging.items():
            known.keep(frozenset(pool.key for pool in table.routes[key].pools()))
        self.admission.apply(table.pools)
        self.credentials.keep(table.pools)
        self._rebuild(-math.inf)

    def apply_endpoints(self, pools: Mapping[str, PoolEndpoints], now: float, *, confirmed: bool = True) -> None:
        """Takes the addresses of all SelfHosted pools. `confirmed` False: from a file, nobody vouches for them now."""
        self._addresses = pools
        if confirmed:
            self.confirm(now)
        self._rebuild(now)

    def confirm(self, now: float) -> None:
        """The operator says that the addresses still stand (a heartbeat with `endpoints_confirmed`)."""
        self.confirmed_at = max(self.confirmed_at, now)

    def apply_overlay(self, verdicts: Mapping[str, Verdict]) -> None:
        self.verdicts = verdicts
        ill = {key: -math.inf for key, verdict in verdicts.items() if verdict.health == "Unhealthy"}
        self._restless.update(ill)  # those that became well leave the list by their answers

    def apply_secrets(self, versions: Mapping[str, str]) -> None:
        """Which secret values the router holds: id → version."""
        self.credentials.hold(versions)
        self._review_all()

    def _rebuild(self, now: float) -> None:
        """`now` -inf: it is not the endpoints that changed, so nobody joins."""
        listed: dict[str, tuple[EndpointState, ...]] = {}
        service: dict[str, tuple[EndpointState, ...]] = {}
        for key, pool in self._pools.items():
            if pool.external:
                listed[key] = _states(pool, (Endpoint(address=pool.authority),), self._listed.get(key, ()), now)
                continue
            addresses = self._addresses.get(key, NO_ENDPOINTS)
            listed[key] = _states(pool, addresses.endpoints, self._listed.get(key, ()), now)
            if addresses.service_address:
                only = (Endpoint(address=addresses.service_address),)
                service[key] = _states(pool, only, self._service.get(key, ()), now)
        self._listed, self._service = listed, service
        self._ready = {key: tuple(state for state in states if state.ready) for key, states in listed.items()}
        self._review_all()

    # -- reading -----------------------------------------------------------------------------------------------------

    def stale(self, now: float) -> bool:
        """Whether the addresses have gone unconfirmed for too long."""
        return now - self.confirmed_at >= self.confirmation_ttl

    def endpoints(self, pool: CompiledPool, now: float) -> tuple[EndpointState, ...]:
        """The endpoints of a pool, usable or not; its Service's address alone when the listed ones are stale. A pool
        without a Service (static addresses) has none that could age."""
        if not pool.external and self._service and self.stale(now):
            service = self._service.get(pool.key)
            if service:
                return service
        return self._listed.get(pool.key, ())

    def all_endpoints(self, now: float) -> Iterator[EndpointState]:
        """Those in use of every pool, in key order; for the admin page and metrics."""
        for key in sorted(self._pools):
            yield from self.endpoints(self._pools[key], now)

    def verdict(self, pool: CompiledPool) -> Verdict:
        return self.verdicts.get(pool.key, UNKNOWN)

    def budget(self, route: CompiledRoute) -> RetryBudget:
        """The retry budget of a route, shared by its requests."""
        budget = self._budgets.get(route.key)
        if budget is None:
            budget = self._budgets[route.key] = RetryBudget(route.wire.retries.budget_percent)
        budget.percent = route.wire.retries.budget_percent
        return budget

    def hedging(self, route: CompiledRoute) -> RouteHedging | None:
        """Samples and budget for second attempts of a route, shared by its requests; None where it has no `hedging`."""
        rule = route.wire.hedging
        if rule is None:
            return None
        known = self._hedging.get(route.key)
        if known is None:
            known = self._hedging[route.key] = RouteHedging(rule)
        known.rule = rule
        return known

    def calm(self, pools: frozenset[str], now: float) -> bool:
        """Whether all these pools (keys) are calm: each has an endpoint that accepts requests, and nothing stands out.
        False says nothing."""
        if self._service and now - self.confirmed_at >= self.confirmation_ttl:
            return False
        return not self._restless or self._restless.keys().isdisjoint(pools)

    def calm_endpoints(self, pool: CompiledPool, now: float) -> tuple[EndpointState, ...] | None:
        """The endpoints of a calm pool that accept requests, at least one; None where it may not be calm."""
        if pool.key in self._restless or (self._service and now - self.confirmed_at >= self.confirmation_ttl):
            return None
        return self._ready.get(pool.key)

    def permits(self, offer: Offer, endpoint: EndpointState, now: float) -> bool:
        """Whether no breaker keeps the model's requests from the endpoint: neither the address's, nor the model's with
        every credential. Whether there is a credential at all is another question."""
        if not endpoint.breaker.permits(now):
            return False
        if not endpoint.models:
            return True
        names = {credential.name for credential in offer.pool.wire.credentials} or {NO_CREDENTIAL}
        return not names <= endpoint.shut(offer.upstream_name, now)

    # -- calm --------------------------------------------------------------------------------------------------------

    def _review_all(self) -> None:
        """Lists every pool about which something is known that may distinguish it, however old that is."""
        self._restless = {key: -math.inf for key, pool in self._pools.items() if not self._plain(pool, 0.0)}

    def _plain(self, pool: CompiledPool, now: float) -> bool:
        ready = self._ready.get(pool.key, ())
        return (
            bool(ready)
            and all(endpoint.calm for endpoint in ready)
            and self.verdict(pool).health != "Unhealthy"
            and self.credentials.calm(pool, ready, now)
        )

    def _review(self, pool: CompiledPool, now: float) -> None:
        for endpoint in self._listed.get(pool.key, ()):
            if not endpoint.calm:
                endpoint.mark(now)
        if self._plain(pool, now):
            self._restless.pop(pool.key, None)
        else:
            self._restless[pool.key] = now + REVIEW_SECONDS

    # -- attempts ----------------------------------------------------------------------------------------------------

    def begin(
        self,
        endpoint: EndpointState,
        offer: Offer,
        credential: Credential | None,
        now: float,
        place: Ticket | None = None,
    ) -> Lease:
        """An attempt starts. Every lease must be given back by `end`, whatever happens (`try … finally`).

        Args:
            place: the attempt's ticket, which the lease takes over.
        """
        endpoint.in_flight += 1
        ticket = model_ticket = CLOSED_TICKET
        if credential is not None:
            self.credentials.used(offer.pool.key)
        if endpoint.marked:
            ticket = endpoint.breaker.begin(now)
            name = credential.name if credential is not None else NO_CREDENTIAL
            breaker = endpoint.models.get((offer.upstream_name, name))
            model_ticket = breaker.begin(now) if breaker is not None else CLOSED_TICKET
        return Lease(endpoint, offer, credential, ticket, model_ticket, place)

    def end(
        self, lease: Lease, outcome: ErrorClass | None, now: float, retry_after: float | None = None
    ) -> Transition | None:
        """An attempt ended: `outcome` None is a complete answer. Feeds breakers and pauses.

        Args:
            retry_after: the provider's hint in seconds, if it gave one.

        Returns:
            The breaker's change, if one changed.
        """
        endpoint = lease.endpoint
        endpoint.in_flight -= 1
        if lease.place is not None:
            lease.place.give_back(now)
        if outcome is None and not endpoint.marked and not self._restless:
            return None  # nothing to count, nothing to forget: 0.2 µs for nearly all attempts
        return self._settle(lease, outcome, now, retry_after)

    def _settle(
        self, lease: Lease, outcome: ErrorClass | None, now: float, retry_after: float | None
    ) -> Transition | None:
        endpoint, credential, pool = lease.endpoint, lease.credential, lease.endpoint.pool
        if outcome is None:
            endpoint.cooldown.answered(now)
            if credential is not None:
                self.credentials.answered(pool, credential, now)
        elif outcome in PAUSES and credential is not None:
            self.credentials.pause(pool, credential, outcome, now, retry_after)
        elif outcome in PAUSES or outcome is ErrorClass.OVERLOADED:
            endpoint.cooldown.extend(outcome, now, retry_after)
        transition = feed(lease, outcome, self.endpoints(pool, now), now)
        endpoint.mark(now)
        if outcome is not None or now >= self._restless.get(pool.key, math.inf):
            self._review(pool, now)
        return transition


def _states(
    pool: CompiledPool, endpoints: Iterable[Endpoint], before: tuple[EndpointState, ...], now: float
) -> tuple[EndpointState, ...]:
    """The states for endpoints; those that were known keep what is known of them. One that becomes ready at `now`
    beside others that were ready before it starts slowly."""
    known = {(state.address, state.rank): state for state in before}
    others = any(state.ready for state in before)
    states = []
    for endpoint in endpoints:
        state = known.get((endpoint.address, endpoint.rank))
        joins = endpoint.ready and others and (state is None or not state.ready)
        if state is None:
            state = EndpointState(pool, endpoint)
        else:
            state.update(pool, endpoint)
        if joins:
            state.joined_at = now
        states.append(state)
    return tuple(states)
