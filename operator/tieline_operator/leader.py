"""One writer: the Lease `tieline-operator` in the operator's namespace, and the epoch that it carries.

Whoever takes the Lease raises its annotation `tieline.dev/epoch` in the same write, before any frame is sent; the write
carries the resourceVersion that was read, so no two operators ever get the same epoch. An operator that cannot renew
stops writing before the Lease runs out (`leading`); one that finds another holder must end.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from tieline_api.names import ANNOTATION_EPOCH, LEASE

from tieline_operator.cluster import Cluster
from tieline_operator.errors import ApiError, Conflict, LeaseLost, Unavailable, Unserved
from tieline_operator.resources import LEASES, Body

logger = logging.getLogger(__name__)

CONFLICT_SECONDS: Final = 0.1
_MICROTIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"
_DELETED: Final = "the Lease {}/{} was deleted: a new start begins a new history"


@dataclass(frozen=True)
class Term:
    """One operator's time in office. `installation` is the Lease's uid: a new Lease begins a new history."""

    installation: str
    epoch: int


@dataclass(frozen=True)
class Rhythm:
    """Seconds: `lease` holds off others, `renew_deadline` ends our own writes, `retry` is the pace of tries."""

    lease: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0


def epoch_of(lease: Body) -> int:
    """The epoch that a Lease carries; 0 when it has none.

    Raises:
        ValueError: the annotation is not a number.
    """
    value = (lease["metadata"].get("annotations") or {}).get(ANNOTATION_EPOCH)
    if value is None:
        return 0
    if not str(value).isdecimal():
        raise ValueError(
            f"Lease {LEASE} has the annotation {ANNOTATION_EPOCH}={value!r}, which is not a number: write one that is "
            "higher than any before, or delete the Lease to begin a new history"
        )
    return int(value)


def taken(lease: Body, identity: str, rhythm: Rhythm, now: datetime) -> dict[str, Any]:
    """The Lease as `identity` takes it: same object, next epoch. Raises ValueError as `epoch_of` does."""
    spec = lease.get("spec") or {}
    transitions = int(spec.get("leaseTransitions") or 0)
    stamp = now.astimezone(UTC).strftime(_MICROTIME)
    metadata = lease["metadata"]
    annotations = {**(metadata.get("annotations") or {}), ANNOTATION_EPOCH: str(epoch_of(lease) + 1)}
    return {
        "apiVersion": LEASES.api_version,
        "kind": LEASES.kind,
        "metadata": {**{k: v for k, v in metadata.items() if k != "managedFields"}, "annotations": annotations},
        "spec": {
            "holderIdentity": identity,
            "leaseDurationSeconds": max(1, round(rhythm.lease)),
            "acquireTime": stamp,
            "renewTime": stamp,
            "leaseTransitions": transitions + (spec.get("holderIdentity") != identity),
        },
    }


def renewed(lease: Body, now: datetime) -> dict[str, Any]:
    """The Lease with a new renewTime and nothing else changed."""
    return {**lease, "spec": {**lease["spec"], "renewTime": now.astimezone(UTC).strftime(_MICROTIME)}}


class Watchman:
    """Tells when a Lease that somebody else holds has run out. Clocks of machines are not compared: what counts is for
    how long *we* have seen it unchanged. Pure."""

    def __init__(self) -> None:
        self._seen: tuple[object, ...] = ()
        self._since = 0.0

    def wait(self, lease: Body, identity: str, now: float) -> float:
        """Seconds until `identity` may take it; 0 = now."""
        spec = lease.get("spec") or {}
        holder = spec.get("holderIdentity")
        if not holder or holder == identity:
            return 0.0
        seen = (lease["metadata"].get("uid"), holder, spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._since = seen, now
        return max(0.0, self._since + float(spec.get("leaseDurationSeconds") or 15) - now)


class Leader:
    """Takes the Lease, keeps it, and gives it back. `clock` is monotonic seconds, `now` the time of day."""

    def __init__(
        self,
        cluster: Cluster,
        namespace: str,
        identity: str,
        *,
        rhythm: Rhythm,
        clock: Callable[[], float],
        now: Callable[[], datetime],
    ) -> None:
        self.term: Term | None = None
        self._cluster = cluster
        self._namespace = namespace
        self._identity = identity
        self._rhythm = rhythm
        self._clock = clock
        self._now = now
        self._lease: Body = {}
        self._renewed_at = 0.0

    @property
    def leading(self) -> bool:
        """Whether writes are permitted: the Lease is ours and was renewed in time."""
        return self.term is not None and self._clock() - self._renewed_at < self._rhythm.renew_deadline

    async def acquire(self) -> Term:
        """Waits until the Lease is ours, with the next epoch. Tries for ever; says once why it waits."""
        watchman = Watchman()
        said = ""
        while True:
            why, wait = "", self._rhythm.retry
            try:
                started = self._clock()
                lease = await self._cluster.get(LEASES, self._namespace, LEASE)
                if lease is None:
                    empty: Body = {"metadata": {"name": LEASE, "namespace": self._namespace}}
                    body = taken(empty, self._identity, self._rhythm, self._now())
                    return self._hold(await self._cluster.create(LEASES, self._namespace, body), started)
                wait = watchman.wait(lease, self._identity, self._clock())
                if wait == 0.0:
                    body = taken(lease, self._identity, self._rhythm, self._now())
                    return self._hold(await self._cluster.replace(LEASES, body), started)
                holder = lease["spec"]["holderIdentity"]
                why = f"{holder} holds the Lease {self._namespace}/{LEASE}; waiting until it gives it back or is gone"
            except Conflict:
                wait = CONFLICT_SECONDS
            except (ApiError, Unserved, ValueError) as error:
                wait = self._rhythm.retry
                why = f"cannot take the Lease {self._namespace}/{LEASE}: {error}"
            except Unavailable:
                wait = self._rhythm.retry
            if why and why != said:
                logger.warning(why)
                said = why
            await asyncio.sleep(min(wait, self._rhythm.retry))

    async def keep(self) -> None:
        """Renews until it is cancelled.

        Raises:
            LeaseLost: another operator has the Lease, or it was deleted.
        """
        heard = said = ""
        while True:
            await asyncio.sleep(self._rhythm.retry)
            started = self._clock()
            try:
                async with asyncio.timeout(self._rhythm.renew_deadline):
                    self._hold(await self._cluster.replace(LEASES, renewed(self._lease, self._now())), started)
                heard = said = ""
            except Conflict:
                await self._compare()
            except (ApiError, Unserved) as error:
                if error.status == 404:
                    raise LeaseLost(_DELETED.format(self._namespace, LEASE)) from None
                lasting = not self.leading and not self._cluster.outage.active
                again, heard = heard == str(error), str(error)  # a server that starts refuses what it will permit
                if again and str(error) != said and (lasting or not isinstance(error, Unserved)):
                    said = str(error)
                    logger.error("cannot renew the Lease %s/%s: %s", self._namespace, LEASE, error)
            except (Unavailable, TimeoutError):
                continue  # `leading` turns false by itself; the outage is logged where it is noticed

    async def outgrow(self, epoch: int) -> None:
        """Writes an epoch into the Lease that is at least `epoch`, so that the next is higher. This term ends with
        it: what it published is older than what routers hold.

        Raises:
            LeaseLost: always; the process ends, and the next one begins above that epoch.
        """
        while True:
            metadata = self._lease["metadata"]
            raised = str(max(epoch, epoch_of(self._lease)))
            annotations = {**(metadata.get("annotations") or {}), ANNOTATION_EPOCH: raised}
            body = {**self._lease, "metadata": {**metadata, "annotations": annotations}}
            try:
                self._lease = await self._cluster.replace(LEASES, body)
            except Conflict:  # our own renewal was faster, or somebody else has the Lease
                await self._compare()
            except (ApiError, Unavailable) as error:
                logger.error("cannot raise the epoch in the Lease %s/%s: %s", self._namespace, LEASE, error)
            else:
                raise LeaseLost(f"routers hold snapshots of epoch {epoch}: the next start begins above it")
            await asyncio.sleep(self._rhythm.retry)

    async def release(self) -> None:
        """Gives the Lease back, so that another operator need not wait; the epoch stays on it."""
        if self.term is None:
            return
        self.term = None
        spec = {**self._lease["spec"], "holderIdentity": ""}
        try:
            async with asyncio.timeout(self._rhythm.retry):
                await self._cluster.replace(LEASES, {**self._lease, "spec": spec})
        except (ApiError, Unavailable, TimeoutError) as error:
            logger.info("the Lease was not given back, it runs out by itself: %s", error)

    async def _compare(self) -> None:
        """Somebody wrote the Lease: still ours (an annotation was added, say), or lost?"""
        try:
            lease = await self._cluster.get(LEASES, self._namespace, LEASE)
        except (Unavailable, ApiError):
            return
        if lease is None:
            raise LeaseLost(_DELETED.format(self._namespace, LEASE))
        holder = (lease.get("spec") or {}).get("holderIdentity")
        try:
            term = Term(lease["metadata"]["uid"], epoch_of(lease))
        except ValueError as error:
            raise LeaseLost(str(error)) from None
        if holder != self._identity or term != self.term:
            raise LeaseLost(f"{holder or 'somebody'} took the Lease {self._namespace}/{LEASE} (epoch {term.epoch})")
        self._lease = lease

    def _hold(self, lease: Body, started: float) -> Term:
        self._lease = lease
        self._renewed_at = started
        self.term = Term(lease["metadata"]["uid"], epoch_of(lease))
        return self.term
