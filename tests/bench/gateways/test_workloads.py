from __future__ import annotations

from collections import Counter

import pytest

from bench.gateways.workloads import (
    EVENTS_PER_SECOND,
    LIVE_AFTER,
    LIVE_BEFORE,
    LIVE_SECONDS,
    WORKLOADS,
    Workload,
)

BY_KEY = {workload.key: workload for workload in WORKLOADS}


def test_keys_and_titles_are_told_apart() -> None:
    assert set(Counter(workload.key for workload in WORKLOADS).values()) == {1}
    assert set(Counter(workload.title for workload in WORKLOADS).values()) == {1}


def test_every_api_is_asked_plain_and_streamed_with_8000_requests_at_10_connections() -> None:
    six = [workload for workload in WORKLOADS if workload.key.endswith(("-plain", "-sse")) and workload.connections > 1]
    assert {(one.api, one.stream) for one in six} == {
        (api, stream) for api in ("chat", "responses", "messages") for stream in (False, True)
    }
    assert {(one.connections, one.requests) for one in six} == {(10, 8000)}


@pytest.mark.parametrize("streams", [200, 500])
def test_live_streams_last_longer_than_their_window(streams: int) -> None:
    live = BY_KEY[f"live-{streams}"]
    assert live.connections == streams
    assert live.events / EVENTS_PER_SECOND == pytest.approx(LIVE_BEFORE + LIVE_SECONDS + LIVE_AFTER, abs=0.02)


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one.key)
def test_a_whole_share_changes_nothing(workload: Workload) -> None:
    assert workload.scaled(1.0) == workload


def test_a_slow_gateway_gets_fewer_streams_and_a_lower_rate_for_the_same_time() -> None:
    assert BY_KEY["live-200"].scaled(1 / 40).connections == 5
    paced = BY_KEY["paced-32"].scaled(1 / 40)
    assert (paced.rate, paced.requests) == (50, 100)
    assert BY_KEY["chat-256"].scaled(1 / 40) == BY_KEY["chat-256"]


def test_a_quick_look_keeps_a_request_for_every_connection() -> None:
    assert BY_KEY["chat-256"].shortened(0.001).requests == 256
