"""Who holds what: routers that come, acknowledge, refuse, fall behind and leave. No sockets."""

from collections.abc import Iterable

from tieline_api.names import Key
from tieline_api.snapshot import Ack, Config, Hello, Revision, Route
from tieline_operator.compile import Compiled
from tieline_operator.delivery.publications import Publication, Published, Target
from tieline_operator.delivery.sessions import MAX_REASON, MAX_REMEMBERED, Hub, Session, rewound

TARGET = Target("gateway", "default")
TERM = ("lease-uid", 2)
CODER = Key("ai/coder")


class Place:
    """A hub with one publication, and what it called back."""

    def __init__(self) -> None:
        self.wanted = 0
        self.acked: list[list[Key]] = []
        self.moved: list[list[Key]] = []
        self.hub = Hub(wanted=self._want, acked=self._ack, moved=lambda routes: self.moved.append(list(routes)))
        self.hub.term = TERM
        self.counter = 0

    def _want(self) -> None:
        self.wanted += 1

    def _ack(self, routes: Iterable[Key]) -> None:
        self.acked.append(list(routes))

    def _next(self) -> Revision:
        self.counter += 1
        return Revision(*TERM, self.counter)

    def publish(self, generation: int = 1, *, target: Target = TARGET) -> list[Published]:
        publication = self.hub.publications.setdefault(target, Publication(target))
        route = Route(key=CODER, namespace="ai", generation=generation, models=("coder",))
        frames = publication.update(Compiled(Config(routes=(route,)), {}, {}, {}), self._next, 0.0)
        self.hub.broadcast(publication, frames)
        return frames

    def introduced(self) -> int:
        return self.hub.publications[TARGET].introduced[CODER]


def take_all(session: Session) -> list[Published]:
    frames = []
    while (frame := session.next()) is not None:
        frames.append(frame)
    return frames


def ack(frame: Published, error: str = "") -> Ack:
    assert frame.revision is not None
    return Ack(kind=frame.kind, revision=frame.revision, error=error)


def answer_all(place: Place, session: Session, error: str = "") -> None:
    for frame in take_all(session):
        if frame.kind != "heartbeat":
            place.hub.take_ack(session, ack(frame, error))


def test_a_router_that_comes_first_is_served_as_soon_as_something_is_compiled() -> None:
    place = Place()
    session = place.hub.join(TARGET, "r-0", Hello())
    assert place.wanted == 1
    assert session.next() is None
    place.publish()
    assert [frame.kind for frame in take_all(session)] == ["secrets", "endpoints", "config", "overlay"]


def test_an_acknowledged_config_counts_for_the_routes_that_came_with_it() -> None:
    place = Place()
    place.publish()
    session = place.hub.join(TARGET, "r-0", Hello())
    assert place.hub.acked(TARGET, place.introduced()) == frozenset()
    assert not place.hub.known(TARGET, "r-0")
    answer_all(place, session)
    assert place.hub.acked(TARGET, place.introduced()) == {"r-0"}
    assert place.hub.known(TARGET, "r-0")
    assert place.acked == [[CODER]]
    place.publish(generation=2)
    assert place.hub.acked(TARGET, place.introduced()) == frozenset()
    answer_all(place, session)
    assert place.hub.acked(TARGET, place.introduced()) == {"r-0"}


def test_a_router_that_holds_equal_content_counts_at_once_and_is_not_sent_the_config() -> None:
    place = Place()
    frames = place.publish()
    [config] = [frame for frame in frames if frame.kind == "config"]
    older = {"config": Revision(TERM[0], 1, 77)}
    session = place.hub.join(TARGET, "r-0", Hello(holds=older, config_hash=config.content_hash))
    assert "config" not in [frame.kind for frame in take_all(session)]
    assert place.hub.acked(TARGET, place.introduced()) == {"r-0"}


def test_the_same_holds_for_one_that_came_before_anything_was_compiled() -> None:
    place = Place()
    [config] = [frame for frame in Place().publish() if frame.kind == "config"]
    session = place.hub.join(TARGET, "r-0", Hello(config_hash=config.content_hash))
    place.publish()
    assert [frame.kind for frame in take_all(session)] == ["secrets", "endpoints", "overlay"]
    assert place.hub.known(TARGET, "r-0")


def test_a_refused_frame_is_told_with_its_reason_until_one_of_its_kind_is_accepted() -> None:
    place = Place()
    place.publish()
    session = place.hub.join(TARGET, "r-0", Hello())
    secrets, endpoints, config, overlay = take_all(session)
    place.hub.take_ack(session, ack(endpoints, "cannot read it"))
    for frame in (secrets, config, overlay):
        place.hub.take_ack(session, ack(frame))
    assert place.hub.acked(TARGET, place.introduced()) == {"r-0"}
    assert place.hub.rejected(TARGET) == {"r-0": "endpoints: cannot read it"}
    place.hub.take_ack(session, ack(endpoints))
    assert place.hub.rejected(TARGET) == {}
    assert place.acked == [[CODER], [CODER], [CODER]]


def test_a_refused_config_keeps_the_one_before_in_force() -> None:
    place = Place()
    place.publish()
    session = place.hub.join(TARGET, "r-0", Hello())
    answer_all(place, session)
    first = place.introduced()
    place.publish(generation=2)
    answer_all(place, session, error="x" * 10_000)
    assert place.hub.acked(TARGET, first) == {"r-0"}
    assert place.hub.acked(TARGET, place.introduced()) == frozenset()
    assert len(place.hub.rejected(TARGET)["r-0"]) < MAX_REASON + 50


def test_a_router_that_cannot_read_what_is_published_is_told_until_it_comes_with_it() -> None:
    place = Place()
    place.hub.refuse(TARGET, "r-0", "config", "nothing is published for it yet")
    assert place.hub.rejected(TARGET) == {}
    [config] = [frame for frame in place.publish() if frame.kind == "config"]
    place.hub.refuse(TARGET, "r-0", "config", "it reads schema 99")
    place.hub.refuse(TARGET, "r-0", "config", "it reads schema 99")
    assert place.hub.rejected(TARGET) == {"r-0": "config: it reads schema 99"}
    assert place.acked == [[CODER]]
    place.hub.join(TARGET, "r-0", Hello(config_hash=config.content_hash))
    assert place.hub.rejected(TARGET) == {}
    assert place.hub.acked(TARGET, place.introduced()) == {"r-0"}


def test_acknowledgements_of_other_terms_and_unknown_kinds_do_not_count() -> None:
    place = Place()
    place.publish()
    session = place.hub.join(TARGET, "r-0", Hello())
    for revision in (Revision("lease-uid", 1, 99), Revision("other", 2, 99)):
        place.hub.take_ack(session, Ack(kind="config", revision=revision))
    place.hub.take_ack(session, Ack(kind="everything", revision=Revision(*TERM, 99)))
    assert place.hub.acked(TARGET, 1) == frozenset()
    assert place.acked == []


def test_a_slow_router_gets_the_newest_frame_of_each_kind_only() -> None:
    place = Place()
    place.publish()
    session = place.hub.join(TARGET, "r-0", Hello())
    for generation in range(2, 50):
        place.publish(generation)
    for _ in range(20):
        place.hub.beat(TARGET, Published("heartbeat", b"{}"))
    frames = take_all(session)
    assert [frame.kind for frame in frames] == ["secrets", "endpoints", "config", "overlay", "heartbeat"]
    assert frames[2].revision == place.hub.publications[TARGET].frames["config"].revision


def test_a_router_that_connects_anew_replaces_its_dead_connection() -> None:
    place = Place()
    old = place.hub.join(TARGET, "r-0", Hello())
    new = place.hub.join(TARGET, "r-0", Hello())
    assert old.ended is not None
    assert new.ended is None
    place.hub.leave(old)
    assert place.hub.sessions() == [new]
    assert place.hub.connected() == {TARGET: 1}


def test_what_a_router_acknowledged_stays_known_when_it_leaves() -> None:
    place = Place()
    place.publish()
    session = place.hub.join(TARGET, "r-0", Hello())
    answer_all(place, session)
    place.hub.leave(session)
    assert place.hub.pods(TARGET) == ()
    assert place.hub.acked(TARGET, place.introduced()) == {"r-0"}


def test_targets_do_not_see_one_another() -> None:
    place, other = Place(), Target("namespace/ai", "default")
    place.publish()
    session = place.hub.join(other, "r-0", Hello())
    assert place.wanted == 1
    place.publish(generation=2)
    assert session.next() is None
    place.publish(target=other)
    answer_all(place, session)
    assert place.hub.acked(TARGET, 1) == frozenset()
    place.hub.retain([TARGET])
    assert set(place.hub.publications) == {TARGET}
    assert place.hub.acked(other, 1) == frozenset()


def test_the_memory_of_routers_is_bounded() -> None:
    place = Place()
    place.publish()
    for number in range(MAX_REMEMBERED + 5):
        session = place.hub.join(TARGET, f"r-{number}", Hello())
        answer_all(place, session)
        place.hub.leave(session)
    assert len(place.hub.acked(TARGET, 1)) == MAX_REMEMBERED


def test_a_lease_that_was_set_back_is_noticed() -> None:
    newer = Revision("lease-uid", 9, 1)
    assert rewound(Hello(holds={"config": newer}), TERM) == newer
    assert rewound(Hello(holds={"config": Revision("lease-uid", 2, 500)}), TERM) is None
    assert rewound(Hello(holds={"config": Revision("older-lease", 9, 1)}), TERM) is None


def test_the_same_refusal_of_a_newer_frame_changes_nothing() -> None:
    place = Place()
    place.publish()
    session = place.hub.join(TARGET, "r-0", Hello())
    answer_all(place, session, "cannot read it")
    known, told = place.hub.rejected(TARGET), len(place.acked)
    for generation in range(2, 10):
        place.publish(generation)
        answer_all(place, session, "cannot read it")
    assert place.hub.rejected(TARGET) == known
    assert len(place.acked) == told


def test_a_pod_has_one_session_whatever_classes_it_claims() -> None:
    place = Place()
    sessions = [place.hub.join(Target("namespace/ai", f"class-{number}"), "p-0", Hello()) for number in range(100)]
    assert place.hub.sessions() == sessions[-1:]
    assert all(session.ended is not None for session in sessions[:-1])
    assert place.hub.connected() == {Target("namespace/ai", "class-99"): 1}
    place.hub.leave(sessions[0])
    assert len(place.hub) == 1


def test_no_namespace_crowds_another_out_and_none_the_gateway() -> None:
    place = Place()
    for namespace in ("a", "b", "c", "d", "e"):
        for number in range(10):
            if place.hub.crowded(f"namespace/{namespace}", f"p-{number}", 8) is None:
                place.hub.join(Target(f"namespace/{namespace}", "default"), f"p-{number}", Hello())
    counts = {target.scope: count for target, count in place.hub.connected().items()}
    assert counts == {f"namespace/{name}": 2 for name in "abcd"}
    assert place.hub.crowded("namespace/a", "p-0", 8) is None
    for number in range(8):
        assert place.hub.crowded("gateway", f"r-{number}", 8) is None
        place.hub.join(TARGET, f"r-{number}", Hello())
    assert "--max-routers" in str(place.hub.crowded("gateway", "r-8", 8))


def test_coming_and_leaving_is_told_and_a_mere_replacement_is_not() -> None:
    place = Place()
    place.publish()
    place.hub.join(TARGET, "r-0", Hello())
    newer = place.hub.join(TARGET, "r-0", Hello())
    told = [list(place.moved)]
    place.hub.leave(newer)
    told.append(list(place.moved))
    assert told == [[[CODER]], [[CODER], [CODER]]]


def test_an_epoch_that_no_operator_wrote_is_not_believed() -> None:
    assert rewound(Hello(holds={"config": Revision("lease-uid", 2**60, 1)}), TERM) is None
