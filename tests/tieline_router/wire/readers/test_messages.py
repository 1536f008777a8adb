import json
from typing import Any

import pytest
from tieline_router.apis import COUNT_TOKENS, MESSAGES, Operation, PathTree
from tieline_router.errors import ErrorClass
from tieline_router.routing.view import RequestView
from tieline_router.wire.request import BadRequest, read_request

SAID = [{"role": "user", "content": "Hi"}]
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def view(operation: Operation = MESSAGES, tree: PathTree = "openai", **fields: Any) -> RequestView:
    whole = {"model": "m", "messages": SAID, "max_tokens": 5} | fields
    data = {name: value for name, value in whole.items() if value is not ...}
    return read_request(operation, json.dumps(data).encode(), tree).view


def test_what_routing_reads() -> None:
    found = view(
        stream=True,
        tools=[TOOL],
        tool_choice={"type": "any"},
        output_config={"format": {"type": "json_schema", "schema": {}}},
        thinking={"type": "adaptive"},
    )
    assert (found.operation, found.stream, found.max_tokens) == (MESSAGES, True, 5)
    assert found.parameters == {"tools", "tool_choice", "structured_outputs"}


@pytest.mark.parametrize("choice", [None, {"type": "auto"}, {"type": "none"}])
def test_free_choice_of_tools_needs_nothing(choice: Any) -> None:
    assert view(tools=[TOOL], tool_choice=choice).parameters == {"tools"}


def test_max_tokens_are_wanted_as_each_contract_says() -> None:
    with pytest.raises(BadRequest, match="max_tokens is missing"):
        view(max_tokens=...)
    assert view(tree="openrouter", max_tokens=...).max_tokens is None
    assert view(COUNT_TOKENS, max_tokens=...).max_tokens is None


def test_a_count_of_tokens_is_no_stream() -> None:
    assert not view(COUNT_TOKENS, stream=True).stream


@pytest.mark.parametrize(
    ("part", "modality"),
    [
        ({"type": "image", "source": {"type": "url", "url": "https://x"}}, "image"),
        ({"type": "document", "source": {"type": "url", "url": "https://x"}}, "file"),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "image"}]}, "image"),
    ],
)
def test_modalities_are_read_from_the_parts(part: dict[str, Any], modality: str) -> None:
    assert view(messages=[{"role": "user", "content": [part]}]).input_modalities == {"text", modality}


def test_system_and_tools_are_prompt_too_and_media_are_not() -> None:
    assert view(system="x" * 400).prompt_tokens > 100
    assert view(system=[{"type": "text", "text": "x" * 400}]).prompt_tokens > 100
    assert view(tools=[{**TOOL, "description": "x" * 400}]).prompt_tokens > 100
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "A" * 90_000}}
    assert view(messages=[{"role": "user", "content": [image]}]).prompt_tokens < 100


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"model": ...}, ErrorClass.MISSING_FIELD, "model"),
        ({"messages": ...}, ErrorClass.MISSING_FIELD, "messages"),
        ({"messages": "Hi"}, ErrorClass.INVALID_TYPE, "messages"),
        ({"max_tokens": -1}, ErrorClass.INVALID_TYPE, "max_tokens"),
        ({"system": 7}, ErrorClass.INVALID_TYPE, "system"),
        ({"tools": {}}, ErrorClass.INVALID_TYPE, "tools"),
        ({"tool_choice": "auto"}, ErrorClass.INVALID_TYPE, "tool_choice"),
        ({"thinking": True}, ErrorClass.INVALID_TYPE, "thinking"),
        ({"stream": 1}, ErrorClass.INVALID_TYPE, "stream"),
    ],
)
def test_bad_fields_are_refused_by_name(fields: dict[str, Any], error: ErrorClass, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        view(**fields)
    assert (refused.value.error, refused.value.param) == (error, param)
