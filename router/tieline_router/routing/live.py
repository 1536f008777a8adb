"""What the router knows of this second: endpoints, requests under way, breakers, pauses, verdicts. Mutable, one thread.

Time is an argument: Unix seconds of a clock that does not go backwards. `decide` only reads; the runtime applies frames
(`apply_*`, `confirm`) and brackets every attempt by `begin` and `end`, where all state changes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from tieline_api.snapshot import Credential, Endpoint, PoolEndpoints, Verdict

from tieline_router.errors import ERRORS, Ejects, ErrorClass
from tieline_router.routing.breaker import State
from tieline_router.routing.budget import RetryBudget
from tieline_router.routing.credentials import Credentials
from tieline_router.routing.endpoint import EndpointState, Lease
from tieline_router.routing.offers import CompiledPool
from tieline_router.routing.table import CompiledRoute, RoutingTable

CONFIRMATION_TTL: Final = 60.0
"""Seconds after which unconfirmed addresses are not trusted any more: pod addresses are reused."""
UNKNOWN: Final = Verdict()
NO_ENDPOINTS: Final = PoolEndpoints()

ANSWERED: Final = frozenset(
    {
        ErrorClass.STATUS_429,
        ErrorClass.STATUS_401_402_403,
        ErrorClass.STATUS_404_MODEL,
        ErrorClass.CONTEXT_LENGTH,
        ErrorClass.CONTENT_POLICY,
        ErrorClass.BAD_REQUEST,
        ErrorClass.EMPTY,
    }
)
"""Outcomes that are no success of the request, but show that the endpoint works."""


class Transition(NamedTuple):
    """A breaker opened or closed: worth a log line and a metric."""

    endpoint: EndpointState
    state: State


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
        self._pools: dict[str, CompiledPool] = {}
        self._addresses: Mapping[str, PoolEndpoints] = {}
        self._listed: dict[str, tuple[EndpointState, ...]] = {}
        self._service: dict[str, tuple[EndpointState, ...]] = {}
        self._budgets: dict[str, RetryBudget] = {}

    # -- frames ------------------------------------------------------------------------------------------------------

    def apply_config(self, table: RoutingTable) -> None:
        """Takes the pools of a new table: External ones get their one endpoint; what vanished is dropped."""
        self._pools = table.pools
        self._budgets = {key: budget for key, budget in self._budgets.items() if key in table.routes}
        self.credentials.keep(table.pools)
        self._rebuild()

    def apply_endpoints(self, pools: Mapping[str, PoolEndpoints], now: float, *, confirmed: bool = True) -> None:
        """Takes the addresses of all SelfHosted pools. `confirmed` False: from a file, nobody vouches for them now."""
        self._addresses = pools
        if confirmed:
            self.confirm(now)
        self._rebuild()

    def confirm(self, now: float) -> None:
        """The operator says that the addresses still stand (a heartbeat with `endpoints_confirmed`)."""
        self.confirmed_at = max(self.confirmed_at, now)

    def apply_overlay(self, verdicts: Mapping[str, Verdict]) -> None:
        self.verdicts = verdicts

    def apply_secrets(self, versions: Mapping[str, str]) -> None:
        """Which secret values the router holds: id → version."""
        self.credentials.hold(versions)

    def _rebuild(self) -> None:
        listed: dict[str, tuple[EndpointState, ...]] = {}
        service: dict[str, tuple[EndpointState, ...]] = {}
        for key, pool in self._pools.items():
            if pool.external:
                listed[key] = _states(pool, (Endpoint(address=pool.authority),), self._listed.get(key, ()))
                continue
            addresses = self._addresses.get(key, NO_ENDPOINTS)
            listed[key] = _states(pool, addresses.endpoints, self._listed.get(key, ()))
            if addresses.service_address:
                only = (Endpoint(address=addresses.service_address),)
                service[key] = _states(pool, only, self._service.get(key, ()))
        self._listed, self._service = listed, service

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

    # -- attempts ----------------------------------------------------------------------------------------------------

    def begin(self, endpoint: EndpointState, credential: Credential | None, now: float) -> Lease:
        """An attempt starts. Every lease must be given back by `end`, whatever happens (`try … finally`)."""
        endpoint.in_flight += 1
        if credential is not None:
            self.credentials.used(endpoint.pool.key)
        return Lease(endpoint, credential, endpoint.breaker.begin(now))

    def end(
        self, lease: Lease, outcome: ErrorClass | None, now: float, retry_after: float | None = None
    ) -> Transition | None:
        """An attempt ended: `outcome` None is a complete answer. Feeds breaker and pauses.

        Args:
            retry_after: the provider's hint in seconds, if it gave one.

        Returns:
            The breaker's change, if it changed.
        """
        endpoint, credential, probe = lease
        endpoint.in_flight -= 1
        if outcome is None:
            endpoint.cooldown.answered(now)
            if credential is not None:
                self.credentials.answered(endpoint.pool, credential, now)
        elif outcome in (ErrorClass.STATUS_429, ErrorClass.STATUS_401_402_403) and credential is not None:
            self.credentials.pause(endpoint.pool, credential, outcome, now, retry_after)
        elif outcome in (ErrorClass.STATUS_429, ErrorClass.STATUS_401_402_403, ErrorClass.OVERLOADED):
            endpoint.cooldown.extend(outcome, now, retry_after)
        return self._feed(endpoint, outcome, now, probe=probe)

    def _feed(
        self, endpoint: EndpointState, outcome: ErrorClass | None, now: float, *, probe: bool
    ) -> Transition | None:
        breaker = endpoint.breaker
        if outcome is None or outcome in ANSWERED:
            changed = breaker.succeed(now, probe=probe)
        elif ERRORS[outcome].ejects is not Ejects.NO:
            changed = breaker.fail(now, probe=probe, may_eject=self._may_eject(endpoint, now))
        else:
            breaker.abandon(probe=probe)
            changed = False
        return Transition(endpoint, breaker.state) if changed else None

    def _may_eject(self, endpoint: EndpointState, now: float) -> bool:
        """Whether the pool can spare one more endpoint: `maxPercent` of it, one at least (as in Envoy). That the last
        candidate of a request is never ejected is `decide`'s rule, which sees the other pools."""
        peers = self.endpoints(endpoint.pool, now)
        ejected = sum(peer.breaker.state is not State.CLOSED for peer in peers)
        return ejected < max(1, len(peers) * endpoint.pool.wire.ejection.max_percent // 100)


def _states(
    pool: CompiledPool, endpoints: Iterable[Endpoint], before: tuple[EndpointState, ...]
) -> tuple[EndpointState, ...]:
    """The states for endpoints; those that were known keep what is known of them."""
    known = {(state.address, state.rank): state for state in before}
    states = []
    for endpoint in endpoints:
        state = known.get((endpoint.address, endpoint.rank))
        if state is None:
            state = EndpointState(pool, endpoint)
        else:
            state.update(pool, endpoint)
        states.append(state)
    return tuple(states)
