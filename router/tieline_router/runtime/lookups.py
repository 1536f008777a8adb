"""The answers to GET: what a caller may look up about models, providers, his key and his generations. Used by `server`.

It finds what is asked for; `wire` writes it. What a caller may not use, he does not find.
"""

from __future__ import annotations

from typing import Final, assert_never

from tieline_router.errors import ErrorClass
from tieline_router.routing.callers import Caller
from tieline_router.routing.table import ModelListing
from tieline_router.runtime.call import Call, Refused
from tieline_router.runtime.generations import Generations
from tieline_router.runtime.paths import Lookup, Place
from tieline_router.wire import accounts, catalogue
from tieline_router.wire.problems import Problem
from tieline_router.wire.request import BadRequest

ANTHROPIC_VERSION_HEADER: Final = "anthropic-version"
MAX_DIGITS: Final = 9


class Lookups:
    """Answers look-ups from the snapshot that a call carries, and from this router's generations."""

    def __init__(self, generations: Generations) -> None:
        self._generations = generations

    def body(self, call: Call, found: Place) -> bytes:
        """The body of the answer.

        Raises:
            Refused: there is no such thing, or not for this caller.
            BadRequest: the query is wrong.
        """
        assert found.lookup is not None  # noqa: S101 - what the server asks for
        tree, now = call.dialect.tree, call.started
        anthropic = ANTHROPIC_VERSION_HEADER in call.request.headers
        match found.lookup:
            case Lookup.MODELS:
                offset, limit = _number(call, "offset") or 0, _number(call, "limit")
                listings = _listings(call)
                return catalogue.models_body(listings, tree, now, anthropic=anthropic, offset=offset, limit=limit)
            case Lookup.MODEL:
                return catalogue.model_body(_listing(call, found.name), tree, now, anthropic=anthropic)
            case Lookup.MODEL_ENDPOINTS:
                return catalogue.endpoints_body(_listing(call, found.name), now)
            case Lookup.PROVIDERS:
                return catalogue.providers_body(_listings(call))
            case Lookup.GENERATION:
                return self._generation(call)
            case Lookup.KEY:
                return accounts.key_body(_key(_caller(call)))
            case Lookup.CREDITS:
                return accounts.credits_body()
            case _:
                assert_never(found.lookup)

    def _generation(self, call: Call) -> bytes:
        wanted = call.request.query.get("id")
        if not wanted:
            raise BadRequest(ErrorClass.MISSING_FIELD, "id is missing: /generation?id=…", "id")
        record = self._generations.of(_caller(call), wanted)
        if record is None:
            raise _not_found(f"this router knows no generation {wanted[:64]!r} of this caller: it keeps the last ones")
        return accounts.generation_body(record)


def _caller(call: Call) -> Caller:
    assert call.caller is not None  # noqa: S101 - admitted
    return call.caller


def _listings(call: Call) -> list[ModelListing]:
    caller = _caller(call)
    return call.snapshot.table.models(caller.namespace, caller.consumer)


def _listing(call: Call, name: str) -> ModelListing:
    for listing in _listings(call):
        if listing.id == name:
            return listing
    raise _not_found(f"there is no model {name[:128]!r} for this caller: GET /models lists those that there are")


def _key(caller: Caller) -> accounts.KeyRecord:
    consumer = caller.consumer
    if consumer is None:
        return accounts.KeyRecord("anonymous", caller.namespace)
    expires = next((key.expires_at for key in consumer.keys if key.name == caller.key_name), None)
    return accounts.KeyRecord(f"{caller.consumer_key} {caller.key_name}", caller.namespace, expires)


def _number(call: Call, name: str) -> int | None:
    value = call.request.query.get(name)
    if value is None:
        return None
    if len(value) > MAX_DIGITS or not value.isascii() or not value.isdigit():
        raise BadRequest(ErrorClass.INVALID_TYPE, f"{name} is a whole number of at most {MAX_DIGITS} digits", name)
    return int(value)


def _not_found(message: str) -> Refused:
    return Refused(Problem(ErrorClass.NOT_FOUND, message))
