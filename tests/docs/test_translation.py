"""docs/translation.md has every field that a translation may leave out, and the default that it makes up."""

from __future__ import annotations

from pathlib import Path

import pytest
from tieline_router.apis import ROUTER_ONLY
from tieline_router.translate import chat_over_messages, chat_over_responses, messages_over_chat, responses_over_chat

PAGE = (Path(__file__).parents[2] / "docs" / "translation.md").read_text()


def section(title: str) -> str:
    return PAGE.partition(f"### {title}\n")[2].partition("\n#")[0]


@pytest.mark.parametrize(
    ("title", "fields"),
    [
        ("Left out and named in the log", chat_over_messages.DROPPABLE | messages_over_chat.DROPPABLE),
        (
            "Left out between Responses and chat, and named in the log",
            chat_over_responses.DROPPABLE | responses_over_chat.DROPPABLE,
        ),
        (
            "Left out without a word, since the answer is the same",
            (chat_over_messages.HARMLESS | messages_over_chat.HARMLESS) - ROUTER_ONLY,
        ),
    ],
)
def test_every_field_that_may_be_left_out_is_told(title: str, fields: frozenset[str]) -> None:
    assert {field for field in fields if f"`{field}`" not in section(title)} == set()


def test_the_made_up_max_tokens_is_told() -> None:
    assert f"else {chat_over_messages.DEFAULT_MAX_TOKENS} " in PAGE
