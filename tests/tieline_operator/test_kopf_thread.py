"""What is told of a thread that never ran; tests/integration/test_operator_kopf.py has its life."""

from tieline_operator.credentials import Connection, NoCredentials
from tieline_operator.kopf_thread import KopfThread
from tieline_operator.resources import NAMESPACES, WATCHED


async def _no_way_in() -> Connection:
    raise NoCredentials("no credentials for the API server")


def thread(namespaces: tuple[str, ...] | None = None) -> KopfThread:
    return KopfThread(WATCHED, namespaces, _no_way_in, lambda *_: None)


async def test_one_that_never_started_is_not_alive_and_stops_at_once() -> None:
    tested = thread()
    assert not await tested.alive()
    await tested.stop()


def test_namespaces_are_watched_only_when_all_are_served() -> None:
    assert NAMESPACES in thread()._resources
    assert NAMESPACES not in thread(("ai",))._resources
