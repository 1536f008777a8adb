import json
from typing import Any

import pytest
from tieline_router.apis import COMPLETIONS
from tieline_router.errors import ErrorClass
from tieline_router.routing.view import RequestView
from tieline_router.wire.request import ApiRequest, BadRequest, read_request


def read(**fields: Any) -> ApiRequest:
    data = {name: value for name, value in ({"model": "m", "prompt": "Hi"} | fields).items() if value is not ...}
    return read_request(COMPLETIONS, json.dumps(data).encode(), "openai")


def view(**fields: Any) -> RequestView:
    return read(**fields).view


def test_what_routing_reads() -> None:
    found = view(stream=True, max_tokens=9, n=2, best_of=3, suffix="end", echo=True)
    assert (found.operation, found.stream, found.max_tokens, found.n) == (COMPLETIONS, True, 9, 2)
    assert view(max_tokens=0).max_tokens == 0, "echo alone"


@pytest.mark.parametrize(
    ("prompt", "tokens", "prompts"),
    [
        ("x" * 38, 10, 1),
        (["x" * 16, "y" * 16], 10, 2),
        ([1, 2, 3], 3, 1),
        ([[1, 2], [3, 4, 5]], 5, 2),
        ([], 1, 1),
        ("[1, 2, 3]", 3, 1),
    ],
)
def test_every_prompt_has_its_choices(prompt: Any, tokens: int, prompts: int) -> None:
    assert view(prompt=prompt, n=2).n == 2 * prompts
    assert view(prompt=prompt).prompt_tokens == tokens


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"model": ...}, ErrorClass.MISSING_FIELD, "model"),
        ({"prompt": ...}, ErrorClass.MISSING_FIELD, "prompt"),
        ({"prompt": None}, ErrorClass.MISSING_FIELD, "prompt"),
        ({"prompt": 7}, ErrorClass.INVALID_TYPE, "prompt"),
        ({"prompt": {}}, ErrorClass.INVALID_TYPE, "prompt"),
        ({"n": 0}, ErrorClass.INVALID_TYPE, "n"),
        ({"n": 3, "best_of": 2}, ErrorClass.INVALID_TYPE, "best_of"),
        ({"echo": "yes"}, ErrorClass.INVALID_TYPE, "echo"),
        ({"suffix": 7}, ErrorClass.INVALID_TYPE, "suffix"),
        ({"max_tokens": -1}, ErrorClass.INVALID_TYPE, "max_tokens"),
        ({"stream_options": 7}, ErrorClass.INVALID_TYPE, "stream_options"),
    ],
)
def test_bad_fields_are_refused_by_name(fields: dict[str, Any], error: ErrorClass, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read(**fields)
    assert (refused.value.error, refused.value.param) == (error, param)


def test_who_gets_usage() -> None:
    assert read(stream=True, stream_options={"include_usage": True}).include_usage
    assert not read(stream=True).include_usage
