import json
from typing import Any

import pytest
from tieline_router.apis import CHAT, PathTree
from tieline_router.errors import ErrorClass
from tieline_router.wire.request import ApiRequest, BadRequest, read_request

MESSAGES = [{"role": "user", "content": "Hi"}]


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode()


def read_chat(data: bytes, tree: PathTree = "openai") -> ApiRequest:
    return read_request(CHAT, data, tree)


BAD: list[tuple[bytes, ErrorClass, str | None, str]] = [
    (b"", ErrorClass.INVALID_JSON, None, "empty"),
    (b"{", ErrorClass.INVALID_JSON, None, "truncated"),
    (b"{'model': 'm'}", ErrorClass.INVALID_JSON, None, "byte 1"),
    (b'{"model": "m"} x', ErrorClass.INVALID_JSON, None, "trailing"),
    (b"[]", ErrorClass.INVALID_JSON, None, "must be a JSON object"),
    (b'"text"', ErrorClass.INVALID_JSON, None, "must be a JSON object"),
    (b'{"model": NaN}', ErrorClass.INVALID_JSON, None, "byte 10"),
    (b'{"model": "m", "messages": [], "x": "\xff"}', ErrorClass.INVALID_JSON, None, "UTF-8 (byte 37)"),
    (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", ErrorClass.NESTING_TOO_DEEP, None, "too deeply"),
    (b'{"messages": []}', ErrorClass.MISSING_FIELD, "model", "model is missing"),
    (b'{"model": "m"}', ErrorClass.MISSING_FIELD, "messages", "messages is missing"),
    (body(model=7), ErrorClass.INVALID_TYPE, "model", "a string (expected str, got int)"),
    (body(model=""), ErrorClass.INVALID_TYPE, "model", "must not be empty"),
    (body(model=None), ErrorClass.INVALID_TYPE, "model", "a string"),
    (body(messages="Hi"), ErrorClass.INVALID_TYPE, "messages", "an array"),
    (body(messages=None), ErrorClass.INVALID_TYPE, "messages", "an array"),
    (body(stream="yes"), ErrorClass.INVALID_TYPE, "stream", "true or false"),
    (body(stream=1), ErrorClass.INVALID_TYPE, "stream", "true or false"),
    (body(max_tokens="10"), ErrorClass.INVALID_TYPE, "max_tokens", "an integer"),
    (body(max_tokens=0), ErrorClass.INVALID_TYPE, "max_tokens", "between 1"),
    (body(max_tokens=True), ErrorClass.INVALID_TYPE, "max_tokens", "an integer"),
    (body(max_completion_tokens=1.5), ErrorClass.INVALID_TYPE, "max_completion_tokens", "an integer"),
    (body(n=0), ErrorClass.INVALID_TYPE, "n", "between 1 and 128"),
    (body(n=10**30), ErrorClass.INVALID_TYPE, "n", "between 1 and 128, not 1000"),
    (body(tools={}), ErrorClass.INVALID_TYPE, "tools", "an array"),
    (body(stream_options=[]), ErrorClass.INVALID_TYPE, "stream_options", "an object"),
    (body(stream_options={"include_usage": 1}), ErrorClass.INVALID_TYPE, "stream_options", "true or false"),
    (body(response_format="json"), ErrorClass.INVALID_TYPE, "response_format", "an object"),
    (body(modalities=[1]), ErrorClass.INVALID_TYPE, "modalities", "an array of strings"),
    (b'{"model": "\\ud800", "messages": []}', ErrorClass.INVALID_JSON, None, "not valid JSON"),
    (body(provider=[]), ErrorClass.INVALID_TYPE, "provider", "an object"),
]


@pytest.mark.parametrize(("data", "error", "param", "words"), BAD, ids=[f"{item[3]}-{item[2]}" for item in BAD])
def test_bad_bodies_are_refused_by_name(data: bytes, error: ErrorClass, param: str | None, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_chat(data)
    assert (refused.value.error, refused.value.param) == (error, param)
    assert words in str(refused.value)


def test_what_routing_reads() -> None:
    request = read_chat(
        body(
            stream=True,
            max_tokens=10,
            max_completion_tokens=20,
            n=2,
            tools=[{"type": "function"}],
            tool_choice="required",
            response_format={"type": "json_schema", "json_schema": {}},
            stream_options={"include_usage": True},
        )
    )
    view = request.view
    assert (view.model, view.stream, view.max_tokens, view.n, view.tree) == ("m", True, 20, 2, "openai")
    assert view.parameters == {"tools", "tool_choice", "structured_outputs"}
    assert request.include_usage
    assert view.prompt_tokens == -(-len(json.dumps(MESSAGES) + json.dumps([{"type": "function"}])) // 4)


def test_null_is_as_good_as_absent() -> None:
    absent = read_chat(body())
    null = read_chat(
        body(stream=None, max_tokens=None, n=None, tools=None, stream_options=None, response_format=None, provider=None)
    )
    assert null.view == absent.view


@pytest.mark.parametrize(
    ("part", "modality"),
    [
        ({"type": "image_url", "image_url": {"url": "https://x/a.png"}}, "image"),
        ({"type": "input_audio", "input_audio": {"data": "AA"}}, "audio"),
        ({"type": "video_url", "video_url": {}}, "video"),
        ({"type": "file", "file": {}}, "file"),
    ],
)
def test_modalities_are_read_from_the_parts(part: dict[str, Any], modality: str) -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "look"}, part]}]
    assert read_chat(body(messages=messages)).view.input_modalities == {"text", modality}


@pytest.mark.parametrize(
    "messages",
    [[{"role": "user", "content": 'say "image_url"'}], [{"content": {"image_url": 1}}], [["image_url"]], [{"file": 1}]],
)
def test_words_that_look_like_parts_are_none(messages: list[Any]) -> None:
    assert read_chat(body(messages=messages)).view.input_modalities == {"text"}


def test_output_modalities() -> None:
    assert read_chat(body(modalities=["text", "audio"])).view.output_modalities == {"text", "audio"}


@pytest.mark.parametrize(
    ("options", "openai", "openrouter"),
    [
        ({}, False, True),
        ({"stream_options": None}, False, True),
        ({"stream_options": {}}, False, True),
        ({"stream_options": {"include_usage": None}}, False, True),
        ({"stream_options": {"include_usage": True}}, True, True),
        ({"stream_options": {"include_usage": False}}, False, False),
    ],
)
def test_who_gets_usage(options: dict[str, Any], openai: bool, openrouter: bool) -> None:
    assert read_chat(body(stream=True, **options), "openai").include_usage is openai
    assert read_chat(body(stream=True, **options), "openrouter").include_usage is openrouter


def test_text_with_brackets_is_weighed_like_any_other() -> None:
    plain, odd = ([{"role": "user", "content": "x" * 99 + sign}] for sign in ("-", "["))
    assert read_chat(body(messages=plain)).view.prompt_tokens == read_chat(body(messages=odd)).view.prompt_tokens


def test_inline_media_weigh_nothing() -> None:
    part = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 90_000}}
    view = read_chat(body(messages=[{"role": "user", "content": [part]}])).view
    assert view.prompt_tokens < 100


def test_tools_of_both_times_are_needed() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    assert read_chat(body(tools=[tool])).view.parameters == {"tools"}
    assert read_chat(body(functions=[{"name": "f"}], function_call={"name": "f"})).view.parameters == {
        "tools",
        "tool_choice",
    }
    assert read_chat(body(tools=[])).view.parameters == frozenset()
