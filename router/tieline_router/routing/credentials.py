"""Which credential of a pool is sent: those whose value the router holds take turns, paused ones sit out. Pure.

Knows ids and versions of secrets, never a value. Owned by `live.LiveTable`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from tieline_api.snapshot import Credential

from tieline_router.errors import ErrorClass
from tieline_router.routing.cooldown import Cooldown
from tieline_router.routing.matching import host_permitted
from tieline_router.routing.offers import CompiledPool

if TYPE_CHECKING:
    from tieline_router.routing.endpoint import EndpointState


class Paused(NamedTuple):
    """Every credential of the pool is paused; the first is free again at `until` (Unix seconds)."""

    until: float
    reason: ErrorClass


class MissingSecret(NamedTuple):
    """The router has not got a value that the pool needs; `id` names it in the `secrets` frame."""

    id: str


class TriedAll(NamedTuple):
    """This request has tried every credential."""


Choice = Credential | None | Paused | MissingSecret | TriedAll
"""None: the pool needs no credential."""
NONE_TRIED: frozenset[str] = frozenset()


class Credentials:
    __slots__ = ("_held", "_pauses", "_turns")

    def __init__(self) -> None:
        self._held: dict[str, str] = {}
        self._pauses: dict[tuple[str, str, str], Cooldown] = {}
        self._turns: dict[str, int] = {}

    def hold(self, versions: Mapping[str, str]) -> None:
        """Which values the router holds: id → version. A new version is not paused."""
        self._held = dict(versions)
        held = set(self._held.values())
        self._pauses = {key: pause for key, pause in self._pauses.items() if key[2] in held}

    def keep(self, pools: Mapping[str, CompiledPool]) -> None:
        """Forgets pools that are gone."""
        self._turns = {key: turn for key, turn in self._turns.items() if key in pools}
        self._pauses = {key: pause for key, pause in self._pauses.items() if key[0] in pools}

    def _key(self, pool: CompiledPool, credential: Credential) -> tuple[str, str, str]:
        return pool.key, credential.name, self._held.get(credential.secret.id, "")

    def choose(self, pool: CompiledPool, host: str, now: float, tried: frozenset[str] = NONE_TRIED) -> Choice:
        """The credential whose turn it is at `host`, or why there is none. Changes nothing.

        Args:
            host: host name of the endpoint; a credential that is bound to other hosts is never sent to it.
            tried: names that this request has tried already.
        """
        for secret in pool.required_secrets:
            if secret not in self._held:
                return MissingSecret(secret)
        if not pool.wire.credentials:
            return None
        bound = pool.credentials_for(host)
        held = [credential for credential in bound if credential.secret.id in self._held]
        if not held:
            return MissingSecret((bound or pool.wire.credentials)[0].secret.id)
        first = self._turns.get(pool.key, 0) % len(held)
        paused: Paused | None = None
        for credential in held[first:] + held[:first]:
            pause = self._pauses.get(self._key(pool, credential))
            if pause is not None and pause.active(now):
                if paused is None or pause.until < paused.until:
                    paused = Paused(pause.until, pause.reason or ErrorClass.STATUS_429)
            elif credential.name not in tried:
                return credential
        return paused or TriedAll()

    def calm(self, pool: CompiledPool, endpoints: Iterable[EndpointState], now: float) -> bool:
        """Whether every credential of the pool is held, unpaused and good for each of its endpoints."""
        if any(secret not in self._held for secret in pool.required_secrets):
            return False
        for credential in pool.wire.credentials:
            if credential.secret.id not in self._held:
                return False
            pause = self._pauses.get(self._key(pool, credential))
            if pause is not None and not pause.forgotten(now):
                return False
            if not all(host_permitted(credential.hosts, endpoint.host) for endpoint in endpoints):
                return False
        return True

    def turn(self, pool: CompiledPool) -> Credential | None:
        """The credential whose turn it is, in a calm pool."""
        credentials = pool.wire.credentials
        return credentials[self._turns.get(pool.key, 0) % len(credentials)] if credentials else None

    def used(self, pool_key: str) -> None:
        """The next request takes the next one."""
        self._turns[pool_key] = self._turns.get(pool_key, 0) + 1

    def pause(
        self, pool: CompiledPool, credential: Credential, reason: ErrorClass, now: float, retry_after: float | None
    ) -> None:
        self._pauses.setdefault(self._key(pool, credential), Cooldown()).extend(reason, now, retry_after)

    def answered(self, pool: CompiledPool, credential: Credential, now: float) -> None:
        """It was accepted."""
        key = self._key(pool, credential)
        pause = self._pauses.get(key) if self._pauses else None
        if pause is not None:
            pause.answered(now)
            if not pause.count:
                del self._pauses[key]
