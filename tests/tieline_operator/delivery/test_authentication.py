"""Who gets which scope: tables over TokenReviews; the cache in virtual time."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from tieline_operator.delivery.authentication import (
    CACHE_ENTRIES,
    CACHE_SECONDS,
    MAX_REVIEWS,
    REFUSAL_SECONDS,
    Authenticator,
    Refused,
    Router,
    identify,
    scope_of,
)

OWN = "tieline-system"
ACCOUNTS = ("tieline-router",)
POD = "authentication.kubernetes.io/pod-name"


def review(username: str = "system:serviceaccount:tieline-system:tieline-router", **parts: Any) -> dict[str, Any]:
    return {
        "authenticated": True,
        "audiences": ["tieline-operator"],
        "user": {"username": username, "extra": {POD: ["router-0"]}},
    } | parts


@pytest.mark.parametrize(
    ("username", "scope"),
    [
        ("system:serviceaccount:tieline-system:tieline-router", "gateway"),
        ("system:serviceaccount:ai:default", "namespace/ai"),
        ("system:serviceaccount:ai:tieline-router", "namespace/ai"),
        ("system:serviceaccount:ai:gateway", "namespace/ai"),
    ],
)
def test_the_scope_follows_from_the_account(username: str, scope: str) -> None:
    assert scope_of(username, OWN, ACCOUNTS) == scope


@pytest.mark.parametrize(
    "username",
    [
        "system:serviceaccount:tieline-system:default",
        "system:serviceaccount:tieline-system:tieline-operator",
        "system:serviceaccount:tieline-system:",
        "system:serviceaccount::tieline-router",
        "system:serviceaccount:",
        "system:node:node-0",
        "admin",
        "",
    ],
)
def test_everybody_else_is_refused(username: str) -> None:
    with pytest.raises(Refused) as caught:
        scope_of(username, OWN, ACCOUNTS)
    assert caught.value.status == 403


@pytest.mark.parametrize(
    ("answer", "status", "why"),
    [
        (review(authenticated=False, error="token has expired"), 401, "token has expired"),
        ({}, 401, "not accepted"),
        (review(authenticated="true"), 401, "not accepted"),
        (review(audiences=["https://kubernetes.default.svc"]), 401, "audience tieline-operator"),
        (review(audiences=None), 401, "audience tieline-operator"),
        (review(user={"username": "system:serviceaccount:ai:default"}), 403, "not bound to a pod"),
        (review(user={"username": "system:serviceaccount:ai:default", "extra": {POD: ["a", "b"]}}), 403, "not bound"),
        (review("system:serviceaccount:tieline-system:default"), 403, "--router-service-accounts"),
    ],
)
def test_reviews_that_identify_no_router(answer: Mapping[str, Any], status: int, why: str) -> None:
    with pytest.raises(Refused, match=why) as caught:
        identify(answer, OWN, ACCOUNTS)
    assert caught.value.status == status


def test_a_router_is_named_by_its_pod() -> None:
    assert identify(review(), OWN, ACCOUNTS) == Router("gateway", "router-0")


class Reviewer:
    """Answers TokenReviews and counts them."""

    def __init__(self) -> None:
        self.answer: Mapping[str, Any] = review()
        self.asked: list[tuple[str, str]] = []
        self.now = 0.0

    async def __call__(self, token: str, audience: str) -> Mapping[str, Any]:
        self.asked.append((token, audience))
        return self.answer

    def authenticator(self) -> Authenticator:
        return Authenticator(self, OWN, ACCOUNTS, lambda: self.now)


def test_an_accepted_token_is_asked_about_once_a_minute() -> None:
    reviewer = Reviewer()
    tested = reviewer.authenticator()

    async def main() -> None:
        for _ in range(3):
            assert await tested.authenticate("Bearer abc") == Router("gateway", "router-0")
        assert reviewer.asked == [("abc", "tieline-operator")]
        reviewer.now = CACHE_SECONDS + 0.1
        reviewer.answer = review(authenticated=False)
        with pytest.raises(Refused):
            await tested.authenticate("Bearer abc")

    asyncio.run(main())


def test_a_refusal_is_remembered_for_seconds() -> None:
    reviewer = Reviewer()
    tested = reviewer.authenticator()

    async def main() -> None:
        reviewer.answer = review(authenticated=False)
        for _ in range(100):
            with pytest.raises(Refused, match="not accepted"):
                await tested.authenticate("Bearer abc")
        assert len(reviewer.asked) == 1
        reviewer.answer = review()
        reviewer.now = REFUSAL_SECONDS + 0.1
        assert (await tested.authenticate("bearer abc")).scope == "gateway"

    asyncio.run(main())


def test_few_questions_are_asked_at_a_time() -> None:
    asking, most = 0, 0

    async def slow(token: str, audience: str) -> Mapping[str, Any]:
        nonlocal asking, most
        asking += 1
        most = max(most, asking)
        await asyncio.sleep(0)
        asking -= 1
        return review()

    async def main() -> None:
        tested = Authenticator(slow, OWN, ACCOUNTS, lambda: 0.0)
        await asyncio.gather(*(tested.authenticate(f"Bearer {number}") for number in range(100)))

    asyncio.run(main())
    assert most == MAX_REVIEWS


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic abc", "abc"])
def test_without_a_bearer_token_nobody_is_asked(header: str | None) -> None:
    reviewer = Reviewer()
    with pytest.raises(Refused) as caught:
        asyncio.run(reviewer.authenticator().authenticate(header))
    assert caught.value.status == 401
    assert reviewer.asked == []


def test_the_cache_is_bounded_and_holds_no_token() -> None:
    reviewer = Reviewer()
    tested = reviewer.authenticator()

    async def main() -> None:
        for number in range(CACHE_ENTRIES + 10):
            await tested.authenticate(f"Bearer token-{number}")

    asyncio.run(main())
    assert len(tested._known) == CACHE_ENTRIES
    assert "token-" not in repr(tested._known)
