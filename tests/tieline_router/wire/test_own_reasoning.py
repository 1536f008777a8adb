"""Marks of ours never reach a provider that speaks the client's API; real signatures pass as they came."""

import json
from typing import Any

import msgspec
import pytest
from tieline_router.apis import CHAT, COUNT_TOKENS, MESSAGES, RESPONSES, Operation
from tieline_router.wire.own_reasoning import without_own_reasoning

OURS = {"type": "thinking", "thinking": "Hm.", "signature": "tieline:eyJ9"}
THEIRS = {"type": "thinking", "thinking": "Hm.", "signature": "EqQBCkYIARgC"}
HIDDEN = {"type": "redacted_thinking", "data": "tieline:eyJ9"}
TEXT = {"type": "text", "text": 'She said: "tieline:" is a prefix.'}
USER = {"role": "user", "content": "And now?"}


def stripped(value: Any, operation: Operation, name: str) -> Any:
    fields = {name: msgspec.Raw(json.dumps(value).encode())}
    without_own_reasoning(fields, operation)
    return json.loads(bytes(fields[name]))


@pytest.mark.parametrize("operation", [MESSAGES, COUNT_TOKENS])
def test_blocks_that_bear_our_mark_stay_here(operation: Operation) -> None:
    turn = [{"role": "assistant", "content": [OURS, THEIRS, HIDDEN, TEXT]}, USER]
    assert stripped(turn, operation, "messages") == [{"role": "assistant", "content": [THEIRS, TEXT]}, USER]


def test_a_message_that_was_nothing_else_goes_with_them() -> None:
    assert stripped([USER, {"role": "assistant", "content": [OURS]}, USER], MESSAGES, "messages") == [USER, USER]


def test_reasoning_items_that_bear_our_mark_stay_here() -> None:
    ours = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "tieline.reasoning:W10="}
    theirs = ours | {"encrypted_content": "gAAAA"}
    assert stripped([ours, theirs, USER], RESPONSES, "input") == [theirs, USER]


@pytest.mark.parametrize(
    ("operation", "name", "value"),
    [
        (CHAT, "messages", [{"role": "assistant", "content": [OURS]}]),
        (MESSAGES, "messages", [{"role": "user", "content": 'a quoted "tieline:" in a string'}]),
        (MESSAGES, "messages", [["tieline:"]]),
        (MESSAGES, "messages", "tieline:"),
        (RESPONSES, "input", "tieline.reasoning:"),
        (RESPONSES, "input", {"tieline.reasoning:": 1}),
        (MESSAGES, "messages", [THEIRS]),
    ],
)
def test_whatever_else_stays_as_it_came(operation: Operation, name: str, value: Any) -> None:
    assert stripped(value, operation, name) == value
