"""Pools and their offers in compiled form: what a filter or a price needs is one attribute away. Pure.

An *offer* is one model (and variant) of one pool. Compiled objects are immutable, apart from one memo of the price in
force, which is a function of its key.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

import msgspec
from tieline_api.prices import MILLION, PRICE_FLOOR, prices_in_force
from tieline_api.snapshot import Credential, Model, Pool, Prices

from tieline_router.apis import OPERATIONS, PROTOCOLS, TRANSLATIONS, Operation
from tieline_router.routing.matching import host_permitted

FLOOR: Final = float(PRICE_FLOOR)


class PriceNow(msgspec.Struct, frozen=True):
    """The prices in force, as Decimal for limits and for people, and as floats for the draw of every request: a draw
    needs no cents, and a Decimal sum costs ten times the float's."""

    prices: Prices
    prompt: float
    completion: float
    request: float

    def blended(self, prompt_tokens: int, completion_tokens: int) -> float:
        """USD per million tokens for a request of this size, at least `PRICE_FLOOR`: what strategies compare. The float
        twin of `tieline_api.prices.request_cost` and `blended_price`."""
        cost = prompt_tokens * self.prompt + completion_tokens * self.completion + self.request
        return max(FLOOR, cost / max(prompt_tokens + completion_tokens, 1))


def _price_now(prices: Prices) -> PriceNow:
    zero = Decimal(0)
    return PriceNow(
        prices,
        float(prices.prompt or zero),
        float(prices.completion or zero),
        float((prices.request or zero) * MILLION),
    )


FREE: Final = _price_now(Prices())
"""The price of a SelfHosted offer with neither pricing nor cost: it counts as the floor, because the hardware is paid
for whether it is used or not, and it passes every `maxPrice`."""


def alternatives(operation: Operation) -> tuple[Operation, ...]:
    """What may serve a client's operation, best first: itself, then what it may be translated to."""
    return (operation, *TRANSLATIONS.get(operation, ()))


@lru_cache(maxsize=1024)
def _served(apis: frozenset[str], protocols: frozenset[str]) -> Mapping[str, Operation]:
    """By path of the client's operation: the one that a model with these `apis` serves it by, in a pool that speaks
    these protocols. Shared by all offers of the same kind."""

    def native(operation: Operation) -> bool:
        return operation.api in apis and PROTOCOLS[operation.api] in protocols

    found = {path: next(filter(native, alternatives(asked)), None) for path, asked in OPERATIONS.items()}
    return {path: operation for path, operation in found.items() if operation is not None}


class Offer:
    """One model of one pool. `model_name` is the canonical name, `upstream_name` what the provider calls it."""

    __slots__ = (
        "_memo", "_operations", "_second", "_thresholds", "apis", "context_length", "input_modalities",
        "max_output_tokens", "model", "output_modalities", "parameters", "pool", "quantization", "varies",
    )  # fmt: skip

    def __init__(self, pool: CompiledPool, model: Model) -> None:
        self.pool = pool
        self.model = model
        self.apis = frozenset(model.apis)
        self._operations = _served(self.apis, pool.protocols)
        self.parameters = frozenset(model.supported_parameters or ())
        self.input_modalities = frozenset(model.input_modalities)
        self.output_modalities = frozenset(model.output_modalities)
        self.quantization = model.quantization.lower() if model.quantization else None
        self.context_length = model.context_length
        self.max_output_tokens = model.max_output_tokens
        overrides = model.pricing.overrides if model.pricing else ()
        self._thresholds = tuple(sorted({o.min_prompt_tokens for o in overrides if o.min_prompt_tokens is not None}))
        timed = any(o.window is not None or o.effective_from is not None for o in overrides)
        self._second = -1 if timed else None
        self._memo: dict[int, PriceNow] = {}
        self.varies = timed or bool(self._thresholds)
        """The price depends on the time or on the size of the prompt."""

    @property
    def model_name(self) -> str:
        return self.model.name

    @property
    def upstream_name(self) -> str:
        return self.model.upstream_name

    def operation_for(self, operation: Operation) -> Operation | None:
        """What a client's operation becomes here: itself where the model has its API and the pool speaks its protocol,
        else the best translation that is native here; None when there is none."""
        return self._operations.get(operation.path)

    def price(self, prompt_tokens: int, now: float) -> PriceNow:
        """The prices in force for a prompt of this size at Unix time `now`, whole seconds."""
        pricing = self.model.pricing
        if pricing is None:
            return FREE
        if self._second is not None and self._second != int(now):
            self._memo = {}
            self._second = int(now)
        tier = sum(prompt_tokens >= threshold for threshold in self._thresholds) if self._thresholds else 0
        known = self._memo.get(tier)
        if known is None:
            known = self._memo[tier] = _price_now(prices_in_force(pricing, prompt_tokens, int(now)))
        return known


class CompiledPool:
    """One pool, its offers by model name, and what sending to it needs."""

    __slots__ = ("authority", "credentials_bound", "host", "key", "offers", "protocols", "required_secrets", "wire")

    def __init__(self, wire: Pool) -> None:
        self.wire = wire
        self.key = wire.key
        self.authority = _authority(wire.base_url) if wire.base_url else ""
        """`host:port` of an External pool."""
        self.host = self.authority.rpartition(":")[0].strip("[]")
        self.protocols = frozenset(protocol.type for protocol in wire.protocols)
        required = [header.secret.id for header in wire.headers if header.secret]
        if wire.tls and wire.tls.ca:
            required.append(wire.tls.ca.id)
        self.required_secrets = tuple(required)
        """Secrets without which no request can be sent: those of headers and of the CA."""
        self.credentials_bound = any(credential.hosts for credential in wire.credentials)
        offers: dict[str, tuple[Offer, ...]] = {}
        for model in wire.models:
            offers[model.name] = (*offers.get(model.name, ()), Offer(self, model))
        self.offers = offers

    @property
    def external(self) -> bool:
        return self.wire.type == "External"

    def credentials_for(self, host: str) -> tuple[Credential, ...]:
        """The credentials that may be sent to `host`."""
        if not self.credentials_bound:
            return self.wire.credentials
        return tuple(credential for credential in self.wire.credentials if host_permitted(credential.hosts, host))


def _authority(base_url: str) -> str:
    url = urlsplit(base_url)
    host = url.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{url.port or (80 if url.scheme == 'http' else 443)}"
