import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.apis import PathTree
from tieline_router.errors import ErrorClass
from tieline_router.wire.chat import ROUTER_ONLY, BadRequest, attempt_body, hashed_identity, read_chat

MESSAGES = [{"role": "user", "content": "Hi"}]


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "m", "messages": MESSAGES, **fields}).encode()


def sent(fields: bytes, *, ask_usage: bool = True, identity_salt: str | None = None) -> Any:
    request = read_chat(fields)
    return json.loads(attempt_body(request, "upstream-m", ask_usage=ask_usage, identity_salt=identity_salt))


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
    (body(provider=[]), ErrorClass.INVALID_TYPE, "provider", "an object"),
]


@pytest.mark.parametrize(("data", "error", "param", "words"), BAD, ids=[f"{item[3]}-{item[2]}" for item in BAD])
def test_bad_bodies_are_refused_by_name(data: bytes, error: ErrorClass, param: str | None, words: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_chat(data)
    assert (refused.value.error, refused.value.param) == (error, param)
    assert words in str(refused.value)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner, max_size=3)))
def test_any_value_in_any_field_is_read_or_refused(value: Any) -> None:
    for field in ("model", "messages", "stream", "max_tokens", "n", "tools", "stream_options", "provider", "x"):
        with contextlib.suppress(BadRequest):
            read_chat(body(**{field: value}))


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


@pytest.mark.parametrize(("tree", "usage"), [("openai", False), ("openrouter", True)])
def test_usage_always_comes_under_openrouters_contract(tree: PathTree, usage: bool) -> None:
    assert read_chat(body(stream=True), tree).include_usage is usage


def test_the_last_of_duplicate_keys_counts_for_both_sides() -> None:
    data = b'{"model": "cheap", "messages": [], "max_tokens": 1, "model": "m", "max_tokens": 9}'
    request = read_chat(data)
    assert (request.view.model, request.view.max_tokens) == ("m", 9)
    assert attempt_body(request, "up", ask_usage=True, identity_salt=None).count(b"max_tokens") == 1


def test_values_that_nobody_reads_keep_their_bytes() -> None:
    odd = b'{"model":"m","messages":[],"seed":1e2,"logit_bias":{ "1" : 0.10 },"stop":"\\u00e9"}'
    out = attempt_body(read_chat(odd), "up", ask_usage=True, identity_salt=None)
    assert out == odd.replace(b'"m"', b'"up"', 1)


def test_fields_for_a_router_stay_here() -> None:
    harmless: dict[str, Any] = dict.fromkeys(ROUTER_ONLY, None)
    assert sent(body(**harmless, temperature=1)) == {"model": "upstream-m", "messages": MESSAGES, "temperature": 1}


def test_usage_is_asked_for_beside_what_the_client_asked() -> None:
    options = {"include_usage": False, "include_obfuscation": True}
    assert sent(body(stream=True, stream_options=options))["stream_options"] == {**options, "include_usage": True}
    assert sent(body(stream=True, stream_options=None))["stream_options"] == {"include_usage": True}
    assert "stream_options" not in sent(body(stream=True, stream_options=options), ask_usage=False)
    assert "stream_options" not in sent(body())


def test_the_end_user_is_a_pseudonym_outside() -> None:
    fields = body(user="ann@example.com", safety_identifier="ann", prompt_cache_key="k")
    inside, outside = sent(fields), sent(fields, identity_salt="here")
    assert (inside["user"], inside["safety_identifier"]) == ("ann@example.com", "ann")
    assert outside["user"] == hashed_identity("here", b'"ann@example.com"')
    assert outside["user"] != sent(fields, identity_salt="there")["user"]
    assert "ann" not in json.dumps(outside)
    assert outside["prompt_cache_key"] == "k"
    assert sent(body(user=None), identity_salt="here")["user"] is None
