"""What a caller may know of his key, his money and his generations, in OpenRouter's shape. Pure; used by the runtime.

What is not known yet, or not kept, is null, even where OpenRouter's official client wants a number: a figure that
nobody has measured is worse than a client that says so.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from tieline_router.apis import Api
from tieline_router.errors import ErrorClass
from tieline_router.streaming.usage import Usage

# -- GET /generation ---------------------------------------------------------------------------------------------------


class AttemptRecord(NamedTuple):
    """One try at one endpoint."""

    provider: str
    """Display name of the pool."""
    model: str
    """Canonical name of the model."""
    status: int | None
    """What the provider answered; None when it did not."""
    latency_ms: float | None = None
    error: ErrorClass | None = None


class GenerationRecord(NamedTuple):
    """One answered request, filled by the runtime when it has settled."""

    id: str
    created: float
    """Unix seconds at which the request came."""
    model: str
    """Canonical name of the model that answered."""
    provider: str
    """Display name of the pool that answered."""
    api: Api
    consumer: str
    """Key of the Consumer; only he may read the record. Empty: an anonymous caller."""
    namespace: str
    streamed: bool
    cancelled: bool = False
    upstream_id: str | None = None
    finish_reason: str | None = None
    """In OpenAI's words."""
    native_finish_reason: str | None = None
    usage: Usage | None = None
    cost: float | None = None
    """USD; None when the pool has no price."""
    latency_ms: float | None = None
    """From the request to the first content."""
    generation_ms: float | None = None
    """From the first content to the end."""
    attempts: tuple[AttemptRecord, ...] = ()
    user_agent: str | None = None
    referer: str | None = None
    session_id: str | None = None
    request_id: str | None = None


_API_TYPES: Final = {Api.EMBEDDINGS: "embeddings", Api.IMAGES: "image"}
"""`api_type`, whose words are fewer than our APIs; speech both ways is told apart nowhere, so it has none."""


def generation_body(record: GenerationRecord) -> bytes:
    """The answer to `GET /generation?id=`."""
    usage = record.usage
    tokens = {
        "prompt": usage.prompt if usage else None,
        "completion": usage.completion if usage else None,
        "reasoning": usage.reasoning if usage else None,
        "cached": usage.cached if usage else None,
        "completion_images": None,
    }
    api_type = None if record.api is Api.AUDIO else _API_TYPES.get(record.api, "completions")
    unknown = dict.fromkeys(_NEVER_KNOWN)
    data: dict[str, Any] = unknown | {
        "id": record.id,
        "upstream_id": record.upstream_id,
        "model": record.model,
        "provider_name": record.provider,
        "provider_responses": [_response(attempt) for attempt in record.attempts],
        "total_cost": record.cost,
        "usage": record.cost,
        "upstream_inference_cost": None,
        "created_at": _rfc3339(record.created),
        "streamed": record.streamed,
        "cancelled": record.cancelled,
        "latency": record.latency_ms,
        "generation_time": record.generation_ms,
        "finish_reason": record.finish_reason,
        "native_finish_reason": record.native_finish_reason,
        "tokens_prompt": tokens["prompt"],
        "tokens_completion": tokens["completion"],
        **{f"native_tokens_{kind}": count for kind, count in tokens.items()},
        "origin": record.referer or "",  # empty: the request named none
        "http_referer": record.referer,
        "user_agent": record.user_agent,
        "is_byok": False,  # no keys of consumers are used here
        "api_type": api_type,
        "session_id": record.session_id,
        "request_id": record.request_id,
        "data_region": "global",  # of OpenRouter's regional hosts, of which there are none here
        "workspace_id": record.namespace,
    }
    return msgspec.json.encode({"data": data})


_NEVER_KNOWN: Final = (
    "app_id", "cache_discount", "external_user", "moderation_latency", "num_fetches", "num_input_audio_prompt",
    "num_media_completion", "num_media_prompt", "num_search_results", "preset_id", "response_cache_source_id", "router",
    "service_tier", "web_search_engine",
)  # fmt: skip
"""Fields that the contract requires, of things that this router does not do or count."""


def _response(attempt: AttemptRecord) -> dict[str, Any]:
    found: dict[str, Any] = {
        "provider_name": attempt.provider,
        "model_permaslug": attempt.model,
        "status": attempt.status,
        "is_byok": False,
    }
    if attempt.latency_ms is not None:
        found["latency"] = attempt.latency_ms
    if attempt.error is not None:
        found["error"] = attempt.error.value
    return found


# -- GET /key, GET /credits --------------------------------------------------------------------------------------------


class Spend(NamedTuple):
    """USD that a key has cost, by UTC calendar; weeks begin on Monday."""

    total: float
    day: float
    week: float
    month: float


class KeyRecord(NamedTuple):
    """What is known of the caller's key."""

    label: str
    """`namespace/consumer key-name`; never a part of the key."""
    namespace: str
    expires_at: float | None = None
    """Unix seconds."""
    limit: float | None = None
    """USD of the budget that ends first; None when there is none."""
    remaining: float | None = None
    reset: str | None = None
    """daily, weekly or monthly."""
    spend: Spend | None = None
    """None while nothing is metered."""


def key_body(record: KeyRecord) -> bytes:
    """The answer to `GET /key`."""
    spend = record.spend
    used = (spend.total, spend.day, spend.week, spend.month) if spend else (None,) * 4
    own_keys = 0.0 if spend else None
    data: dict[str, Any] = {
        "label": record.label,
        "limit": record.limit,
        "limit_remaining": record.remaining,
        "limit_reset": record.reset,
        "include_byok_in_limit": False,
        "is_free_tier": False,
        "is_management_key": False,
        "is_provisioning_key": False,
        # The contract: "will always return -1".
        "rate_limit": {"requests": -1, "interval": "10s", "note": "deprecated; -1: no limit is stated here"},
        "free_model_daily_requests": None,
        "creator_user_id": None,
        "organization_id": None,
        "workspace_id": record.namespace,
        "allowed_data_regions": None,  # an empty list would say that none is permitted
        "budgets": [] if record.limit is None else None,
        "effective_budget": None,
        "expires_at": None if record.expires_at is None else _rfc3339(record.expires_at),
    }
    for period, amount in zip(("", "_daily", "_weekly", "_monthly"), used, strict=True):
        data[f"usage{period}"] = amount
        data[f"byok_usage{period}"] = own_keys
    return msgspec.json.encode({"data": data})


def credits_body(total: float | None = None, used: float | None = None) -> bytes:
    """The answer to `GET /credits`; USD. There are no prepaid credits here until a budget says otherwise."""
    return msgspec.json.encode({"data": {"total_credits": total, "total_usage": used}})


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
