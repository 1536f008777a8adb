import json
from typing import Any

import pytest
from tieline_router.wire.readers.parts import look


@pytest.mark.parametrize(
    ("items", "modalities"),
    [
        ([], {"text"}),
        ([{"content": "image_url"}], {"text"}),
        ([{"content": ["image_url", {"type": "image_url"}]}], {"text", "image"}),
        ([{"content": [{"type": "tool_result", "content": [{"type": "document"}]}]}], {"text", "file"}),
        ([{"content": [{"type": ["image_url"]}]}], {"text"}),
        ([{"type": "input_image"}, 7, []], {"text", "image"}),
    ],
)
def test_parts_are_found_where_an_api_has_them(items: list[Any], modalities: set[str]) -> None:
    assert look(json.dumps(items).encode())[1] == modalities


def test_depth_is_bounded() -> None:
    deep: list[Any] = [{"type": "image"}]
    for _ in range(5):
        deep = [{"content": deep}]
    assert look(json.dumps(deep).encode())[1] == {"text"}


def test_tokens_are_those_of_all_parts_of_the_prompt() -> None:
    assert look(b"[" + b" " * 39, b"x" * 40)[0] == 20
    assert look(b"[[" + b" " * 38, b"x" * 40)[0] == 20
