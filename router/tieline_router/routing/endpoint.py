"""One endpoint as the router sees it this second, and the lease of an attempt on it. Changed by `live` alone.

Slow start: an endpoint that joins others, or whose breaker closes, has cold caches, so its share grows linearly from a
tenth to the whole over `SLOW_START_SECONDS` (Envoy's slow_start_config with aggression 1.0 and min_weight_percent 10).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import msgspec
from tieline_api.snapshot import Credential, Endpoint

from tieline_router.routing.admission import Ticket
from tieline_router.routing.breaker import Breaker, State
from tieline_router.routing.cooldown import Cooldown
from tieline_router.routing.offers import CompiledPool, Offer

SLOW_START_SECONDS: Final = 30.0
"""The window; Envoy has no default. Thirty seconds is the base of an ejection: what was out as long comes back as
gently."""
MIN_WARMTH: Final = 0.1
NO_CREDENTIAL: Final = ""
NOBODY: Final[frozenset[str]] = frozenset()
ModelKey = tuple[str, str]
"""The provider's name of a model, and the credential's name ("" = none)."""


class EndpointState:
    """Identity is (pool, address, rank) and survives frames. `pool` is the pool of the newest table."""

    __slots__ = (
        "address", "breaker", "cooldown", "host", "in_flight", "joined_at", "marked", "models", "pool", "rank", "ready",
        "terminating",
    )  # fmt: skip

    def __init__(self, pool: CompiledPool, endpoint: Endpoint) -> None:
        self.address = endpoint.address
        """`host:port`; an IPv6 host stands in brackets. Of an External pool: what its base URL says."""
        self.host = endpoint.address.rpartition(":")[0].strip("[]") or endpoint.address
        self.rank = endpoint.rank
        self.in_flight = 0
        self.breaker = Breaker(pool.wire.ejection)
        """Of the address: whether it can be reached."""
        self.models: dict[ModelKey, Breaker] = {}
        """Of single models at it; those that never failed have none."""
        self.cooldown = Cooldown()
        self.marked = False
        """Something is remembered against it: a failure, an ejection or a pause. Spares the others any bookkeeping."""
        self.joined_at = -math.inf
        """When it became ready beside others."""
        self.ready = endpoint.ready
        self.update(pool, endpoint)

    def update(self, pool: CompiledPool, endpoint: Endpoint) -> None:
        """Takes what a frame says of it."""
        self.pool = pool
        self.ready = endpoint.ready
        self.terminating = endpoint.terminating
        self.breaker.rule = pool.wire.ejection
        if self.models:
            known = {offer.upstream_name for offers in pool.offers.values() for offer in offers}
            credentials = {NO_CREDENTIAL, *(credential.name for credential in pool.wire.credentials)}
            self.models = {k: b for k, b in self.models.items() if k[0] in known and k[1] in credentials}
            for breaker in self.models.values():
                breaker.rule = pool.wire.ejection

    @property
    def name(self) -> str:
        """For people and metrics: the address, and the rank where there is one."""
        return self.address if self.rank is None else f"{self.address}#{self.rank}"

    def __repr__(self) -> str:
        return f"EndpointState({self.pool.key}, {self.name})"

    def breakers(self, model: str | None = None) -> Iterator[Breaker]:
        """That of the address and those of its models; of one model (the provider's name) where one is named."""
        yield self.breaker
        for (name, _), breaker in self.models.items():
            if model is None or name == model:
                yield breaker

    def worst(self) -> Breaker:
        """The one of them that stands out most, for people and metrics: shut for longest, or nearest to it."""
        return max(self.breakers(), key=lambda b: (b.until if b.state is not State.CLOSED else 0.0, b.failures))

    def shut(self, model: str, now: float) -> frozenset[str]:
        """Names of the credentials ("" = none) with which the model may not be asked for here now."""
        if not self.models:
            return NOBODY
        return frozenset(c for (name, c), breaker in self.models.items() if name == model and not breaker.permits(now))

    def next_probe(self, model: str, now: float) -> float:
        """Unix time at which a breaker that keeps the model's requests away lets one through."""
        shut = [breaker.until for breaker in self.breakers(model) if not breaker.permits(now)]
        return self.breaker.until if not self.breaker.permits(now) else min(shut, default=now)

    def warmth(self, model: str, now: float) -> float:
        """The share of its usual traffic that it should get, `MIN_WARMTH` to 1."""
        since = max(self.joined_at, *(breaker.closed_at for breaker in self.breakers(model)))
        return min(max((now - since) / SLOW_START_SECONDS, MIN_WARMTH), 1.0)

    def mark(self, now: float) -> None:
        """Forgets what is over, and sets `marked` to what is the case."""
        for key in [key for key, breaker in self.models.items() if breaker.forgotten(now)]:
            del self.models[key]
        if now - self.joined_at >= SLOW_START_SECONDS:
            self.joined_at = -math.inf
        self.marked = bool(self.models) or not (self.cooldown.forgotten(now) and self.breaker.forgotten(now))

    @property
    def calm(self) -> bool:
        """Whether it is as any other: nothing failed, paused, on its way out or warming up."""
        return not self.marked and not self.terminating and self.joined_at == -math.inf


class Lease(msgspec.Struct, frozen=True, gc=False):
    """One attempt under way, from `LiveTable.begin` to `LiveTable.end`. The tickets are those of `Breaker.begin`."""

    endpoint: EndpointState
    offer: Offer
    credential: Credential | None
    ticket: int
    model_ticket: int
    place: Ticket | None = None
    """At the pool's gate, where it has one."""
