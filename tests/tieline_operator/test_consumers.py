import hashlib
from typing import Any

import pytest
from tieline_api import snapshot
from tieline_api.conditions import Reason
from tieline_operator.verdicts import ACCEPTED, RESOLVED

from tests.tieline_operator import manifests
from tests.tieline_operator.manifests import Raw, consumer, judged_consumer, secret

KEYS = secret("team-keys", {"ci": "tl-ci", "cd": "tl-cd"})


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def born(day: int, **more: Any) -> Raw:
    return {"creationTimestamp": f"2026-01-{day:02}T00:00:00Z"} | more


def test_a_consumer_reaches_the_wire_with_hashes_only() -> None:
    raw = consumer(models={"allow": ["deepseek/*"], "deny": ["coder"]}, constraints={"zeroDataRetention": True})
    raw["spec"]["keys"][0]["expiresAt"] = "2027-03-01T00:00:00Z"
    verdict = judged_consumer(raw, KEYS)
    assert verdict.wire == snapshot.Consumer(
        key="ai/team",
        namespace="ai",
        keys=(snapshot.ConsumerKey(name="ci", sha256=sha("tl-ci"), expires_at=1803859200.0),),
        models=snapshot.AllowDeny(allow=("deepseek/*",), deny=("coder",)),
        constraints=snapshot.Constraints(zero_data_retention=True),
    )
    assert (verdict.verdict.accepted, verdict.verdict.resolved_refs) == (ACCEPTED, RESOLVED)
    assert "tl-ci" not in repr(manifests.judged(raw, KEYS))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.SECRET_NOT_FOUND),
        (secret("more", {"k": "a"}, labelled=False), Reason.SECRET_NOT_LABELLED),
        (secret("more", {"other": "a"}), Reason.SECRET_KEY_NOT_FOUND),
        (secret("more", {"k": ""}), Reason.SECRET_KEY_NOT_FOUND),
    ],
)
def test_a_key_that_does_not_resolve_is_named_and_the_others_work(value: Raw | None, reason: Reason) -> None:
    raw = consumer("team", ("ci", "team-keys", "ci"), ("more", "more", "k"))
    verdict = judged_consumer(raw, KEYS, *([value] if value else []))
    assert (verdict.verdict.resolved_refs.status, verdict.verdict.resolved_refs.reason) == ("False", reason)
    assert "spec.keys[1].secretRef" in verdict.verdict.resolved_refs.message
    assert verdict.wire is not None
    assert [item.name for item in verdict.wire.keys] == ["ci"]


def test_an_empty_key_lets_nobody_in() -> None:
    verdict = judged_consumer(consumer(), secret("team-keys", {"ci": "\n"}))
    assert verdict.wire is not None
    assert verdict.wire.keys == ()


@pytest.mark.parametrize(
    "restriction",
    [
        {"limits": {"concurrency": 1}},
        {"budgets": [{"period": "Day", "usd": "1"}]},
        {"runawayGuard": {"maxRequestsPerSession": 1}},
        {"bringYourOwnKey": [{"name": "api", "mode": "Only", "apiKey": {"secretRef": {"name": "s", "key": "k"}}}]},
    ],
)
def test_a_limit_that_is_not_enforced_lets_nobody_in(restriction: dict[str, Any]) -> None:
    verdict = judged_consumer(consumer(**restriction), KEYS)
    assert (verdict.verdict.accepted.status, verdict.verdict.accepted.reason) == ("False", Reason.UNSUPPORTED_FIELD)
    assert verdict.wire is None


def test_a_key_belongs_to_the_older_consumer() -> None:
    raws = [
        consumer("young", ("ci", "team-keys", "ci"), ("cd", "team-keys", "cd"), meta=born(2)),
        consumer("old", ("x", "team-keys", "ci"), meta=born(1)),
        KEYS,
    ]
    young, old = judged_consumer(*raws, name="young"), judged_consumer(*raws, name="old")
    assert old.wire is not None
    assert [item.sha256 for item in old.wire.keys] == [sha("tl-ci")]
    assert young.wire is not None
    assert [item.name for item in young.wire.keys] == ["cd"]
    assert young.verdict.accepted.holds
    assert "spec.keys[0]: the older Consumer ai/old has the same key" in young.verdict.accepted.message


def test_a_consumer_that_loses_all_keys_is_a_duplicate() -> None:
    raws = [consumer("a", meta=born(1)), consumer("b", meta=born(1)), KEYS]
    loser = judged_consumer(*raws, name="b")
    assert (loser.verdict.accepted.status, loser.verdict.accepted.reason) == ("False", Reason.DUPLICATE_KEY)
    assert loser.wire is None


def test_the_holder_of_another_namespace_is_not_named() -> None:
    other = consumer("secret-project", ("ci", "theirs", "k"), meta=born(1, namespace="other"))
    raws = [other, secret("theirs", {"k": "tl-ci"}, namespace="other"), consumer(meta=born(2)), KEYS]
    loser = judged_consumer(*raws)
    assert loser.verdict.accepted.reason == Reason.DUPLICATE_KEY
    assert "secret-project" not in loser.verdict.accepted.message
    assert "other/" not in loser.verdict.accepted.message


def test_a_refused_consumer_keeps_its_keys() -> None:
    raws = [consumer("old", limits={"concurrency": 1}, meta=born(1)), consumer("young", meta=born(2)), KEYS]
    assert judged_consumer(*raws, name="young").wire is None


def test_two_names_for_one_key_of_a_consumer_are_told() -> None:
    verdict = judged_consumer(consumer("team", ("a", "team-keys", "ci"), ("b", "team-keys", "ci")), KEYS)
    assert verdict.wire is not None
    assert [item.name for item in verdict.wire.keys] == ["a"]
    assert "spec.keys[1]: another key of this Consumer" in verdict.verdict.accepted.message
