"""What can be asked for, in each contract's shape: models, their endpoints, providers. Pure; used by the runtime.

What is not known is null. Where OpenRouter's official clients permit no null, the value is one that no provider has:
a price of "-1" (as OpenRouter itself writes where none is fixed) and a context of 0 tokens. Prices are decimal strings,
USD per token; ours are per million.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from tieline_api.prices import MILLION, prices_in_force
from tieline_api.snapshot import PriceOverride, Prices

from tieline_router.apis import PathTree
from tieline_router.routing.offers import Offer
from tieline_router.routing.table import ModelListing
from tieline_router.routing.view import TOOL_CHOICE, TOOLS

NO_PRICE: Final = {"prompt": "-1", "completion": "-1"}
NO_CONTEXT: Final = 0
MAX_PAGE: Final = 1000

# -- GET /models -------------------------------------------------------------------------------------------------------


def models_body(
    listings: Sequence[ModelListing],
    tree: PathTree,
    now: float,
    *,
    anthropic: bool = False,
    offset: int = 0,
    limit: int | None = None,
) -> bytes:
    """The answer to `GET /models`.

    Args:
        listings: what the caller may ask for.
        tree: whose contract the path follows.
        now: Unix seconds; prices are those in force.
        anthropic: under `/v1`, the client sent `anthropic-version`.
        offset: OpenRouter's paging: how many to leave out.
        limit: OpenRouter's paging: how many to show; None shows all.
    """
    if tree == "openrouter":
        return msgspec.json.encode(_openrouter_page(listings, now, max(0, offset), limit))
    if anthropic:
        data = [anthropic_model(listing) for listing in listings]
        ends = {"first_id": data[0]["id"] if data else None, "last_id": data[-1]["id"] if data else None}
        return msgspec.json.encode({"data": data, **ends, "has_more": False})
    return msgspec.json.encode({"object": "list", "data": [openai_model(listing) for listing in listings]})


def model_body(listing: ModelListing, tree: PathTree, now: float, *, anthropic: bool = False) -> bytes:
    """The answer to `GET /models/{id}`; under `/api/v1` also to `GET /model/{author}/{slug}`."""
    if tree == "openrouter":
        return msgspec.json.encode({"data": openrouter_model(listing, now)})
    return msgspec.json.encode(anthropic_model(listing) if anthropic else openai_model(listing))


def openai_model(listing: ModelListing) -> dict[str, Any]:
    """A model as OpenAI describes one."""
    created = int(listing.route.wire.created)
    return {"id": listing.id, "object": "model", "created": created, "owned_by": listing.route.namespace}


def anthropic_model(listing: ModelListing) -> dict[str, Any]:
    """A model as Anthropic describes one."""
    return {
        "type": "model",
        "id": listing.id,
        "display_name": listing.id,
        "created_at": _rfc3339(int(listing.route.wire.created)),
        "lifecycle": "active",
        "max_input_tokens": _most(offer.context_length for offer in listing.offers),
        "max_tokens": _most(offer.max_output_tokens for offer in listing.offers),
    }


def _openrouter_page(listings: Sequence[ModelListing], now: float, offset: int, limit: int | None) -> dict[str, Any]:
    size = len(listings) if limit is None else min(max(1, limit), MAX_PAGE)
    end = offset + size
    return {
        "data": [openrouter_model(listing, now) for listing in listings[offset:end]],
        "total_count": len(listings),
        "links": {"next": f"/api/v1/models?offset={end}&limit={size}" if end < len(listings) else None},
    }


def openrouter_model(listing: ModelListing, now: float) -> dict[str, Any]:
    """A model as OpenRouter describes one: what any offer can do, at the least price of all."""
    offers = listing.offers
    names = {offer.model_name for offer in offers}
    top = offers[0] if offers else None
    return {
        "id": listing.id,
        "canonical_slug": names.pop() if len(names) == 1 else listing.id,
        "name": listing.id,
        "description": "",
        "created": int(listing.route.wire.created),
        "context_length": _most(offer.context_length for offer in offers),
        "architecture": _architecture(offers),
        "pricing": min((_pricing(offer, now) for offer in offers), key=_dearness, default=NO_PRICE),
        "top_provider": {
            "context_length": top.context_length if top else None,
            "max_completion_tokens": top.max_output_tokens if top else None,
            "is_moderated": False,
        },
        "per_request_limits": None,
        "supported_parameters": sorted({name for offer in offers for name in offer.parameters}),
        "default_parameters": None,
        "supported_voices": None,
        "links": {"details": f"/api/v1/models/{listing.id}/endpoints"},
    }


def _architecture(offers: Sequence[Offer]) -> dict[str, Any]:
    inputs = sorted({modality for offer in offers for modality in offer.input_modalities})
    outputs = sorted({modality for offer in offers for modality in offer.output_modalities})
    return {
        "modality": f"{'+'.join(inputs)}->{'+'.join(outputs)}",
        "input_modalities": inputs,
        "output_modalities": outputs,
        "tokenizer": "Other",
        "instruct_type": None,
    }


# -- GET /models/{author}/{slug}/endpoints -----------------------------------------------------------------------------


def endpoints_body(listing: ModelListing, now: float) -> bytes:
    """The answer to `GET /models/{author}/{slug}/endpoints`: each offer of each pool is an endpoint."""
    return msgspec.json.encode(
        {
            "data": {
                "id": listing.id,
                "name": listing.id,
                "created": int(listing.route.wire.created),
                "description": "",
                "architecture": _architecture(listing.offers),
                "endpoints": [_endpoint(listing, offer, now) for offer in listing.offers],
            }
        }
    )


def _endpoint(listing: ModelListing, offer: Offer, now: float) -> dict[str, Any]:
    pool, model = offer.pool.wire, offer.model
    tools, choice = TOOLS in offer.parameters, TOOL_CHOICE in offer.parameters
    return {
        "name": f"{pool.display_name} | {offer.model_name}",
        "model_id": listing.id,
        "model_name": offer.model_name,
        "context_length": offer.context_length or NO_CONTEXT,
        "pricing": _pricing(offer, now),
        "provider_name": pool.display_name,
        "tag": f"{pool.slug}/{model.variant}" if model.variant else pool.slug,
        "quantization": offer.quantization,
        "max_completion_tokens": offer.max_output_tokens,
        "max_prompt_tokens": None,
        "supported_parameters": sorted(offer.parameters),
        "uptime_last_5m": None,
        "uptime_last_30m": None,
        "uptime_last_1d": None,
        "latency_last_30m": None,
        "throughput_last_30m": None,
        "supports_implicit_caching": bool(model.pricing and model.pricing.base.cache_read is not None),
        "native_tools": {},
        "service_tier": None,
        "supports_tool_choice": {"auto": tools, "none": tools, "required": choice, "function": choice},
        "supports_diarization": False,
    }


# -- GET /providers ----------------------------------------------------------------------------------------------------


def providers_body(listings: Iterable[ModelListing]) -> bytes:
    """The answer to `GET /providers`: the pools behind what the caller may ask for, by slug."""
    pools = {offer.pool.wire.slug: offer.pool.wire for listing in listings for offer in listing.offers}
    data = [
        {
            "name": pool.display_name,
            "slug": slug,
            "privacy_policy_url": None,
            "terms_of_service_url": None,
            "status_page_url": None,
            "headquarters": None,
            "datacenters": [pool.country] if pool.country else None,
        }
        for slug, pool in sorted(pools.items())
    ]
    return msgspec.json.encode({"data": data})


# -- prices ------------------------------------------------------------------------------------------------------------


def _pricing(offer: Offer, now: float) -> dict[str, Any]:
    pricing = offer.model.pricing
    if pricing is None:
        return dict(NO_PRICE)
    found: dict[str, Any] = {"prompt": "0", "completion": "0", **_per_token(prices_in_force(pricing, 0, now))}
    factor = 1 + pricing.fee_percent / 100
    tiers = [_tier(override, factor) for override in pricing.overrides if _is_tier(override, now)]
    return found | ({"overrides": tiers} if tiers else {})


def _is_tier(override: PriceOverride, now: float) -> bool:
    """It depends on the prompt alone. Hours and dates are in the prices of the moment already."""
    begun = override.effective_from is None or override.effective_from <= now
    return override.min_prompt_tokens is not None and override.window is None and begun


def _tier(override: PriceOverride, factor: Decimal) -> dict[str, Any]:
    """OpenRouter's threshold is the last count that is not meant; ours is the first that is."""
    prices = _per_token(override.prices, factor)
    prices.pop("request", None)
    return {"min_prompt_tokens": (override.min_prompt_tokens or 0) - 1, **prices}


def _per_token(prices: Prices, factor: Decimal = Decimal(1)) -> dict[str, str]:
    million = {
        "prompt": prices.prompt,
        "completion": prices.completion,
        "input_cache_read": prices.cache_read,
        "input_cache_write": prices.cache_write,
    }
    found = {name: _plain(price * factor / MILLION) for name, price in million.items() if price is not None}
    return found | ({} if prices.request is None else {"request": _plain(prices.request * factor)})


def _dearness(pricing: dict[str, Any]) -> tuple[bool, Decimal]:
    """For choosing the least price; none at all is chosen last."""
    total = Decimal(pricing["prompt"]) + Decimal(pricing["completion"])
    return total < 0, total


def _plain(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _most(values: Iterable[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
