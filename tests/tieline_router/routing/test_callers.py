from tieline_api.snapshot import Config, ConsumerKey
from tieline_router.errors import ErrorClass
from tieline_router.routing.callers import Caller, authenticate
from tieline_router.routing.table import compile_table

from tests.support.routing import NOW, consumer

KEYS = (ConsumerKey(name="ci", sha256="aa"), ConsumerKey(name="old", sha256="bb", expires_at=NOW))
TEAM = consumer(keys=KEYS)
TABLE = compile_table(Config(consumers=(TEAM,)))


def test_a_key_names_its_consumer_and_namespace() -> None:
    caller = authenticate(TABLE, "aa", NOW, required=True)
    assert caller == Caller("ai", TEAM, "ci")
    assert isinstance(caller, Caller)
    assert caller.consumer_key == "ai/team"


def test_a_key_ends_at_its_time() -> None:
    assert isinstance(authenticate(TABLE, "bb", NOW - 0.1, required=True), Caller)
    assert authenticate(TABLE, "bb", NOW, required=True) is ErrorClass.EXPIRED_KEY


def test_no_key() -> None:
    assert authenticate(TABLE, None, NOW, required=True) is ErrorClass.MISSING_KEY
    assert authenticate(TABLE, None, NOW, required=False, anonymous_namespace="x") == Caller("x")
    assert Caller("x").consumer_key == ""


def test_a_wrong_key_is_refused_also_where_keys_are_optional() -> None:
    assert authenticate(TABLE, "cc", NOW, required=False) is ErrorClass.INVALID_KEY
    assert authenticate(TABLE, "bb", NOW, required=False) is ErrorClass.EXPIRED_KEY
