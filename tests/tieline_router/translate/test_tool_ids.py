from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.translate.tool_ids import for_chat, for_messages, invented

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.mark.parametrize("tool_id", ["toolu_01A-b_C", "call_1", "0", "-"])
def test_what_anthropic_allows_passes_verbatim(tool_id: str) -> None:
    assert for_messages(tool_id) == tool_id
    assert for_chat(tool_id) == tool_id


@given(TEXTS)
def test_every_id_is_allowed_at_anthropic_and_comes_back(tool_id: str) -> None:
    wrapped = for_messages(tool_id)
    assert re.fullmatch(r"[a-zA-Z0-9_-]+", wrapped)
    assert for_chat(wrapped) == tool_id


@given(TEXTS, TEXTS)
def test_different_ids_stay_different(one: str, other: str) -> None:
    assert (for_messages(one) == for_messages(other)) == (one == other)


@given(st.text("abcdefgXYZ_-%ä", max_size=8))
def test_an_id_that_nobody_wrapped_is_itself(tail: str) -> None:
    tool_id = "tieline_" + tail
    found = for_chat(tool_id)
    assert found == tool_id or for_messages(found) == tool_id


def test_an_invented_id_is_the_same_for_the_same_place() -> None:
    assert invented("gen-1", 0) == "call_gen-1_0"
    assert invented("gen-1", 1) != invented("gen-2", 1)
