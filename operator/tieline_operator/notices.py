"""Turns what routers notice into Events on pools. Called by the snapshot server; posts through `events`.

A router's word is taken only as far as its scope reaches, and only about pools and credentials that exist, so that
nobody can write into another namespace's Events. Several routers notice the same refusal: it is told once in a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, Protocol

from tieline_api.names import PROVIDER_POOL, Key
from tieline_api.snapshot import Notice

from tieline_operator.compile import namespace_of
from tieline_operator.resources import Body
from tieline_operator.telemetry.complaints import Complaints
from tieline_operator.transitions import PlannedEvent

REASON: Final = "CredentialRefused"
_MEANINGS: Final = {
    401: "does not know it: renew the key in the Secret",
    402: "asks for payment: top up the account",
    403: "does not permit it: give the key the rights that it lacks, or use another",
}


class Objects(Protocol):
    def get(self, kind: str, key: Key) -> Body | None: ...


class NoticeBoard:
    """`post` is given the pool and the Event about it; `leading` says whether Events are this replica's to write."""

    def __init__(
        self,
        objects: Objects,
        post: Callable[[Body, PlannedEvent], None],
        leading: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._objects = objects
        self._post = post
        self._leading = leading
        self._clock = clock
        self._complaints = Complaints()

    def take(self, scope: str, notice: Notice) -> None:
        """One notice of a router of this scope; what it may not speak of is passed over."""
        only = namespace_of(scope)
        if not self._leading() or (only is not None and notice.pool.partition("/")[0] != only):
            return
        pool = self._objects.get(PROVIDER_POOL, Key(notice.pool))
        if pool is None or notice.status not in _MEANINGS:
            return
        secret = _secret(pool, notice.credential)
        if secret is None or not self._complaints.due((notice.pool, notice.credential), self._clock()):
            return
        note = (
            f"the provider answered {notice.status} to credential {notice.credential} (Secret {secret}): it "
            f"{_MEANINGS[notice.status]}. Routers leave the credential out for a while and try again"
        )
        self._post(pool, PlannedEvent("Warning", REASON, note))


def _secret(pool: Body, credential: str) -> str | None:
    """The Secret of a pool's credential; None when the pool has no such credential."""
    connection: dict[str, Any] = pool.get("spec", {}).get("connection", {})
    for item in connection.get("credentials", ()):
        if item.get("name") == credential:
            return str(item.get("apiKey", {}).get("secretRef", {}).get("name", "?"))
    return None
