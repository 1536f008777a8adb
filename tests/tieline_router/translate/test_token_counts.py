from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.streaming.usage import Usage, parse_messages_counts, parse_usage
from tieline_router.translate.token_counts import chat_usage, known_tier, messages_usage, served_tier

from tests.support.translated_streams import chat_stamp, messages_stamp

COUNTS = st.integers(0, 10**9)


@given(COUNTS, COUNTS, COUNTS, COUNTS, st.floats(0, 1))
def test_counts_survive_both_ways(plain: int, cached: int, written: int, output: int, share: float) -> None:
    told = Usage(plain + cached + written, output, cached, int(output * share), written)
    assert parse_usage(chat_usage(chat_stamp(), told)) == told
    assert parse_messages_counts(messages_usage(messages_stamp(), told)).usage() == told


def test_what_nobody_told_is_zero_where_a_number_must_stand() -> None:
    chat: dict[str, Any] = json.loads(bytes(chat_usage(chat_stamp("openrouter"), None)))
    assert (chat["total_tokens"], chat["cost"]) == (0, None)
    message: dict[str, Any] = json.loads(bytes(messages_usage(messages_stamp(), None)))
    assert (message["input_tokens"], message["output_tokens"]) == (0, 0)


def test_a_tier_that_no_client_knows_is_not_told() -> None:
    assert [known_tier(tier) for tier in ("flex", "", "gold", None)] == ["flex", None, None, None]


@pytest.mark.parametrize(
    ("usage", "tier"),
    [
        (b'{"service_tier":"standard"}', "default"),
        (b'{"service_tier":"priority"}', "priority"),
        (b'{"service_tier":"batch"}', None),
        (b"{}", None),
        (b"5", None),
        (b"", None),
    ],
)
def test_the_served_tier(usage: bytes, tier: str | None) -> None:
    assert served_tier(msgspec.Raw(usage)) == tier
