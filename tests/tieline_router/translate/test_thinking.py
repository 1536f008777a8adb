from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.translate.thinking import Returned, blocks, detail_mark, field_mark, read_detail

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def raws(*entries: object) -> list[msgspec.Raw]:
    return [msgspec.Raw(json.dumps(entry).encode()) for entry in entries]


def test_neighbours_of_one_index_are_one_block_until_its_signature() -> None:
    text = {"type": "reasoning.text", "index": 0}
    found = blocks(raws(text | {"text": "a"}, text | {"text": "b", "signature": "S"}, text | {"text": "c"}))
    assert found == [{"type": "thinking", "thinking": "ab", "signature": "S"}]


def test_entries_without_an_index_are_blocks_of_their_own() -> None:
    entry = {"type": "reasoning.text", "text": "a", "signature": "S"}
    assert len(blocks(raws(entry, entry))) == 2


def test_a_signature_without_text_is_a_block() -> None:
    """With `display: omitted` the provider sends nothing but the signature."""
    found = blocks(raws({"type": "reasoning.text", "signature": "S", "format": "anthropic-claude-v1"}))
    assert found == [{"type": "thinking", "thinking": "", "signature": "S"}]


@pytest.mark.parametrize(
    "entry", [5, None, [], {"type": 5}, {"text": []}, {"type": "reasoning.summary", "summary": "s"}]
)
def test_what_has_no_block_is_left_out(entry: object) -> None:
    assert blocks(raws(entry)) == []


@given(TEXTS)
def test_plain_reasoning_comes_back_whole(text: str) -> None:
    returned = Returned()
    returned.thinking(text, field_mark("reasoning_content"))
    returned.thinking(text, field_mark("reasoning_content"))
    assert returned.strings == {"reasoning_content": text + text}
    assert returned.details == []


def test_a_mark_names_no_other_field() -> None:
    returned = Returned()
    returned.thinking("x", field_mark("role"))
    assert (returned.strings, returned.details) == ({}, [])


@given(TEXTS, TEXTS, st.integers())
def test_an_entry_of_another_format_comes_back_whole(text: str, name: str, number: int) -> None:
    entry = {"type": "reasoning.summary", "summary": text, "format": name, "unknown": [number, None]}
    returned = Returned()
    returned.thinking(text, detail_mark(raws(entry)[0], "summary"))
    sealed = {"type": "reasoning.encrypted", "data": text, "format": name}
    returned.redacted(detail_mark(raws(sealed)[0]))
    assert json.loads(msgspec.json.encode(returned.details)) == [entry, sealed]


def test_a_signature_that_came_later_is_part_of_the_entry() -> None:
    returned = Returned()
    returned.thinking("t", detail_mark(raws({"type": "reasoning.text", "text": "t"})[0], "text", "late"))
    found = json.loads(msgspec.json.encode(returned.details))
    assert found == [{"type": "reasoning.text", "text": "t", "signature": "late"}]


def test_an_entry_that_cannot_be_read_is_none() -> None:
    assert read_detail(msgspec.Raw(b"{")) is None
