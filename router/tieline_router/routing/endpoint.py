"""One endpoint as the router sees it this second, and the lease of an attempt on it. Changed by `live` alone."""

from __future__ import annotations

from typing import NamedTuple

from tieline_api.snapshot import Credential, Endpoint

from tieline_router.routing.breaker import Breaker
from tieline_router.routing.cooldown import Cooldown
from tieline_router.routing.offers import CompiledPool


class EndpointState:
    """Identity is (pool, address, rank) and survives frames. `pool` is the pool of the newest table."""

    __slots__ = ("address", "breaker", "cooldown", "host", "in_flight", "pool", "rank", "ready", "terminating")

    def __init__(self, pool: CompiledPool, endpoint: Endpoint) -> None:
        self.address = endpoint.address
        """`host:port`; an IPv6 host stands in brackets. Of an External pool: what its base URL says."""
        self.host = endpoint.address.rpartition(":")[0].strip("[]") or endpoint.address
        self.rank = endpoint.rank
        self.in_flight = 0
        self.breaker = Breaker(pool.wire.ejection)
        self.cooldown = Cooldown()
        self.update(pool, endpoint)

    def update(self, pool: CompiledPool, endpoint: Endpoint) -> None:
        self.pool = pool
        self.ready = endpoint.ready
        self.terminating = endpoint.terminating
        self.breaker.rule = pool.wire.ejection

    @property
    def name(self) -> str:
        """For people and metrics: the address, and the rank where there is one."""
        return self.address if self.rank is None else f"{self.address}#{self.rank}"

    def __repr__(self) -> str:
        return f"EndpointState({self.pool.key}, {self.name})"


class Lease(NamedTuple):
    """One attempt under way, from `LiveTable.begin` to `LiveTable.end`. `probe`: its result moves the breaker."""

    endpoint: EndpointState
    credential: Credential | None
    probe: bool
