"""What stands around a request's decision and around its attempts: two ordered lists, outermost first.

An interceptor does its part, awaits the next, and may do more afterwards, or raises `Refused`. Limits, budgets, caching
and guardrails attach here; the first entry is the check of keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence

from tieline_router.errors import ERRORS, ErrorClass
from tieline_router.routing.callers import authenticate
from tieline_router.runtime.call import Call, Refused
from tieline_router.runtime.clock import Clock
from tieline_router.wire.errors import Problem

Step = Callable[[Call], Awaitable[None]]
Interceptor = Callable[[Call, Step], Awaitable[None]]


def around(interceptors: Sequence[Interceptor], step: Step) -> Step:
    """`step` with the interceptors around it, the first one outermost."""
    for interceptor in reversed(interceptors):
        step = _outside(interceptor, step)
    return step


def _outside(interceptor: Interceptor, step: Step) -> Step:
    return lambda call: interceptor(call, step)


class KeyCheck:
    """Lets a request through with a Consumer's key, or without any where the router's setting permits it."""

    def __init__(self, clock: Clock, *, required: bool, anonymous_namespace: str) -> None:
        self._clock = clock
        self._required = required
        self._anonymous = anonymous_namespace

    async def __call__(self, call: Call, following: Step) -> None:
        self.admit(call)
        await following(call)

    def admit(self, call: Call) -> None:
        """Sets `call.caller`.

        Raises:
            Refused: no key, an unknown one, or an expired one.
        """
        key = presented_key(call.request.headers.get("Authorization"), call.request.headers.get("x-api-key"))
        digest = None if key is None else hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()
        caller = authenticate(
            call.snapshot.table,
            digest,
            self._clock.wall(),
            required=self._required,
            anonymous_namespace=self._anonymous,
        )
        if isinstance(caller, ErrorClass):
            raise Refused(Problem(caller, ERRORS[caller].remedy))
        call.caller = caller


def presented_key(authorization: str | None, api_key: str | None) -> str | None:
    """The key that a client sends, as OpenAI's clients (`Authorization: Bearer`) or Anthropic's (`x-api-key`) do.

    Another scheme than Bearer is a key that nobody has, so that it is refused and not taken for none.
    """
    if authorization is not None:
        scheme, *key = authorization.split(maxsplit=1) or [""]  # a tab may part them as well as a space
        return key[0].strip() if scheme.lower() == "bearer" and key else authorization
    return api_key
