"""The list of models, in OpenAI's shape and in OpenRouter's. Pure.

OpenRouter's prices are USD per token, ours per million; those shown are the base prices of the cheapest offer.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import msgspec
from tieline_api.prices import MILLION
from tieline_api.snapshot import Prices

from tieline_router.apis import PathTree
from tieline_router.routing.offers import Offer
from tieline_router.routing.table import ModelListing


def models_body(listings: Iterable[ModelListing], tree: PathTree) -> bytes:
    """The answer to `GET /models`."""
    describe = _openai if tree == "openai" else _openrouter
    return msgspec.json.encode({"object": "list", "data": [describe(listing) for listing in listings]})


def _openai(listing: ModelListing) -> dict[str, Any]:
    created = int(listing.route.wire.created)
    return {"id": listing.id, "object": "model", "created": created, "owned_by": listing.route.namespace}


def _openrouter(listing: ModelListing) -> dict[str, Any]:
    offers = listing.offers
    inputs = {modality for offer in offers for modality in offer.input_modalities}
    outputs = {modality for offer in offers for modality in offer.output_modalities}
    modalities = {"input_modalities": sorted(inputs), "output_modalities": sorted(outputs)}
    found: dict[str, Any] = {
        "id": listing.id,
        "name": listing.id,
        "created": int(listing.route.wire.created),
        "context_length": max((offer.context_length or 0 for offer in offers), default=0) or None,
        "architecture": {**modalities, "tokenizer": "Other"},
        "supported_parameters": sorted({name for offer in offers for name in offer.parameters}),
    }
    prices = _cheapest(offers)
    if prices is not None:
        found["pricing"] = {
            "prompt": _per_token(prices.prompt),
            "completion": _per_token(prices.completion),
            "request": _plain(prices.request or Decimal(0)),
        }
    return found


def _cheapest(offers: Iterable[Offer]) -> Prices | None:
    priced = [offer.model.pricing.base for offer in offers if offer.model.pricing is not None]
    zero = Decimal(0)
    return min(priced, key=lambda prices: (prices.prompt or zero) + (prices.completion or zero), default=None)


def _per_token(price: Decimal | None) -> str:
    return _plain((price or Decimal(0)) / MILLION)


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")
