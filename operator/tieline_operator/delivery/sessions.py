"""Which routers are connected, what is on its way to them, and what they have acknowledged. No sockets, one thread.

`server` moves bytes between a socket and a `Session`; `Hub` knows them all. A session's outbox holds at most one frame
per kind, the newest, so a slow router costs no memory and never holds up another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from tieline_api.names import GATEWAY_SCOPE, Key
from tieline_api.snapshot import Ack, FrameKind, Hello, Revision

from tieline_operator.delivery.publications import ORDER, Publication, Published, Target

MAX_REASON: Final = 500
"""Characters of a router's refusal that are kept."""
NAMESPACE_SHARE: Final = 4
"""One namespace may have this part of the streams that all namespaces have together."""
MAX_EPOCH: Final = 2**53
"""A higher epoch cannot be one that an operator wrote."""
MAX_REMEMBERED: Final = 4096
"""Routers per target whose last acknowledgement is remembered, connected or not."""


class Session:
    """One connected router: the frames that wait for it."""

    def __init__(self, target: Target, pod: str, version: str = "") -> None:
        self.target = target
        self.pod = pod
        self.version = version
        self.ended: str | None = None
        """Why the session must end; None while it lives."""
        self.wake = asyncio.Event()
        self.greeting: Hello | None = None
        """What the router said it holds, until the first frames are offered to it."""
        self._outbox: dict[FrameKind, Published] = {}

    def offer(self, frame: Published) -> None:
        """Puts a frame into the outbox, in place of an older one of its kind."""
        self._outbox[frame.kind] = frame
        self.wake.set()

    def next(self) -> Published | None:
        """The frame to send now; None when there is none."""
        for kind in ORDER:
            frame = self._outbox.pop(kind, None)
            if frame is not None:
                return frame
        return None

    def end(self, reason: str) -> None:
        """Asks the server to close the connection."""
        self.ended = self.ended or reason
        self.wake.set()


@dataclass
class RouterState:
    """What is known of one router of one target in this term."""

    acked: int = 0
    """Counter of the newest config frame of this term that is in force there."""
    rejected: dict[FrameKind, str] = field(default_factory=dict)
    """Why a frame was refused, by its kind, until one of that kind is accepted."""


class Hub:
    """All sessions, publications and acknowledgements.

    Args:
        wanted: called when a router came for whose target nothing has been compiled yet.
        acked: called with the routes for which it became known that one more router has them in force, or that a
            router refuses a frame or no longer does.
        moved: called with the routes of a target whose connected routers are others now.
    """

    def __init__(
        self,
        wanted: Callable[[], None],
        acked: Callable[[Iterable[Key]], None],
        moved: Callable[[Iterable[Key]], None] = lambda _: None,
    ) -> None:
        self.publications: dict[Target, Publication] = {}
        self.term: tuple[str, int] = ("", 0)
        """Installation and epoch in which frames are published; acknowledgements of others do not count."""
        self._wanted = wanted
        self._acked = acked
        self._moved = moved
        self._sessions: dict[tuple[str, str], Session] = {}
        """By scope and pod, which the token proves; a router class is only claimed."""
        self._states: dict[Target, dict[str, RouterState]] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    # -- routers come and go -------------------------------------------------------------------------------------------

    def join(self, target: Target, pod: str, hello: Hello) -> Session:
        """A router has introduced itself. An older connection of the same pod is ended, whatever class it claimed."""
        session = Session(target, pod, hello.version)
        older = self._sessions.get((target.scope, pod))
        self._sessions[target.scope, pod] = session
        if older is not None:
            older.end("the same router has connected anew")
        if older is None or older.target != target:
            self._moved(self._introduced(target, 0, None))
        publication = self.publications.get(target)
        session.greeting = hello
        if publication is None or not publication.frames:
            self._wanted()
        else:
            self._greet(session, publication)
        return session

    def leave(self, session: Session) -> None:
        """The connection is gone. What the router acknowledged stays known: it keeps serving it."""
        if self._sessions.get((session.target.scope, session.pod)) is session:
            del self._sessions[session.target.scope, session.pod]
            self._moved(self._introduced(session.target, 0, None))

    def connected(self) -> dict[Target, int]:
        counts: dict[Target, int] = {}
        for session in self._sessions.values():
            counts[session.target] = counts.get(session.target, 0) + 1
        return counts

    def crowded(self, scope: str, pod: str, most: int) -> str | None:
        """Why one more router of this scope is not taken; None: there is room. One that comes anew always has room.

        Gateway routers and all others are counted apart, at most `most` each, so that no namespace crowds the gateway
        out; and one namespace has at most a quarter of what is for all of them.
        """
        if (scope, pod) in self._sessions:
            return None
        gateway = scope == GATEWAY_SCOPE
        if sum((owner == GATEWAY_SCOPE) == gateway for owner, _ in self._sessions) >= most:
            return f"{most} routers are connected (--max-routers)"
        share = max(1, most // NAMESPACE_SHARE)
        if not gateway and sum(owner == scope for owner, _ in self._sessions) >= share:
            return f"{share} routers of {scope} are connected, its share of --max-routers"
        return None

    def sessions(self) -> list[Session]:
        return list(self._sessions.values())

    # -- frames go out, acknowledgements come in -----------------------------------------------------------------------

    def broadcast(self, publication: Publication, frames: Iterable[Published]) -> None:
        """Offers new frames to every router of the publication's target."""
        frames = list(frames)
        for session in list(self._sessions.values()):
            if session.target != publication.target:
                continue
            if session.greeting is not None:
                self._greet(session, publication)
                continue
            for frame in frames:
                session.offer(frame)

    def beat(self, target: Target, heartbeat: Published) -> None:
        """Offers a heartbeat to every router of a target."""
        for session in self._sessions.values():
            if session.target == target:
                session.offer(heartbeat)

    def take_ack(self, session: Session, ack: Ack) -> None:
        """A router says what became of a frame."""
        if (ack.revision.installation, ack.revision.epoch) != self.term:
            return
        kind = _kind(ack.kind)
        if kind is None:
            return
        if ack.error:
            self.refuse(session.target, session.pod, kind, ack.error)
            return
        self._accepted(session.target, session.pod, kind)
        if kind == "config":
            self._advance(session.target, session.pod, ack.revision.counter)

    def refuse(self, target: Target, pod: str, kind: FrameKind, why: str) -> None:
        """A router does not take frames of this kind, or could not: its routes say so until it accepts one. Routers of
        a target that nothing is published for have no routes that could tell."""
        if target not in self.publications:
            return
        # Without the revision, which the log has: a status must not change with every frame that is refused alike.
        state, reason = self._state(target, pod), f"{kind}: {why[:MAX_REASON]}"
        if state.rejected.get(kind) != reason:
            state.rejected[kind] = reason
            self._acked(self._introduced(target, 0, None))

    def pods(self, target: Target) -> tuple[str, ...]:
        """Connected routers, by name."""
        return tuple(sorted(session.pod for session in self._sessions.values() if session.target == target))

    def acked(self, target: Target, counter: int) -> frozenset[str]:
        """Routers that have the config frame `counter` or a newer one in force, connected or not."""
        states = self._states.get(target, {})
        return frozenset(pod for pod, state in states.items() if state.acked >= counter)

    def rejected(self, target: Target) -> dict[str, str]:
        """Routers that refused a frame and have not accepted one of its kind since: which, and why."""
        states = self._states.get(target, {})
        return {
            pod: "; ".join(state.rejected[kind] for kind in ORDER if kind in state.rejected)
            for pod, state in states.items()
            if state.rejected
        }

    def known(self, target: Target, pod: str) -> bool:
        """Whether the router has answered in this term to any config frame, or holds the newest one anyway."""
        state = self._states.get(target, {}).get(pod)
        return state is not None and (state.acked > 0 or "config" in state.rejected)

    def retain(self, targets: Collection[Target]) -> None:
        """Drops what is known of all other targets."""
        for target in self.publications.keys() - set(targets):
            del self.publications[target]
        for target in self._states.keys() - set(targets):
            del self._states[target]

    def _greet(self, session: Session, publication: Publication) -> None:
        """Offers a router what it lacks. One that holds equal content already counts as acknowledging it."""
        if session.greeting is None:
            return
        offers = publication.offers(session.greeting)
        session.greeting = None
        for frame in offers:
            session.offer(frame)
        config = publication.frames["config"]
        if config not in offers and config.revision is not None:
            self._accepted(session.target, session.pod, "config")
            self._advance(session.target, session.pod, config.revision.counter)

    def _accepted(self, target: Target, pod: str, kind: FrameKind) -> None:
        if self._state(target, pod).rejected.pop(kind, None) is not None:
            self._acked(self._introduced(target, 0, None))

    def _advance(self, target: Target, pod: str, counter: int) -> None:
        state = self._state(target, pod)
        if counter > state.acked:
            before, state.acked = state.acked, counter
            self._acked(self._introduced(target, before, counter))

    def _introduced(self, target: Target, low: int, high: int | None) -> list[Key]:
        """Routes whose present content came with a config frame of low < counter <= high (None: the newest)."""
        publication = self.publications.get(target)
        introduced = publication.introduced if publication is not None else {}
        return [key for key, counter in introduced.items() if counter > low and (high is None or counter <= high)]

    def _state(self, target: Target, pod: str) -> RouterState:
        states = self._states.setdefault(target, {})
        state = states.get(pod)
        if state is None:
            while len(states) >= MAX_REMEMBERED:
                del states[next(iter(states))]
            state = states[pod] = RouterState()
        return state


def _kind(name: str) -> FrameKind | None:
    return next((kind for kind in ORDER if kind == name), None)


def rewound(hello: Hello, term: tuple[str, int]) -> Revision | None:
    """A revision that the router holds and that is newer than this operator's term; None when all is well.

    It happens when an older epoch stands in the Lease, as after etcd was restored from a backup: the router would
    refuse all frames of this term.
    """
    installation, epoch = term
    newer = [
        held for held in hello.holds.values() if held.installation == installation and epoch < held.epoch < MAX_EPOCH
    ]
    return max(newer, key=lambda held: held.epoch, default=None)
