from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tieline_router.runtime.upstream.idle import IN_ALL, LIFETIME_SECONDS, PER_ORIGIN, Idle


def test_the_last_one_is_used_first() -> None:
    idle: Idle[str] = Idle(4.0)
    for name, now in (("a", 1.0), ("b", 2.0), ("c", 3.0)):
        assert idle.put(name, "origin", 0.0, now) == []
    assert idle.put("other", "elsewhere", 0.0, 3.0) == []
    assert [idle.take("origin", 3.5) for _ in range(4)] == ["c", "b", "a", None]
    assert idle.take("nowhere", 3.5) is None


def test_what_was_idle_for_too_long_is_not_used_and_goes() -> None:
    idle: Idle[str] = Idle(4.0)
    idle.put("a", "origin", 0.0, 1.0)
    idle.put("b", "origin", 0.0, 2.0)
    due = [idle.due]
    assert idle.take("origin", 6.0) is None
    assert idle.expired(5.5) == ["a"]
    assert idle.take("origin", 5.9) == "b"
    due.append(idle.due)
    assert due == [5.0, None]
    assert idle.expired(100.0) == []


def test_a_connection_grows_old() -> None:
    idle: Idle[str] = Idle(4.0)
    assert idle.put("young", "origin", 0.0, LIFETIME_SECONDS - 1) == []
    assert idle.put("old", "origin", 0.0, LIFETIME_SECONDS) == ["old"]
    assert idle.take("origin", LIFETIME_SECONDS) == "young"


def test_none_is_kept_where_none_shall_be() -> None:
    assert Idle[str](0.0).put("a", "origin", 0.0, 1.0) == ["a"]


def test_bounds_hold_by_origin_and_in_all() -> None:
    idle: Idle[int] = Idle(4.0)
    gone = [one for number in range(PER_ORIGIN + 3) for one in idle.put(number, "origin", 0.0, 1.0)]
    assert gone == [0, 1, 2]
    for number in range(IN_ALL):
        gone += idle.put(-1 - number, number // 100, 0.0, 2.0)
    assert len(gone) == 3 + PER_ORIGIN
    assert gone[3:] == list(range(3, PER_ORIGIN + 3)), "the oldest, whosever it is"
    assert idle.take("origin", 2.0) is None


def test_origins_that_are_gone_are_forgotten() -> None:
    idle: Idle[int] = Idle(4.0)
    for number in range(5 * IN_ALL):
        idle.put(number, number, 0.0, 1.0)
        idle.take(number, 1.0)
    assert len(idle._by_origin) <= 2 * IN_ALL


class Connections(RuleBasedStateMachine):
    """Whatever happens, a connection is kept once, given out once, and both tables agree."""

    def __init__(self) -> None:
        super().__init__()
        self.idle: Idle[int] = Idle(4.0)
        self.now = 0.0
        self.kept: dict[int, int] = {}
        self.number = 0

    @rule(origin=st.integers(0, 2))
    def put(self, origin: int) -> None:
        self.number += 1
        assert self.idle.put(self.number, origin, self.now, self.now) == []
        self.kept[self.number] = origin

    @rule(origin=st.integers(0, 2))
    def take(self, origin: int) -> None:
        one = self.idle.take(origin, self.now)
        if one is not None:
            assert self.kept.pop(one) == origin

    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        one = data.draw(st.integers(0, self.number))
        self.idle.drop(one)
        self.kept.pop(one, None)

    @rule(seconds=st.floats(0, 3))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for one in self.idle.expired(self.now):
            del self.kept[one]

    @invariant()
    def agree(self) -> None:
        assert set(self.idle._all) == set(self.kept)
        assert sorted(one for kept in self.idle._by_origin.values() for one in kept) == sorted(self.kept)


TestConnections = Connections.TestCase
TestConnections.settings = settings(max_examples=50, stateful_step_count=30)
