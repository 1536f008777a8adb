import pytest
from tieline_router.apis import CHAT, MESSAGES
from tieline_router.runtime.admin import DEFAULT_PROMPT_TOKENS, view_of_query


def test_a_query_describes_a_request() -> None:
    view = view_of_query({"model": "m"})
    assert (view.model, view.operation, view.prompt_tokens) == ("m", CHAT, DEFAULT_PROMPT_TOKENS)
    asked = view_of_query({"model": "m", "api": "Messages", "prompt_tokens": "7", "tools": "true", "stream": "true"})
    assert (asked.operation, asked.prompt_tokens, asked.stream, asked.parameters) == (
        MESSAGES,
        7,
        True,
        frozenset({"tools"}),
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({}, "say which model"),
        ({"model": "m", "api": "Rerank"}, "api is one of ChatCompletions, .*, not 'Rerank'"),
        ({"model": "m", "prompt_tokens": "-1"}, "prompt_tokens is a whole number"),
        ({"model": "m", "stream": "yes"}, "stream is true or false"),
    ],
)
def test_a_query_that_describes_none_is_told_why(query: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        view_of_query(query)
