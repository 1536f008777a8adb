import pytest
from tieline_api.names import PROVIDER_POOL, Key
from tieline_api.snapshot import Notice
from tieline_operator.notices import NoticeBoard
from tieline_operator.resources import Body
from tieline_operator.transitions import PlannedEvent

from tests.tieline_operator import manifests

CREDENTIAL = {"name": "main", "type": "APIKey", "apiKey": {"secretRef": {"name": "provider", "key": "apiKey"}}}
NOTICE = Notice(pool="ai/api", credential="main", status=401)


class Place:
    def __init__(self) -> None:
        self.leading = True
        self.now = 0.0
        self.posted: list[tuple[str, PlannedEvent]] = []
        self.pool = manifests.external("api", connection={"credentials": [CREDENTIAL]})
        self.board = NoticeBoard(self, self.post, lambda: self.leading, lambda: self.now)

    def get(self, kind: str, key: Key) -> Body | None:
        return self.pool if (kind, key) == (PROVIDER_POOL, "ai/api") else None

    def post(self, pool: Body, event: PlannedEvent) -> None:
        self.posted.append((pool["metadata"]["name"], event))


def test_a_refused_credential_becomes_a_warning_that_names_secret_and_remedy() -> None:
    place = Place()
    place.board.take("gateway", NOTICE)
    [(name, event)] = place.posted
    assert (name, event.type, event.reason) == ("api", "Warning", "CredentialRefused")
    assert event.note.startswith(
        "the provider answered 401 to credential main (Secret provider): it does not know it: renew the key"
    )


def test_a_fleet_that_notices_the_same_tells_it_once() -> None:
    place = Place()
    for _ in range(5):
        place.board.take("gateway", NOTICE)
    assert len(place.posted) == 1
    place.now = 60.0
    place.board.take("gateway", NOTICE)
    assert len(place.posted) == 2


@pytest.mark.parametrize(
    ("scope", "notice"),
    [
        ("namespace/shop", NOTICE),
        ("gateway", Notice(pool="ai/other", credential="main", status=401)),
        ("gateway", Notice(pool="ai/api", credential="invented", status=401)),
        ("gateway", Notice(pool="ai/api", credential="main", status=200)),
        ("gateway", Notice(pool="no key", credential="main", status=401)),
    ],
)
def test_what_a_router_may_not_speak_of_is_passed_over(scope: str, notice: Notice) -> None:
    place = Place()
    place.board.take(scope, notice)
    assert place.posted == []


def test_a_router_of_the_namespace_may_speak_of_its_pools() -> None:
    place = Place()
    place.board.take("namespace/ai", NOTICE)
    assert len(place.posted) == 1


def test_a_replica_that_does_not_lead_posts_nothing() -> None:
    place = Place()
    place.leading = False
    place.board.take("gateway", NOTICE)
    assert place.posted == []
