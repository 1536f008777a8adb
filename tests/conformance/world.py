"""What the clients talk to: one router that demands keys, and a model for every kind of pool.

| model | pool speaks | served by |
|---|---|---|
| `acme/chat` | everything | the scripted provider |
| `acme/openai` | chat, embeddings and audio, no Responses, no Messages | the scripted provider |
| `acme/anthropic` | Messages alone | the scripted provider |
| `real/chat` | everything but embeddings | llama.cpp |
| `real/openai` | chat alone | llama.cpp |
| `real/anthropic` | Messages alone | llama.cpp |
| `real/embeddings` | embeddings | llama.cpp |
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from tieline_api.snapshot import Pool, Protocol, Retries

from tests.support import frames, replies
from tests.support.gateway import Gateway
from tests.support.openai_answers import Reply, json_head
from tests.support.upstream import Upstream

T = TypeVar("T")

KEY: Final = "sk-team"
TREES: Final = ("/v1", "/api/v1")
OPENAI: Final = Protocol(type="OpenAI", path="/v1")
ANTHROPIC: Final = Protocol(type="Anthropic", path="/v1")
CHAT: Final = "acme/chat"
OPENAI_ONLY: Final = "acme/openai"
ANTHROPIC_ONLY: Final = "acme/anthropic"
REAL: Final = "real/chat"
REAL_OPENAI: Final = "real/openai"
REAL_ANTHROPIC: Final = "real/anthropic"
REAL_EMBEDDINGS: Final = "real/embeddings"
_ALL: Final = ("ChatCompletions", "Completions", "Responses", "Messages", "Embeddings")
_APIS: Final = {
    CHAT: _ALL,
    OPENAI_ONLY: ("ChatCompletions", "Completions", "Embeddings"),
    ANTHROPIC_ONLY: ("Messages",),
    REAL: _ALL[:4],
    REAL_OPENAI: ("ChatCompletions",),
    REAL_ANTHROPIC: ("Messages",),
    REAL_EMBEDDINGS: ("Embeddings",),
}

_PARAMETERS: Final = (
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "structured_outputs",
    "reasoning",
)


@dataclass(frozen=True)
class World:
    gateway: Gateway
    upstream: Upstream

    @property
    def url(self) -> str:
        return self.gateway.url

    def script(self, *replies: Reply) -> None:
        """What the scripted provider does next; after that it greets."""
        self.upstream.script(*replies)


def _pool(name: str) -> Pool:
    protocols = {"openai": (OPENAI,), "anthropic": (ANTHROPIC,)}.get(name.rpartition("/")[2], (OPENAI, ANTHROPIC))
    slug = name.replace("/", "-")
    model = frames.model(
        name, upstream_name=name.rpartition("/")[2], apis=_APIS[name], supported_parameters=_PARAMETERS
    )
    return frames.own_pool(slug, [model], protocols=protocols)


async def configure(world: World, real: str, embeddings: str) -> None:
    """Gives the router all models; `real` and `embeddings` are addresses of model servers."""
    pools = [_pool(name) for name in _APIS]
    routes = [
        frames.route(pool.slug, name=pool.slug, models=(name,), retries=Retries(attempts=1))
        for name, pool in zip(_APIS, pools, strict=True)
    ]
    own = {"acme": world.upstream.address, "real": real}
    addresses = {pool.slug: [own[pool.slug.partition("-")[0]]] for pool in pools} | {"real-embeddings": [embeddings]}
    await world.gateway.configure(pools, routes, [frames.consumer("team", KEY)], addresses=addresses)


async def in_thread(call: Callable[[], T]) -> T:
    """Runs a client that blocks, while router and provider go on in this loop."""
    return await asyncio.to_thread(call)


def plain(body: bytes) -> Reply:
    """The scripted provider answers with this body."""
    return replies.replay(body, head=json_head(body))
