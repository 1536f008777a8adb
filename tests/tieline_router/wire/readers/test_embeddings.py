import json
from typing import Any

import pytest
from tieline_router.apis import EMBEDDINGS
from tieline_router.errors import ErrorClass
from tieline_router.routing.view import RequestView
from tieline_router.wire.request import BadRequest, read_request


def view(**fields: Any) -> RequestView:
    data = {name: value for name, value in ({"model": "m", "input": "Hi"} | fields).items() if value is not ...}
    return read_request(EMBEDDINGS, json.dumps(data).encode(), "openai").view


@pytest.mark.parametrize(
    ("given", "tokens"), [("x" * 38, 10), (["x" * 36], 10), ([7, 8], 2), ([[7, 8], [9]], 3), ([], 1)]
)
def test_every_form_of_input(given: Any, tokens: int) -> None:
    found = view(input=given, dimensions=256, encoding_format="base64")
    assert (found.prompt_tokens, found.input_modalities) == (tokens, frozenset({"text"}))


def test_no_modality_of_output_is_asked_for() -> None:
    """What comes out is what the API is for; a pool need not state it twice."""
    assert view().output_modalities == frozenset()


def test_openrouters_objects_have_parts() -> None:
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "https://x/a.png"}}]
    assert view(input=[{"content": parts}]).input_modalities == {"text", "image"}


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"input": ...}, ErrorClass.MISSING_FIELD, "input"),
        ({"input": 7}, ErrorClass.INVALID_TYPE, "input"),
        ({"dimensions": 0}, ErrorClass.INVALID_TYPE, "dimensions"),
        ({"dimensions": "many"}, ErrorClass.INVALID_TYPE, "dimensions"),
        ({"encoding_format": "int8"}, ErrorClass.INVALID_TYPE, "encoding_format"),
        ({"encoding_format": 7}, ErrorClass.INVALID_TYPE, "encoding_format"),
    ],
)
def test_bad_fields_are_refused_by_name(fields: dict[str, Any], error: ErrorClass, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        view(**fields)
    assert (refused.value.error, refused.value.param) == (error, param)
