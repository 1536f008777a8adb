"""The well-formed answer to a request, whatever API its path names: what every fault in `replies` starts from. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

from tests.support import anthropic_answers, completions_answers, openai_answers, responses_answers
from tests.support.openai_answers import DONE, GREETING, Answer, Asked, error_body, event

ANSWERS: Mapping[str, Callable[[Asked, str, int, str | None], Answer]] = {
    "/chat/completions": openai_answers.answer,
    "/completions": completions_answers.answer,
    "/responses": responses_answers.answer,
    "/messages": anthropic_answers.answer,
    "/embeddings": completions_answers.embeddings,
}
"""By the path below the prefix."""
TERMINATORS = {DONE, anthropic_answers.STOP}
"""Events that end a stream and prove nothing; Responses have none."""


def answer(asked: Asked, text: str = GREETING, chunks: int = 3, finish_reason: str | None = "stop") -> Answer:
    """The well-formed answer; `finish_reason` in chat's words, None: it has none."""
    return ANSWERS[asked.path](asked, text, chunks, finish_reason)


def error_answer(asked: Asked, message: str, code: int) -> bytes:
    """The body of an error in the API's shape."""
    if asked.path == "/messages":
        return json.dumps(anthropic_answers.error(message)).encode()
    return error_body(message, "server_error", code)


def error_event(asked: Asked, message: str, code: int) -> bytes:
    """An error as an event of the API's stream."""
    match asked.path:
        case "/messages":
            return anthropic_answers.named(anthropic_answers.error(message))
        case "/responses":
            return responses_answers.failed(asked, message)
    return event(error_body(message, "server_error", code))
