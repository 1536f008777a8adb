"""Who a router is, and what it may therefore know. The scope follows from the service account, never from a claim.

`scope_of` and `identify` decide (pure); `Authenticator` asks the API server (TokenReview) and remembers the answer for
at most a minute, by hash of the token.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tieline_api.names import GATEWAY_SCOPE, TOKEN_AUDIENCE, namespace_scope

CACHE_SECONDS: Final = 60.0
REFUSAL_SECONDS: Final = 3.0
"""How long a refused token is refused without asking: a pod that has just been made may be known a moment later."""
CACHE_ENTRIES: Final = 4096
MAX_REVIEWS: Final = 16
"""Questions to the API server at a time, however many strangers knock."""
_POD_NAME: Final = "authentication.kubernetes.io/pod-name"
_ACCOUNT_PREFIX: Final = "system:serviceaccount:"


class Refused(Exception):
    """The caller gets no snapshot. `status` is 401 (who are you?) or 403 (I know you, and no)."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Router:
    """An authenticated router: its scope, and the pod that names it there (all routers of a scope share a
    namespace)."""

    scope: str
    pod: str


def scope_of(username: str, own_namespace: str, gateway_accounts: Collection[str]) -> str:
    """The scope of a service account.

    Raises:
        Refused: it is no service account, or one of the operator's namespace that is not a gateway's.
    """
    namespace, _, account = username.removeprefix(_ACCOUNT_PREFIX).partition(":")
    if not username.startswith(_ACCOUNT_PREFIX) or not namespace or not account:
        raise Refused(403, f"{username!r} is no service account: routers use a projected service-account token")
    if namespace != own_namespace:
        return namespace_scope(namespace)
    if account in gateway_accounts:
        return GATEWAY_SCOPE
    raise Refused(
        403,
        f"service account {namespace}/{account} is not one of this operator's routers: name it in "
        "--router-service-accounts (TIELINE_ROUTER_SERVICE_ACCOUNTS), or run the router in another namespace",
    )


def identify(review: Mapping[str, Any], own_namespace: str, gateway_accounts: Collection[str]) -> Router:
    """The router that a TokenReview's status speaks of.

    Raises:
        Refused: the token is not valid, not for this audience, not of a router, or not bound to a pod.
    """
    if review.get("authenticated") is not True:
        why = review.get("error") or "it is wrong, expired, or its pod is gone"
        raise Refused(401, f"the token is not accepted by the API server: {why}")
    if TOKEN_AUDIENCE not in (review.get("audiences") or ()):
        raise Refused(401, f"the token is not for audience {TOKEN_AUDIENCE}: project one with that audience")
    user = review.get("user") or {}
    username = str(user.get("username") or "")
    scope = scope_of(username, own_namespace, gateway_accounts)
    pods = list((user.get("extra") or {}).get(_POD_NAME) or ())
    if len(pods) != 1 or not pods[0]:
        raise Refused(403, "the token is not bound to a pod: use a projected service-account token volume")
    return Router(scope, str(pods[0]))


class Authenticator:
    """`review(token, audience)` asks the API server; `clock` is monotonic seconds. Accepted tokens are
    remembered for a minute, refused ones for seconds."""

    def __init__(
        self,
        review: Callable[[str, str], Awaitable[Mapping[str, Any]]],
        own_namespace: str,
        gateway_accounts: Collection[str],
        clock: Callable[[], float],
    ) -> None:
        self._review = review
        self._own_namespace = own_namespace
        self._gateway_accounts = frozenset(gateway_accounts)
        self._clock = clock
        self._asking = asyncio.Semaphore(MAX_REVIEWS)
        self._known: OrderedDict[bytes, tuple[float, Router]] = OrderedDict()
        self._refusals: OrderedDict[bytes, tuple[float, int, str]] = OrderedDict()

    async def authenticate(self, authorization: str | None) -> Router:
        """The router behind an `Authorization` header.

        Raises:
            Refused: it gets no snapshot. Unavailable, ApiError: the API server could not be asked.
        """
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "send Authorization: Bearer <service-account token>")
        digest = hashlib.sha256(token.encode()).digest()
        known = self._known.get(digest)
        if known is not None and self._clock() - known[0] <= CACHE_SECONDS:
            return known[1]
        self._known.pop(digest, None)
        refused = self._refusals.get(digest)
        if refused is not None and self._clock() - refused[0] <= REFUSAL_SECONDS:
            raise Refused(refused[1], refused[2])
        self._refusals.pop(digest, None)
        async with self._asking:
            review = await self._review(token, TOKEN_AUDIENCE)
        try:
            router = identify(review, self._own_namespace, self._gateway_accounts)
        except Refused as error:
            self._refusals[digest] = (self._clock(), error.status, str(error))
            while len(self._refusals) > CACHE_ENTRIES:
                self._refusals.popitem(last=False)
            raise
        self._known[digest] = (self._clock(), router)
        while len(self._known) > CACHE_ENTRIES:
            self._known.popitem(last=False)
        return router
