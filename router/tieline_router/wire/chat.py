"""The names by which the runtime reads chat completions, until it reads every operation by `wire.request`. Pure."""

from __future__ import annotations

from tieline_router.apis import CHAT, PathTree
from tieline_router.wire import attempt
from tieline_router.wire.attempt import ROUTER_ONLY, hashed_identity
from tieline_router.wire.fields import BadRequest, read_fields
from tieline_router.wire.request import ApiRequest, read_request

__all__ = ["ROUTER_ONLY", "BadRequest", "ChatRequest", "attempt_body", "hashed_identity", "read_chat", "read_fields"]

ChatRequest = ApiRequest


def read_chat(body: bytes, tree: PathTree = "openai") -> ApiRequest:
    """`read_request` for chat completions."""
    return read_request(CHAT, body, tree)


def attempt_body(request: ApiRequest, upstream_model: str, *, ask_usage: bool, identity_salt: str | None) -> bytes:
    """`attempt.attempt_body` for providers of chat completions."""
    return attempt.attempt_body(request, CHAT, upstream_model, ask_usage=ask_usage, identity_salt=identity_salt).body
