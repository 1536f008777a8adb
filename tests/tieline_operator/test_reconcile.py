"""From objects to frames: what is published when, and what never is. With the whole deciding side, in virtual time."""

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tieline_api.snapshot import ConfigFrame, Hello, SecretsFrame, decode_frame
from tieline_operator import pools
from tieline_operator.delivery.publications import LINGER_SECONDS, Target
from tieline_operator.errors import Unavailable
from tieline_operator.reconcile import _tell_faults
from tieline_operator.resources import SECRETS

from tests.support.api_objects import refused
from tests.support.virtual_time import virtual
from tests.tieline_operator.manifests import external, judged, ref, route, secret, service
from tests.tieline_operator.rig import GATEWAY, Rig

CREDENTIAL = {"name": "main", "type": "APIKey", "apiKey": {"secretRef": {"name": "s", "key": "k"}}}
KEYED: dict[str, Any] = {"connection": {"credentials": [CREDENTIAL]}}


def config_of(rig: Rig, target: Target = GATEWAY) -> ConfigFrame:
    frame = decode_frame(rig.hub.publications[target].frames["config"].data)
    assert isinstance(frame, ConfigFrame)
    return frame


@virtual
async def test_a_pool_and_a_route_become_frames() -> None:
    rig = Rig()
    rig.put(external(), route(refs=[ref()]))
    await rig.start()
    assert rig.published == [(GATEWAY, ["secrets", "endpoints", "config", "overlay"])]
    config = config_of(rig).config
    assert [pool.key for pool in config.pools] == ["ai/api"]
    assert [(item.key, item.models) for item in config.routes] == [("ai/coder", ("coder",))]


@virtual
async def test_a_second_reconcile_publishes_nothing_and_writes_nothing() -> None:
    rig = Rig()
    rig.fleet("r-0")
    rig.put(external(), route(refs=[ref()]))
    await rig.start()
    rig.answer(rig.join("r-0"))
    await rig.settle()
    published, written = len(rig.published), len(rig.objects.journal)
    rig.causes.everything()
    await rig.resync.once()
    await rig.settle()
    assert len(rig.published) == published
    assert [write for write in rig.objects.journal[written:] if write.plural != "leases"] == []


@virtual
async def test_nothing_is_compiled_before_every_kind_was_listed() -> None:
    rig = Rig()
    rig.put(external(), route(refs=[ref()]))
    await rig.settle()
    assert rig.published == []
    assert len(rig.snapshot_queue.queue) == 0


@virtual
async def test_a_burst_of_changes_is_one_frame() -> None:
    rig = Rig()
    await rig.start()
    before = len(rig.published)
    for number in range(20):
        rig.put(external(f"api-{number}"), route(f"r-{number}", models=[f"m-{number}"], refs=[ref(f"api-{number}")]))
    await rig.settle()
    assert [kinds for _, kinds in rig.published[before:]] == [["config"]]
    assert len(config_of(rig).config.routes) == 20


@virtual
async def test_without_the_lease_nothing_is_published_and_afterwards_everything() -> None:
    rig = Rig()
    await rig.start()
    before = len(rig.published)
    rig.cluster.failure = Unavailable("gone")
    await rig.settle(20)
    rig.put(external(), route(refs=[ref()]))
    await rig.settle(20)
    assert len(rig.published) == before
    assert all(isinstance(error, Unavailable) for _, error in rig.failures)
    rig.cluster.failure = None
    await rig.settle(70)
    assert [kinds for _, kinds in rig.published[before:]] == [["config"]]
    assert len(config_of(rig).config.routes) == 1


@virtual
async def test_what_was_judged_while_the_lease_ran_out_is_not_published() -> None:
    rig = Rig()
    await rig.start()
    before = len(rig.published)

    async def slow(judge: Callable[..., Any], *arguments: Any) -> Any:
        await asyncio.sleep(30)
        return judge(*arguments)

    rig.snapshots._run = slow
    rig.cluster.failure = Unavailable("gone")
    rig.put(external(), route(refs=[ref()]))
    await rig.settle(40)
    assert len(rig.published) == before
    assert isinstance(rig.failures[-1][1], Unavailable)


@virtual
async def test_revisions_of_a_restarted_operator_are_newer() -> None:
    first = Rig()
    first.put(external(), route(refs=[ref()]))
    await first.start()
    second = Rig(first.objects)
    await second.start()
    older, newer = config_of(first), config_of(second)
    assert newer.revision.newer_than(older.revision)
    assert not older.revision.newer_than(newer.revision)
    assert newer.content_hash == older.content_hash


@virtual
async def test_secret_values_travel_in_secrets_frames_alone() -> None:
    rig = Rig()
    rig.put(secret("s", {"k": "sk-value"}), external(**KEYED), route(refs=[ref()]))
    await rig.start()
    frames = rig.hub.publications[GATEWAY].frames
    values = decode_frame(frames["secrets"].data)
    assert isinstance(values, SecretsFrame)
    assert values.values["ai/s/k"].value == "sk-value"
    assert [kind for kind, frame in frames.items() if b"sk-value" in frame.data] == ["secrets"]
    assert "sk-value" not in msgspec.json.encode([write.body for write in rig.objects.writes()]).decode()


@virtual
async def test_a_changed_secret_reaches_routers() -> None:
    rig = Rig()
    rig.put(secret("s", {"k": "sk-old"}), external(**KEYED), route(refs=[ref()]))
    await rig.start()
    before = len(rig.published)
    rig.put(secret("s", {"k": "sk-new"}))
    await rig.settle()
    assert [kinds for _, kinds in rig.published[before:]] == [["secrets", "config"]]
    assert b"sk-new" in rig.hub.publications[GATEWAY].frames["secrets"].data


@virtual
async def test_what_a_deleted_pool_needed_goes_after_a_while_by_itself() -> None:
    rig = Rig()
    rig.put(secret("s", {"k": "sk-value"}), external(**KEYED), route(refs=[ref()]))
    await rig.start()
    rig.delete("ProviderPool", "api")
    await rig.settle(LINGER_SECONDS - 1)
    assert b"sk-value" in rig.hub.publications[GATEWAY].frames["secrets"].data
    await rig.settle(3)
    assert b"sk-value" not in rig.hub.publications[GATEWAY].frames["secrets"].data


@virtual
async def test_an_unlabelled_secret_is_told_apart_from_a_missing_one_and_its_value_is_never_read() -> None:
    rig = Rig()
    rig.put(external(**KEYED), external("api-2", **KEYED))
    unlabelled = secret("s", {"k": "sk-unlabelled"}, labelled=False)
    rig.objects.put(SECRETS, unlabelled)
    await rig.start()
    assert rig.condition("ProviderPool", "api", "ResolvedRefs") == ("False", "SecretNotLabelled")
    assert "sk-unlabelled" not in repr(rig.snapshots.world)
    rig.put(secret("s", {"k": "sk-unlabelled"}))
    await rig.settle()
    assert rig.condition("ProviderPool", "api", "ResolvedRefs") == ("True", "ResolvedRefs")
    rig.objects.delete("secrets", "ai", "s")
    rig.watch_delete(secret("s", {}))
    await rig.settle()
    assert rig.condition("ProviderPool", "api", "ResolvedRefs") == ("False", "SecretNotFound")


@virtual
async def test_missing_secrets_are_looked_up_once_until_the_next_resync() -> None:
    rig = Rig()
    looks: list[str] = []
    rig.cluster.before = lambda verb, plural: looks.append(plural) if (verb, plural) == ("get", "secrets") else None
    rig.put(external(**KEYED))
    await rig.start()
    rig.put(route(refs=[ref()]))
    await rig.settle()
    assert looks == ["secrets"]
    rig.snapshots.look_again()
    rig.causes.dirty()
    await rig.settle()
    assert looks == ["secrets", "secrets"]


@virtual
async def test_a_slow_look_at_secrets_holds_nothing_up() -> None:
    rig = Rig()
    rig.put(external(**KEYED), external("api-2"), route(refs=[ref("api-2")]))
    await rig.resync.first()
    term = await rig.leader.acquire()
    rig.hub.term = (term.installation, term.epoch)
    rig.cluster.hang_on = "get"
    rig.causes.dirty()
    await rig.settle(3)
    assert len(config_of(rig).config.routes) == 1


@virtual
async def test_a_sidecar_gets_its_own_publication_and_it_goes_with_the_last_of_them() -> None:
    rig = Rig()
    rig.put(external(), route(refs=[ref()]))
    await rig.start()
    sidecar = Target("namespace/ai", "default")
    session = rig.join("pod-1", target=sidecar)
    await rig.settle()
    assert rig.answer(session) == ["secrets", "endpoints", "config", "overlay"]
    assert config_of(rig, sidecar).scope == "namespace/ai"
    other = rig.join("pod-1", target=Target("namespace/empty", "default"))
    await rig.settle()
    rig.answer(other)
    assert config_of(rig, Target("namespace/empty", "default")).config.routes == ()
    rig.hub.leave(session)
    rig.causes.dirty()
    await rig.settle()
    assert sidecar not in rig.hub.publications


@virtual
async def test_only_a_class_that_has_routers_gets_a_publication_of_its_own() -> None:
    rig = Rig()
    rig.put(external(), route(refs=[ref()], routerClass="batch"))
    rig.put(*(route(f"r-{number}", refs=[ref()], routerClass=f"class-{number}") for number in range(50)))
    await rig.start()
    assert config_of(rig).config.routes == ()
    assert set(rig.hub.publications) == {GATEWAY}
    session = rig.join("b-0", target=Target("gateway", "batch"))
    await rig.settle()
    assert rig.answer(session) == ["secrets", "endpoints", "config", "overlay"]
    assert len(config_of(rig, Target("gateway", "batch")).config.routes) == 1


@virtual
async def test_a_malformed_foreign_object_is_passed_over_and_nothing_else_stops() -> None:
    rig = Rig()
    broken = service("broken")
    broken["spec"] = {"ports": "all"}
    rig.put(broken, external(), route(refs=[ref()]))
    await rig.start()
    assert len(config_of(rig).config.routes) == 1


@virtual
async def test_a_router_that_waits_gets_its_frames_with_the_first_publication() -> None:
    rig = Rig()
    await rig.resync.first()
    session = rig.join("r-0", Hello())
    term = await rig.leader.acquire()
    rig.hub.term = (term.installation, term.epoch)
    rig.causes.dirty()
    await rig.settle()
    assert rig.answer(session) == ["secrets", "endpoints", "config", "overlay"]


@virtual
async def test_refused_looks_at_secrets_come_after_publishing_and_are_not_repeated() -> None:
    rig = Rig()
    published: list[int] = []

    def refuse(verb: str, plural: str) -> None:
        if (verb, plural) == ("get", "secrets"):
            published.append(len(rig.published))
            raise refused(403)

    rig.cluster.before = refuse
    rig.put(external(**KEYED), route(refs=[ref()]))
    await rig.start()
    for _ in range(5):
        rig.causes.dirty()
        await rig.settle()
    assert published == [1]


def test_a_mistake_of_ours_is_told_once_with_its_stack_and_without_its_text(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    secret_text = "sk-" + "1234"

    def broken(*_: object) -> None:
        raise LookupError(secret_text)

    monkeypatch.setattr(pools, "evaluate_pool", broken)
    first = judged(external())
    _tell_faults(None, first)
    _tell_faults(first, first)
    [told] = [record.getMessage() for record in caplog.records]
    assert told.startswith("ProviderPool ai/api cannot be judged: LookupError, an error of the operator")
    assert "in broken" in told
    assert secret_text not in told
