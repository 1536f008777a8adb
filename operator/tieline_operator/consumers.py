"""One Consumer: which of its keys exist and are its own, what does a router need to know? Pure; called by `evaluate`.

Only the SHA-256 of a key leaves this module. A key belongs to one Consumer of the whole installation, because it is
what tells a caller's namespace.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tieline_api import snapshot
from tieline_api.conditions import Reason
from tieline_api.names import Key, key
from tieline_api.v1alpha1.consumer import Consumer

from tieline_operator import wireforms
from tieline_operator.checks import accept_consumer, joined
from tieline_operator.objects import SecretObject
from tieline_operator.secretrefs import resolve
from tieline_operator.support import Support, fields
from tieline_operator.verdicts import RESOLVED, ConsumerVerdict, Finding, Problem, Verdict


@dataclass(frozen=True, slots=True)
class ConsumerKeys:
    """The keys of one consumer that its Secrets hold, and what is wrong with the others."""

    found: tuple[snapshot.ConsumerKey, ...]
    resolved_refs: Finding

    @property
    def hashes(self) -> tuple[str, ...]:
        return tuple(item.sha256 for item in self.found)


def secret_keys(consumer: Consumer) -> Iterator[Key]:
    """Secrets that the consumer refers to."""
    for item in consumer.spec.keys:
        yield key(consumer.namespace, item.secret_ref.name)


def resolve_keys(consumer: Consumer, secrets: Mapping[Key, SecretObject]) -> ConsumerKeys:
    """Reads and hashes the keys of one consumer."""
    found, problems = [], []
    for index, item in enumerate(consumer.spec.keys):
        path = f"spec.keys[{index}].secretRef"
        value = resolve(secrets, consumer.namespace, item.secret_ref.name, item.secret_ref.key, path)
        if isinstance(value, Finding):
            problems.append(value)
            continue
        digest = hashlib.sha256(value.value.value.encode()).hexdigest()
        expires = item.expires_at.timestamp() if item.expires_at is not None else None
        found.append(snapshot.ConsumerKey(name=item.name, sha256=digest, expires_at=expires))
    return ConsumerKeys(tuple(found), joined(problems, RESOLVED))


def evaluate_consumer(consumer: Consumer, keys: ConsumerKeys, lost: Mapping[str, Key]) -> ConsumerVerdict:
    """The verdict on one consumer. `lost`: hashes of its keys that another consumer holds, with that consumer."""
    held: dict[str, snapshot.ConsumerKey] = {}
    duplicates = []
    places = {item.name: index for index, item in enumerate(consumer.spec.keys)}
    for item in keys.found:
        winner = lost.get(item.sha256)
        if winner is not None or item.sha256 in held:
            duplicates.append((places[item.name], winner))
        else:
            held[item.sha256] = item
    accepted = accept_consumer(consumer)
    if accepted.holds and duplicates:
        accepted = _duplicate(consumer, duplicates, bool(held))
    verdict = Verdict(accepted, keys.resolved_refs, fields(consumer, Support.IGNORED))
    if not accepted.holds:
        return ConsumerVerdict(verdict, None)
    wire = snapshot.Consumer(
        key=consumer.key,
        namespace=consumer.namespace,
        keys=tuple(held.values()),
        models=wireforms.access(consumer.spec.models),
        constraints=wireforms.constraints(consumer.spec.constraints),
    )
    return ConsumerVerdict(verdict, wire)


def _duplicate(consumer: Consumer, duplicates: list[tuple[int, Key | None]], some_held: bool) -> Finding:
    """Names the winner, unless it belongs to another namespace, whose objects are not this author's business."""

    def holder(winner: Key | None) -> str:
        if winner is None:
            return "another key of this Consumer"
        same = winner.partition("/")[0] == consumer.namespace
        return f"the older Consumer {winner}" if same else "an older Consumer of another namespace"

    remedy = "make a new key and write it into the Secret"
    problems = [
        Problem(f"spec.keys[{index}]", f"{holder(winner)} has the same key", remedy) for index, winner in duplicates
    ]
    reason = Reason.ACCEPTED if some_held else Reason.DUPLICATE_KEY
    return Finding.of(reason, *problems, status="True" if some_held else "False")
