import json
from typing import Any

import pytest
from tieline_router.apis import RESPONSES
from tieline_router.errors import ErrorClass
from tieline_router.routing.view import RequestView
from tieline_router.wire.request import BadRequest, read_request

TOOL = {"type": "function", "name": "f", "parameters": {}}


def view(**fields: Any) -> RequestView:
    data = {name: value for name, value in ({"model": "m", "input": "Hi"} | fields).items() if value is not ...}
    return read_request(RESPONSES, json.dumps(data).encode(), "openai").view


def test_what_routing_reads() -> None:
    found = view(
        stream=True,
        max_output_tokens=9,
        tools=[TOOL],
        tool_choice="required",
        text={"format": {"type": "json_schema", "schema": {}}, "verbosity": "low"},
    )
    assert (found.operation, found.stream, found.max_tokens, found.n) == (RESPONSES, True, 9, 1)
    assert found.parameters == {"tools", "tool_choice", "structured_outputs"}
    assert view(text={"verbosity": "low"}, tool_choice="auto").parameters == frozenset()


def test_instructions_and_tools_are_prompt_too() -> None:
    assert view(instructions="x" * 400).prompt_tokens > 100
    assert view(tools=[{**TOOL, "description": "x" * 400}]).prompt_tokens > 100


@pytest.mark.parametrize(
    ("items", "modalities"),
    [
        ([{"role": "user", "content": "Hi"}], {"text"}),
        ([{"role": "user", "content": [{"type": "input_text", "text": "[input_image]"}]}], {"text"}),
        ([{"role": "user", "content": [{"type": "input_image", "image_url": "https://x"}]}], {"text", "image"}),
        ([{"role": "user", "content": [{"type": "input_file", "file_id": "f"}]}], {"text", "file"}),
        ([{"type": "function_call_output", "output": [{"type": "input_image"}]}], {"text", "image"}),
        (["odd", {"role": "user", "content": [{"type": "input_image"}, 7]}, 7], {"text", "image"}),
    ],
)
def test_modalities_are_read_from_the_parts(items: list[Any], modalities: set[str]) -> None:
    assert view(input=items).input_modalities == modalities


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("store", True, "send `store: false`"),
        ("background", True, "use `stream: true`"),
        ("previous_response_id", "resp_1", "send the whole conversation"),
        ("conversation", "conv_1", "send the whole conversation"),
        ("conversation", {"id": "conv_1"}, "send the whole conversation"),
    ],
)
def test_nothing_is_stored_here(field: str, value: Any, words: str) -> None:
    with pytest.raises(BadRequest, match=words) as refused:
        view(**{field: value})
    assert (refused.value.error, refused.value.param) == (ErrorClass.UNSUPPORTED_PARAMETER, field)


def test_what_asks_for_no_state_passes() -> None:
    view(store=False, background=False, previous_response_id=None, conversation=None)
    view(store=None, background=None)


def test_a_template_brings_its_own_input() -> None:
    assert view(input=..., prompt={"id": "pmpt_1"}).input_modalities == {"text"}


@pytest.mark.parametrize(
    ("fields", "error", "param"),
    [
        ({"input": ...}, ErrorClass.MISSING_FIELD, "input"),
        ({"input": {}}, ErrorClass.INVALID_TYPE, "input"),
        ({"stream": "yes"}, ErrorClass.INVALID_TYPE, "stream"),
        ({"store": "yes"}, ErrorClass.INVALID_TYPE, "store"),
        ({"max_output_tokens": 0}, ErrorClass.INVALID_TYPE, "max_output_tokens"),
        ({"instructions": 7}, ErrorClass.INVALID_TYPE, "instructions"),
        ({"tools": {}}, ErrorClass.INVALID_TYPE, "tools"),
        ({"text": {"format": {}}}, ErrorClass.INVALID_TYPE, "text"),
    ],
)
def test_bad_fields_are_refused_by_name(fields: dict[str, Any], error: ErrorClass, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        view(**fields)
    assert (refused.value.error, refused.value.param) == (error, param)
