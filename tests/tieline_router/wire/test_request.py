import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tieline_router.apis import CHAT, OPERATIONS, TRANSLATIONS, Body, Operation, PathTree
from tieline_router.wire.request import ApiRequest, BadRequest, attempt_body, read_request

JSON_OPERATIONS = [operation for operation in OPERATIONS.values() if operation.body is Body.JSON]
MULTIPART_OPERATIONS = [operation for operation in OPERATIONS.values() if operation.body is Body.MULTIPART]
MULTIPART = "multipart/form-data; boundary=b"

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = [
    "model", "messages", "prompt", "input", "stream", "stream_options", "max_tokens", "max_completion_tokens",
    "max_output_tokens", "n", "best_of", "echo", "suffix", "tools", "tool_choice", "functions", "function_call",
    "response_format", "modalities", "provider", "store", "background", "conversation", "previous_response_id",
    "instructions", "text", "system", "thinking", "output_config", "metadata", "user", "dimensions",
    "encoding_format",
]  # fmt: skip
names = st.sampled_from(NAMES)
likely = {"model": "m", "messages": [], "prompt": "p", "input": "i", "max_tokens": 5}


def read_and_send(operation: Operation, body: bytes, content_type: str = "application/json") -> None:
    trees: tuple[PathTree, ...] = ("openai", "openrouter")
    for tree in trees:
        with contextlib.suppress(BadRequest):
            request = read_request(operation, body, tree, content_type)
            assert isinstance(request, ApiRequest)
            assert request.view.model
            assert request.view.prompt_tokens >= 0
            assert request.view.n >= 1
            for provider in (operation, *TRANSLATIONS.get(operation, ())):
                with contextlib.suppress(BadRequest):
                    made = attempt_body(request, provider, "up", ask_usage=True, identity_salt="s")
                    assert operation.body is not Body.JSON or json.loads(made.body)["model"] == "up"


@given(operation=st.sampled_from(list(OPERATIONS.values())), body=st.binary(), content_type=st.text(max_size=40))
def test_any_bytes_are_a_request_or_refused(operation: Operation, body: bytes, content_type: str) -> None:
    read_and_send(operation, body, content_type)
    read_and_send(operation, body, MULTIPART)


@given(operation=st.sampled_from(JSON_OPERATIONS), fields=st.dictionaries(names, values, max_size=6))
def test_any_json_is_a_request_or_refused(operation: Operation, fields: dict[str, Any]) -> None:
    read_and_send(operation, json.dumps(likely | fields).encode())
    read_and_send(operation, json.dumps(fields).encode())


@given(
    operation=st.sampled_from(JSON_OPERATIONS),
    broken=st.sampled_from(sorted(likely)),
    value=st.sampled_from(
        ['"\\ud800"', "[" * 3000 + "]" * 3000, '{"a":' * 3000 + "1" + "}" * 3000, '"\\u0000"', "1e999"]
    ),
)
def test_json_at_its_edges_is_a_request_or_refused(operation: Operation, broken: str, value: str) -> None:
    fields = {name: json.dumps(known) for name, known in likely.items()} | {broken: value}
    read_and_send(operation, ("{" + ",".join(f'"{name}":{raw}' for name, raw in fields.items()) + "}").encode())


lines = st.sampled_from(
    [b"--b", b"--b--", b"", b"x", b'Content-Disposition: form-data; name="model"', b"m", b"--bc", b"Content-Type: a/b",
     b'Content-Disposition: form-data; name="file"; filename="a"']
)  # fmt: skip


@given(
    operation=st.sampled_from(MULTIPART_OPERATIONS),
    parts=st.lists(lines, max_size=14),
    end=st.sampled_from([b"\r\n", b"\n", b"\r"]),
)
def test_anything_like_multipart_is_a_request_or_refused(operation: Operation, parts: list[bytes], end: bytes) -> None:
    read_and_send(operation, end.join(parts), MULTIPART)


def test_every_operation_has_a_reader() -> None:
    for operation in JSON_OPERATIONS:
        view = read_request(operation, json.dumps(likely).encode(), "openai").view
        assert (view.operation, view.model) == (operation, "m")


@pytest.mark.parametrize("tree", ["openai", "openrouter"])
def test_harmless_fields_of_old_clients_are_taken(tree: Any) -> None:
    old = {"route": "fallback", "transforms": ["middle-out"], "usage": {"include": True}, "models": ["a", "b"]}
    assert read_request(CHAT, json.dumps(likely | old).encode(), tree).view.model == "m"


def test_rules_that_restrict_are_refused_in_every_api() -> None:
    for operation in JSON_OPERATIONS:
        with pytest.raises(BadRequest, match="not served yet"):
            read_request(operation, json.dumps(likely | {"provider": {"zdr": True}}).encode(), "openrouter")
