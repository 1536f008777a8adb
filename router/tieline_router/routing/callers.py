"""Who asks: from the hash of a key to a caller, or to the error class of the refusal. Pure.

The runtime hashes the key (SHA-256 over its UTF-8 bytes, lower-case hex) and asks here; it never compares keys itself.
"""

from __future__ import annotations

from typing import NamedTuple

from tieline_api.snapshot import Consumer

from tieline_router.errors import ErrorClass
from tieline_router.routing.table import RoutingTable


class Caller(NamedTuple):
    """`namespace`: where model names are resolved. `consumer` None = anonymous."""

    namespace: str
    consumer: Consumer | None = None
    key_name: str = ""

    @property
    def consumer_key(self) -> str:
        """`namespace/name` of the Consumer, empty for an anonymous caller."""
        return self.consumer.key if self.consumer else ""

    @property
    def turn(self) -> str:
        """Who takes turns in a queue: each consumer; all anonymous callers of a namespace together."""
        return self.consumer.key if self.consumer else self.namespace


def authenticate(
    table: RoutingTable, sha256: str | None, now: float, *, required: bool, anonymous_namespace: str = "default"
) -> Caller | ErrorClass:
    """The caller with this key hash (None = no key was sent), at Unix time `now`.

    Fails closed: an unknown or expired key is refused also where keys are optional, because whoever sends a key
    expects its rights and its namespace, not another's.
    """
    if sha256 is None:
        return ErrorClass.MISSING_KEY if required else Caller(anonymous_namespace)
    entry = table.consumer(sha256)
    if entry is None:
        return ErrorClass.INVALID_KEY
    if entry.expires_at is not None and now >= entry.expires_at:
        return ErrorClass.EXPIRED_KEY
    return Caller(entry.consumer.namespace, entry.consumer, entry.name)
