"""The router, the scripted provider and the real model servers, which all tests of the floor share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from openai import AsyncOpenAI

from tests.conformance.newest import VERSIONS
from tests.conformance.world import KEY, TREES, World, configure
from tests.support.gateway import Gateway
from tests.support.llama_server import LlamaServer, llama_server
from tests.support.upstream import Upstream


def pytest_report_header() -> str:
    return "clients: " + ", ".join(f"{name} {version}" for name, version in VERSIONS.items())


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    with llama_server(tmp_path_factory.mktemp("llama"), model="chat") as server:
        yield server


@pytest.fixture(scope="session")
def real_embeddings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LlamaServer]:
    with llama_server(tmp_path_factory.mktemp("llama"), name="embeddings", embeddings=True) as server:
        yield server


@pytest.fixture
async def world(real: LlamaServer, real_embeddings: LlamaServer) -> AsyncIterator[World]:
    async with Upstream() as upstream, Gateway(auth="Required") as gateway:
        world = World(gateway, upstream)
        await configure(world, real.address, real_embeddings.address)
        yield world


@pytest.fixture(params=TREES)
async def openai_client(request: pytest.FixtureRequest, world: World) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=world.url + request.param, api_key=KEY, max_retries=0) as client:
        yield client
