from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.translate.custom_tools import arguments, names, text_of


@given(st.text())
def test_a_text_survives_both_ways(text: str) -> None:
    assert text_of(arguments(text)) == text


@given(st.text(st.characters(exclude_categories=())))
def test_any_arguments_have_a_text(written: str) -> None:
    assert isinstance(text_of(written), str)


@pytest.mark.parametrize(
    ("tools", "found"),
    [
        ([{"type": "custom", "name": "a"}, {"type": "function", "name": "b"}, {"type": "new"}], {"a"}),
        (None, set()),
        ([5], set()),
        (5, set()),
    ],
)
def test_the_request_tells_which_tools_are_custom(tools: object, found: set[str]) -> None:
    assert names({"tools": msgspec.Raw(json.dumps(tools).encode())}) == found
    assert names({}) == frozenset()
