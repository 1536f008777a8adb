import json

import pytest
from openrouter import components, operations
from pydantic import ValidationError
from tieline_router.apis import Api
from tieline_router.errors import ErrorClass
from tieline_router.streaming.usage import Usage
from tieline_router.wire.accounts import (
    AttemptRecord,
    GenerationRecord,
    KeyRecord,
    Spend,
    credits_body,
    generation_body,
    key_body,
)

RECORD = GenerationRecord(
    id="gen-1",
    created=1_800_000_000.5,
    model="acme/a",
    provider="Acme",
    api=Api.CHAT,
    consumer="ai/search",
    namespace="ai",
    streamed=True,
    finish_reason="stop",
    native_finish_reason="eos",
    usage=Usage(prompt=10, completion=5, cached=4, reasoning=2),
    cost=0.000012,
    latency_ms=120.0,
    generation_ms=900.0,
    attempts=(
        AttemptRecord("Own", "acme/a", None, error=ErrorClass.CONNECT_REFUSED),
        AttemptRecord("Acme", "acme/a", 200, latency_ms=110.0),
    ),
)


def test_a_generation_is_read_by_openrouters_client() -> None:
    found = components.GenerationResponse.model_validate_json(generation_body(RECORD)).data
    assert (found.id, found.model, found.provider_name, found.total_cost) == ("gen-1", "acme/a", "Acme", 0.000012)
    assert (found.native_tokens_prompt, found.native_tokens_cached, found.native_tokens_reasoning) == (10, 4, 2)
    assert (found.finish_reason, found.native_finish_reason, found.streamed) == ("stop", "eos", True)
    assert found.created_at == "2027-01-15T08:00:00.500000Z"
    assert found.provider_responses is not None
    assert [one.status for one in found.provider_responses] == [None, 200]


def test_what_was_not_counted_is_null() -> None:
    bare = RECORD._replace(usage=None, cost=None, api=Api.AUDIO, attempts=())
    data = json.loads(generation_body(bare))["data"]
    unknown = ("total_cost", "usage", "tokens_prompt", "native_tokens_completion", "api_type", "cache_discount")
    assert [data[name] for name in unknown] == [None] * len(unknown)


@pytest.mark.parametrize(
    ("api", "word"), [(Api.MESSAGES, "completions"), (Api.EMBEDDINGS, "embeddings"), (Api.IMAGES, "image")]
)
def test_apis_have_openrouters_words(api: Api, word: str) -> None:
    assert json.loads(generation_body(RECORD._replace(api=api)))["data"]["api_type"] == word


@pytest.mark.filterwarnings("ignore:.*DEPRECATED")  # fields that the contract has and its client warns of
def test_a_metered_key_is_read_by_openrouters_client_but_for_what_no_key_has_here() -> None:
    record = KeyRecord("ai/search ci", "ai", 1_800_000_000.0, 40.0, 12.5, "daily", Spend(100.0, 27.5, 60.0, 90.0))
    body = json.loads(key_body(record))
    quota = {"limit": 0, "used": 0, "remaining": 0}
    unknown = {"free_model_daily_requests": quota, "allowed_data_regions": [], "budgets": []}
    assert [body["data"][name] for name in unknown] == [None, None, None]
    body["data"] |= unknown
    found = operations.GetCurrentKeyResponse.model_validate(body).data
    assert (found.label, found.limit, found.limit_remaining, found.limit_reset) == ("ai/search ci", 40.0, 12.5, "daily")
    assert (found.usage, found.usage_daily, found.usage_weekly, found.usage_monthly) == (100.0, 27.5, 60.0, 90.0)
    assert found.workspace_id == "ai"


@pytest.mark.filterwarnings("ignore:.*DEPRECATED")
def test_what_is_not_metered_is_null_and_not_nought() -> None:
    body = key_body(KeyRecord("ai/search ci", "ai"))
    data = json.loads(body)["data"]
    assert (data["budgets"], data["allowed_data_regions"], data["free_model_daily_requests"]) == ([], None, None)
    assert (data["usage"], data["byok_usage_weekly"], data["limit"], data["expires_at"]) == (None, None, None, None)
    with pytest.raises(ValidationError):  # the official client wants a number; null says that there is none
        operations.GetCurrentKeyResponse.model_validate_json(body)


def test_credits() -> None:
    assert json.loads(credits_body()) == {"data": {"total_credits": None, "total_usage": None}}
    assert operations.GetCreditsResponse.model_validate_json(credits_body(50.0, 1.5)).data.total_credits == 50.0
