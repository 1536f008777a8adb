from tieline_router.errors import ErrorClass
from tieline_router.routing.credentials import Credentials, MissingSecret, Paused, TriedAll
from tieline_router.routing.offers import CompiledPool

from tests.support.routing import NOW, credential, external

A, B = credential("a"), credential("b")
POOL = CompiledPool(external("p", credentials=(A, B)))
HOST = POOL.host


def holding(**versions: str) -> Credentials:
    credentials = Credentials()
    credentials.hold({f"secret-{name}": version for name, version in versions.items()})
    return credentials


def test_they_take_turns() -> None:
    credentials = holding(a="1", b="1")
    names = []
    for _ in range(4):
        chosen = credentials.choose(POOL, HOST, NOW)
        assert chosen in (A, B)
        names.append(chosen)
        credentials.used(POOL.key)
    assert names == [A, B, A, B]


def test_choosing_changes_nothing() -> None:
    credentials = holding(a="1", b="1")
    assert {credentials.choose(POOL, HOST, NOW) for _ in range(3)} == {A}


def test_a_pool_without_credentials_needs_none() -> None:
    assert Credentials().choose(CompiledPool(external("q")), "q", NOW) is None


def test_a_value_that_is_not_held_is_passed_over() -> None:
    assert holding(b="1").choose(POOL, HOST, NOW) == B
    assert holding().choose(POOL, HOST, NOW) == MissingSecret("secret-a")


def test_pauses_are_each_credentials_own() -> None:
    credentials = holding(a="1", b="1")
    credentials.pause(POOL, A, ErrorClass.STATUS_429, NOW, 30)
    assert credentials.choose(POOL, HOST, NOW) == B
    credentials.pause(POOL, B, ErrorClass.STATUS_401_402_403, NOW, None)
    assert credentials.choose(POOL, HOST, NOW) == Paused(NOW + 30, ErrorClass.STATUS_429)
    assert credentials.choose(POOL, HOST, NOW + 30) == A


def test_what_was_tried_is_passed_over() -> None:
    credentials = holding(a="1", b="1")
    assert credentials.choose(POOL, HOST, NOW, frozenset("a")) == B
    assert credentials.choose(POOL, HOST, NOW, frozenset("ab")) == TriedAll()


def test_a_new_version_ends_a_pause() -> None:
    credentials = holding(a="1", b="1")
    for name in (A, B):
        credentials.pause(POOL, name, ErrorClass.STATUS_401_402_403, NOW, None)
    credentials.hold({"secret-a": "2", "secret-b": "1"})
    assert credentials.choose(POOL, HOST, NOW) == A
    credentials.used(POOL.key)
    assert credentials.choose(POOL, HOST, NOW) == A


def test_pauses_of_a_credential_grow_until_it_is_accepted() -> None:
    credentials = holding(a="1")
    lengths = []
    now = NOW
    for accepted in (False, False, True, False):
        credentials.pause(POOL, A, ErrorClass.STATUS_429, now, None)
        paused = credentials.choose(POOL, HOST, now)
        assert isinstance(paused, Paused)
        lengths.append(paused.until - now)
        now = paused.until
        if accepted:
            credentials.answered(POOL, A, now)
    assert lengths == [5, 10, 20, 5]


def test_a_bound_credential_never_goes_elsewhere() -> None:
    pool = CompiledPool(external("p", credentials=(credential("a", hosts=("api.x.com",)),)))
    credentials = holding(a="1")
    assert credentials.choose(pool, "evil.example", NOW) == MissingSecret("secret-a")
    chosen = credentials.choose(pool, "api.x.com", NOW)
    assert chosen == pool.wire.credentials[0]


def test_pools_that_are_gone_are_forgotten() -> None:
    credentials = holding(a="1", b="1")
    credentials.used(POOL.key)
    credentials.pause(POOL, A, ErrorClass.STATUS_429, NOW, 30)
    credentials.keep({})
    assert credentials.choose(POOL, HOST, NOW) == A
