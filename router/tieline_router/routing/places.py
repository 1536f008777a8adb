"""Where the next attempt may go: the walk over the shortlist's candidates and endpoints. Pure; used by `attempts`.

The walk keeps to the shortlist's order. One endpoint's failure is answered at another endpoint of the same pool, once;
then other pools come first, so that a pool that is down as a whole does not eat all attempts. A pool at its concurrency
limit is passed over while another has room; when none has, the request queues at the best. A place that was tried is
tried again only when no other is left, after a pause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final, NamedTuple

import msgspec
from tieline_api.snapshot import Credential

from tieline_router.errors import ERRORS, ErrorClass, Retry
from tieline_router.routing.admission import Gate
from tieline_router.routing.credentials import NONE_TRIED, Paused
from tieline_router.routing.decision import Candidate, Shortlist
from tieline_router.routing.endpoint import EndpointState
from tieline_router.routing.live import LiveTable
from tieline_router.routing.offers import Offer
from tieline_router.routing.pickers import Draw, emptier, pick_endpoint

TRIES_IN_A_ROW: Final = 2
"""Attempts at one pool before the next pool's turn comes."""
FIRST_PAUSE: Final = 0.25
"""Seconds before the same place is tried again; doubled each time."""
MAX_PAUSE: Final = 5.0
"""Longest wait inside a request; a provider that asks for more is left to the client's own patience."""
AGAIN: Final = frozenset({Retry.ENDPOINT, Retry.ONCE})
"""Failures after which the same place may be tried again when it is the only one; a rate limit is one too."""
BY_CREDENTIAL: Final = frozenset({ErrorClass.STATUS_401_402_403, ErrorClass.STATUS_429})
"""Failures of a credential where there is one: another credential of the same pool may do better."""
NOWHERE: Final[frozenset[EndpointState]] = frozenset()
NOBODY: Final[frozenset[int]] = frozenset()
NOTHING: Final[frozenset[ErrorClass]] = frozenset()


class Place(msgspec.Struct, frozen=True, gc=False):
    at: int
    """Index of the candidate in the shortlist."""
    candidate: Candidate
    endpoint: EndpointState
    credential: Credential | None
    not_before: float


class Full(NamedTuple):
    """Places would be there, but their pools are at their limits: their gates, best first."""

    gates: tuple[tuple[int, Gate], ...]


class Places:
    """The walk of one request over one shortlist. What it learns is kept in frozen sets: most requests learn nothing,
    and empty ones cost nothing."""

    __slots__ = (
        "_blocked", "_candidates", "_draw", "_failed", "_hung", "_in_a_row", "_last", "_live", "_once", "_refused",
        "_repeats",
    )  # fmt: skip

    def __init__(self, shortlist: Shortlist, live: LiveTable, draw: Draw) -> None:
        self._candidates = shortlist.candidates
        self._live = live
        self._draw = draw
        self._last: Place | None = None
        self._in_a_row = 0
        self._repeats = 0
        self._blocked = NOBODY
        """Candidates that a failure has ruled out."""
        self._failed = NOWHERE
        self._hung = NOWHERE
        """Endpoints that let a timeout pass: never tried again."""
        self._refused: dict[str, frozenset[str]] | None = None
        """By pool: credentials that the provider refused."""
        self._once = NOTHING

    # -- learning ----------------------------------------------------------------------------------------------------

    def taken(self, place: Place) -> None:
        """The attempt at `place` begins."""
        self._in_a_row = self._in_a_row + 1 if self._last and self._last.at == place.at else 1
        self._last = place

    def failed(self, error: ErrorClass, place: Place) -> None:
        """Rules out what the failure of an attempt rules out."""
        offer = place.candidate.offer
        retry = ERRORS[error].retry
        if error in BY_CREDENTIAL:
            if place.credential is None:
                self._failed |= {place.endpoint}
            else:
                refused = self._refused or {}
                self._refused = refused | {offer.pool.key: self._tried(offer) | {place.credential.name}}
        elif retry is Retry.LARGER_CONTEXT:
            length = offer.context_length
            self._block(lambda other: other.offer is offer or not _larger(other.offer.context_length, length))
        elif error is ErrorClass.STATUS_404_MODEL:
            self._block(lambda other: other.offer is offer)
        elif retry is Retry.OTHER_API:
            self._block(lambda other: other.operation is place.candidate.operation)
        elif retry is Retry.POOL:
            self._block(lambda other: other.offer.pool is offer.pool)
        else:
            self._failed |= {place.endpoint}
            if retry is Retry.ELSEWHERE:
                self._hung |= {place.endpoint}

    def _block(self, is_hopeless: Callable[[Candidate], bool]) -> None:
        self._blocked |= {index for index, known in enumerate(self._candidates) if is_hopeless(known)}

    def _tried(self, offer: Offer) -> frozenset[str]:
        return NONE_TRIED if self._refused is None else self._refused.get(offer.pool.key, NONE_TRIED)

    # -- choosing ----------------------------------------------------------------------------------------------------

    def next(self, now: float, error: ErrorClass | None, hint: float | None) -> Place | Full | None:
        """The place for the next attempt, or the gates before it, or None.

        Args:
            error: the failure that it follows, None for the first one.
            hint: seconds that the provider asked to wait; a floor for the place that it came from.
        """
        if error is None and self._last is None and (first := self._first(now)) is not None:
            return first
        retry = ERRORS[error].retry if error else Retry.ENDPOINT
        if error is not None and retry is Retry.ONCE:
            if error in self._once:
                return None
            self._once |= {error}
        for open_too in (False, True):
            found = self._fresh(now, open_too=open_too)
            if found is not None:
                return found
        if error is None:
            return None
        return self._repeat(now, hint) if retry in AGAIN or error is ErrorClass.STATUS_429 else None

    def admitted(self, at: int, now: float) -> Place | None:
        """A place at the candidate whose gate has opened, if there still is one."""
        return self._place(at, now, open_too=False) or self._place(at, now, open_too=True)

    def second(self, now: float, busy: EndpointState) -> Place | None:
        """A place for a hedge beside the attempt at `busy`: at another endpoint, with room, and nothing against it."""
        before = self._failed
        self._failed = before | {busy}
        found = self._fresh(now, open_too=False)
        self._failed = before
        return found if isinstance(found, Place) else None

    def _first(self, now: float) -> Place | None:
        """The first place of all where the first pool is calm and has room: what `_fresh` finds, without asking every
        endpoint."""
        candidate = self._candidates[0]
        pool = candidate.offer.pool
        ready = self._live.calm_endpoints(pool, now)
        gate = self._live.admission.gate(pool)
        if ready is None or (gate is not None and not gate.free):
            return None
        endpoint = ready[0] if len(ready) == 1 else emptier(ready, self._draw)
        return Place(0, candidate, endpoint, self._live.credentials.turn(pool), now)

    def _order(self) -> Iterator[int]:
        """Candidates from the present one on, all around; the present one last when it has had its turns."""
        count = len(self._candidates)
        start = 0 if self._last is None else self._last.at + (self._in_a_row >= TRIES_IN_A_ROW)
        return ((start + step) % count for step in range(count))

    def _fresh(self, now: float, *, open_too: bool) -> Place | Full | None:
        """A place that has not failed. `open_too`: also behind an open breaker, as the last survivor."""
        full: list[tuple[int, Gate]] = []
        for index in self._order():
            if index in self._blocked:
                continue
            place = self._place(index, now, open_too=open_too)
            if place is None:
                continue
            gate = self._live.admission.gate(place.candidate.offer.pool)
            if gate is None or gate.free:
                return place
            full.append((index, gate))
        return Full(tuple(full)) if full else None

    def _place(self, index: int, now: float, *, open_too: bool) -> Place | None:
        candidate = self._candidates[index]
        offer = candidate.offer
        model = offer.upstream_name
        usable = [
            endpoint
            for endpoint in self._live.endpoints(offer.pool, now)
            if endpoint not in self._failed
            and not endpoint.cooldown.active(now)
            and (open_too or self._live.permits(offer, endpoint, now))
        ]
        endpoint = pick_endpoint(usable, self._draw, partial(_warmth, model, now))
        if endpoint is None:
            return None
        tried = self._tried(offer) if open_too else self._tried(offer) | endpoint.shut(model, now)
        credential = self._live.credentials.choose(offer.pool, endpoint.host, now, tried)
        if credential is None or isinstance(credential, Credential):
            return Place(index, candidate, endpoint, credential, now)
        return None

    def _repeat(self, now: float, hint: float | None) -> Place | None:
        """The place of the past that can be had soonest, after a pause."""
        pause = FIRST_PAUSE * 2**self._repeats
        self._repeats += 1
        best: Place | None = None
        for index, candidate in enumerate(self._candidates):
            gate = self._live.admission.gate(candidate.offer.pool)
            if index in self._blocked or (gate is not None and not gate.free):
                continue
            for endpoint in self._live.endpoints(candidate.offer.pool, now):
                if not endpoint.ready or endpoint in self._hung:
                    continue
                floor = hint if hint is not None and self._last is not None and endpoint is self._last.endpoint else 0.0
                place = self._at(index, endpoint, max(now + max(pause, floor), endpoint.cooldown.until))
                if place is not None and (best is None or place.not_before < best.not_before):
                    best = place
        return best if best is not None and best.not_before - now <= MAX_PAUSE else None

    def _at(self, index: int, endpoint: EndpointState, when: float) -> Place | None:
        """The place as it will be at `when`, or as soon after it as a credential is free."""
        candidate = self._candidates[index]
        choice = self._live.credentials.choose(candidate.offer.pool, endpoint.host, when)
        if isinstance(choice, Paused):
            when = choice.until
            choice = self._live.credentials.choose(candidate.offer.pool, endpoint.host, when)
        if choice is None or isinstance(choice, Credential):
            return Place(index, candidate, endpoint, choice, when)
        return None


def _warmth(model: str, now: float, endpoint: EndpointState) -> float:
    return endpoint.warmth(model, now)


def _larger(length: int | None, failed: int | None) -> bool:
    """Whether a context may hold what did not fit in another; one that is not stated may."""
    return length is None or failed is None or length > failed
