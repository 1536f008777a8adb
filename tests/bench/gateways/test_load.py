"""The clients count nothing but whole answers: against the mock itself, on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from bench.gateways import build, process, turn
from bench.gateways.turn import Clients, Failed, Target
from bench.gateways.workloads import APIS, Api, Workload


@pytest.fixture(scope="module")
def program() -> Path:
    return build.load_program(Console())


@pytest.fixture
def clients(program: Path, tmp_path: Path) -> Clients:
    return Clients(program, max(process.cores()), tmp_path / "clients.log")


@pytest.fixture
def mock(clients: Clients) -> Iterator[Target]:
    with clients.started(["mock"]) as running:
        yield Target(running.hear()["port"], running.pid)


def asked(api: Api = "chat", *, stream: bool = False) -> Workload:
    return Workload("test", "", api=api, stream=stream, connections=3, requests=30, warm_up=3)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("api", APIS)
def test_whole_answers_of_every_api_are_counted(clients: Clients, mock: Target, api: Api, stream: bool) -> None:
    found = turn.take(clients, mock, asked(api, stream=stream), mock.pid)
    assert found["requests"] == 30
    assert found["p99"] >= found["p50"] > 0
    assert ("firstTokenP50" in found) == stream


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        (["-status", "503"], "status 503"),
        (["-cut", "1"], "the connection ended in the middle"),
        (["-cut", "1", "-stream"], "the connection ended in the middle"),
        (["-path", "/v1/embeddings"], "status 404"),
    ],
)
def test_one_failed_answer_fails_the_turn(clients: Clients, mock: Target, more: list[str], reason: str) -> None:
    words = [*turn.words(mock, asked()), *more]
    with clients.started(words) as conversation, pytest.raises(Failed, match=reason):
        conversation.hear()


def test_clients_that_find_nobody_say_so(clients: Clients) -> None:
    with pytest.raises(Failed, match="refused"):
        turn.take(clients, Target(1), asked(), 0)


def test_live_streams_are_counted_by_event(clients: Clients, mock: Target) -> None:
    words = turn.words(mock, Workload("test", "", stream=True, connections=4, events=60, live=True))
    at = words.index("-live")
    words[at + 1] = "300ms"
    words[words.index("-settle") + 1] = "10ms"
    words[words.index("-interval") + 1] = "20000"
    with clients.started(words) as conversation:
        assert conversation.hear()["open"] == 4
        conversation.go_on()
        assert conversation.hear() == {"event": "end", "endedBefore": 0, "endedWithin": 0}
        result = conversation.hear()
    assert result["errors"] == 0
    assert 0 < result["events"] < 4 * 60


def test_a_mock_behind_tls_writes_its_certificate(clients: Clients, tmp_path: Path) -> None:
    certificate = tmp_path / "mock.pem"
    with clients.started(["mock", "-tls", str(certificate)]) as running:
        assert running.hear()["port"] > 0
        assert certificate.read_text().startswith("-----BEGIN CERTIFICATE-----")
