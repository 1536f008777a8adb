"""What is sent when something changes, in which order, and what stays a while: as transcripts of frames."""

from collections.abc import Callable

import pytest
from tieline_api.names import Key
from tieline_api.snapshot import (
    Config,
    ConfigFrame,
    Endpoint,
    EndpointsFrame,
    Hello,
    Pool,
    PoolEndpoints,
    Revision,
    Route,
    SecretsFrame,
    SecretValue,
    Verdict,
    decode_frame,
)
from tieline_operator.compile import Compiled
from tieline_operator.delivery.publications import LINGER_SECONDS, Publication, Published, Target

TARGET = Target("gateway", "default")


def revisions(epoch: int = 1) -> Callable[[], Revision]:
    counter = iter(range(1, 1000))
    return lambda: Revision("lease-uid", epoch, next(counter))


def compiled(*pools: str, routes: tuple[Route, ...] = (), address: str = "10.0.0.1:8000") -> Compiled:
    return Compiled(
        config=Config(
            pools=tuple(Pool(key=pool, slug=pool, display_name=pool, type="SelfHosted") for pool in pools),
            routes=routes,
        ),
        endpoints={pool: PoolEndpoints(endpoints=(Endpoint(address=address),)) for pool in pools},
        secrets={f"{pool}/key": SecretValue(version="1", value="sk-test") for pool in pools},
        overlay={pool: Verdict(health="Healthy") for pool in pools},
    )


def route(name: str, generation: int = 1) -> Route:
    return Route(key=f"ai/{name}", namespace="ai", generation=generation, models=(name,))


def kinds(frames: list[Published]) -> list[str]:
    return [frame.kind for frame in frames]


def test_everything_is_published_once_however_empty_and_in_the_order_of_need() -> None:
    publication, next_revision = Publication(TARGET), revisions()
    frames = publication.update(compiled(), next_revision, 0.0)
    assert kinds(frames) == ["secrets", "endpoints", "config", "overlay"]
    assert [frame.revision.counter for frame in frames if frame.revision] == [1, 2, 3, 4]
    assert publication.update(compiled(), next_revision, 1.0) == []


def test_only_what_changed_is_published() -> None:
    publication, next_revision = Publication(TARGET), revisions()
    publication.update(compiled("ai/a"), next_revision, 0.0)
    assert kinds(publication.update(compiled("ai/a", address="10.0.0.2:8000"), next_revision, 1.0)) == ["endpoints"]
    changed = compiled("ai/a", routes=(route("coder"),), address="10.0.0.2:8000")
    assert kinds(publication.update(changed, next_revision, 2.0)) == ["config"]


def test_frames_say_what_was_compiled() -> None:
    publication = Publication(TARGET)
    frames = publication.update(compiled("ai/a"), revisions(), 0.0)
    secrets, endpoints, config, _ = [decode_frame(frame.data) for frame in frames]
    assert isinstance(secrets, SecretsFrame)
    assert secrets.values["ai/a/key"].value == "sk-test"
    assert isinstance(endpoints, EndpointsFrame)
    assert endpoints.pools["ai/a"].endpoints[0].address == "10.0.0.1:8000"
    assert isinstance(config, ConfigFrame)
    assert (config.scope, config.router_class, config.content_hash) == ("gateway", "default", frames[2].content_hash)
    assert b"sk-test" not in frames[1].data + frames[2].data + frames[3].data
    assert "sk-test" not in repr(frames)


def test_a_removed_pools_addresses_and_secrets_outlive_it_in_the_config() -> None:
    publication, next_revision = Publication(TARGET), revisions()
    publication.update(compiled("ai/a", "ai/b"), next_revision, 0.0)
    assert kinds(publication.update(compiled("ai/a"), next_revision, 5.0)) == ["config", "overlay"]
    assert set(publication.endpoints) == {"ai/a", "ai/b"}
    assert publication.lingers_until() == 5.0 + LINGER_SECONDS
    assert publication.update(compiled("ai/a"), next_revision, 14.9) == []
    assert kinds(publication.update(compiled("ai/a"), next_revision, 15.0)) == ["secrets", "endpoints"]
    assert set(publication.endpoints) == {"ai/a"}
    assert publication.lingers_until() is None


def test_a_pool_that_comes_back_stays() -> None:
    publication, next_revision = Publication(TARGET), revisions()
    publication.update(compiled("ai/a"), next_revision, 0.0)
    publication.update(compiled(), next_revision, 1.0)
    publication.update(compiled("ai/a"), next_revision, 2.0)
    assert publication.lingers_until() is None
    assert publication.update(compiled("ai/a"), next_revision, 60.0) == []


def test_a_routes_counter_moves_only_with_its_own_content() -> None:
    publication, next_revision = Publication(TARGET), revisions()
    publication.update(compiled(routes=(route("a"), route("b"))), next_revision, 0.0)
    first = dict(publication.introduced)
    assert set(first.values()) == {3}
    publication.update(compiled("ai/p", routes=(route("a"), route("b", generation=2))), next_revision, 1.0)
    assert publication.introduced[Key("ai/a")] == 3
    assert publication.introduced[Key("ai/b")] > 3
    publication.update(compiled("ai/p", routes=(route("a"),)), next_revision, 2.0)
    assert set(publication.introduced) == {"ai/a"}


def hello_of(frames: list[Published], **changes: Revision) -> Hello:
    holds: dict[str, Revision] = {frame.kind: frame.revision for frame in frames if frame.revision is not None}
    return Hello(holds=holds | changes, config_hash=next(frame.content_hash for frame in frames if frame.content_hash))


def test_a_router_is_offered_what_it_lacks() -> None:
    publication = Publication(TARGET)
    frames = publication.update(compiled("ai/a"), revisions(), 0.0)
    assert kinds(publication.offers(Hello())) == ["secrets", "endpoints", "config", "overlay"]
    assert publication.offers(hello_of(frames)) == []
    older = Revision("lease-uid", 0, 99)
    assert kinds(publication.offers(hello_of(frames, endpoints=older))) == ["endpoints"]
    assert kinds(publication.offers(hello_of(frames, config=older))) == []  # equal content


@pytest.mark.parametrize("held", ["", "another"])
def test_a_router_with_other_content_gets_the_config_whatever_revision_it_claims(held: str) -> None:
    publication = Publication(TARGET)
    frames = publication.update(compiled("ai/a"), revisions(), 0.0)
    hello = Hello(holds=hello_of(frames).holds, config_hash=held)
    assert kinds(publication.offers(hello)) == ["config"]
