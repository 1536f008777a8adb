import json
from collections.abc import Callable
from typing import Any

import anthropic
import httpx
import openai
import pytest
from anthropic.types import ErrorResponse
from openai.types import Completion
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import ResponseFailedEvent
from openrouter import components
from tieline_router.apis import CHAT, COMPLETIONS, COUNT_TOKENS, MESSAGES, RESPONSES, Dialect
from tieline_router.errors import ERRORS, ErrorClass
from tieline_router.streaming.sse import Event, SseDecoder
from tieline_router.wire.errors import (
    Problem,
    error_body,
    error_event,
    error_headers,
    error_status,
    keep_alive,
    previous_error,
    retry_after_header,
)

OPENAI, OPENROUTER = Dialect("openai", CHAT), Dialect("openrouter", CHAT)
PROBLEM = Problem(ErrorClass.STATUS_5XX, "acme fell over", provider="acme")


def event(problem: Problem, dialect: Dialect, **more: Any) -> Event:
    data = error_event(
        problem, dialect, generation_id="gen-1", model="m", provider="Acme", created=7, **{"sequence": 0, **more}
    )
    (found,) = SseDecoder().feed(data)
    return found


@pytest.mark.parametrize("error", ErrorClass)
@pytest.mark.parametrize("operation", [None, CHAT, COMPLETIONS, RESPONSES, MESSAGES, COUNT_TOKENS])
def test_every_error_has_a_body_and_an_event_in_every_dialect(error: ErrorClass, operation: Any) -> None:
    problem = Problem(error, "what happened")
    for dialect in (Dialect("openai", operation), Dialect("openrouter", operation)):
        assert 400 <= error_status(problem, dialect) < 600
        assert b"what happened" in error_body(problem, dialect, "gen-1")
        assert b"what happened" in event(problem, dialect).data


@pytest.mark.parametrize("error", [error for error in ErrorClass if ERRORS[error].status != 499])
def test_the_sdks_raise_what_their_own_service_would_make_them(error: ErrorClass) -> None:
    """The exception follows from the status; its text and words are ours."""
    problem = Problem(error, "what happened", param="stream")
    own = openai.OpenAI(api_key="k")._make_status_error
    raised = made(own, problem, OPENAI)
    assert isinstance(raised, openai.APIStatusError)
    assert (raised.code, raised.type) == (ERRORS[error].code, ERRORS[error].type)
    dialect = Dialect("openai", MESSAGES)
    theirs = made(anthropic.Anthropic(api_key="k")._make_status_error, problem, dialect)
    assert isinstance(theirs, anthropic.APIStatusError)
    assert theirs.type is not None
    if error is not ErrorClass.BODY_TOO_LARGE:  # `request_too_large` is in Anthropic's docs, not in its SDK's types
        ErrorResponse.model_validate(theirs.body)


def made(make: Callable[..., Any], problem: Problem, dialect: Dialect) -> Any:
    body = json.loads(error_body(problem, dialect, "gen-1"))
    request = httpx.Request("POST", "http://router/")
    response = httpx.Response(error_status(problem, dialect), json=body, request=request)
    return make("text", body=body.get("error") if dialect.operation is CHAT else body, response=response)


def test_openais_shape() -> None:
    availability = {"code": "constraint_filtered", "excluded_by": ["geo"]}
    problem = Problem(ErrorClass.NO_PERMITTED_BACKEND, "nobody may", param="model", availability=availability)
    assert json.loads(error_body(problem, OPENAI)) == {
        "error": {
            "message": "nobody may",
            "type": "invalid_request_error",
            "param": "model",
            "code": "no_permitted_backend",
            "availability": availability,
        }
    }


def test_openrouters_shape() -> None:
    previous = {"provider": "acme", "code": "status_5xx", "status": 500}
    problem = PROBLEM._replace(param="model", previous=(previous,), raw='{"secret":1}')
    error = json.loads(error_body(problem, OPENROUTER))["error"]
    assert error == {
        "code": 502,
        "message": "acme fell over",
        "metadata": {
            "error_type": "provider_unavailable",
            "reason": "status_5xx",
            "param": "model",
            "provider_name": "acme",
            "previous_errors": [previous],
        },
    }
    components.BadGatewayResponseErrorData.model_validate(error)


def test_an_attempt_that_failed_says_what_the_provider_answered() -> None:
    known = previous_error("acme", ErrorClass.STATUS_5XX, 529)
    assert known == {"provider": "acme", "code": "status_5xx", "status": 529}
    assert previous_error("acme", ErrorClass.CONNECT_TIMEOUT)["status"] == 504


def test_a_providers_own_words_are_for_those_whose_fault_it_is() -> None:
    problem = Problem(ErrorClass.CONTEXT_LENGTH, "too long", raw='{"error":"8193 > 8192"}')
    metadata = json.loads(error_body(problem, OPENROUTER))["error"]["metadata"]
    assert metadata["raw"] == '{"error":"8193 > 8192"}'
    assert metadata["error_type"] == "context_length_exceeded"
    assert b"8193" not in error_body(problem._replace(error=ErrorClass.STATUS_401_402_403), OPENROUTER)


def test_anthropics_shape() -> None:
    problem = Problem(ErrorClass.INVALID_TYPE, "max_tokens must be an integer", param="max_tokens")
    body = json.loads(error_body(problem, Dialect("openai", MESSAGES), "gen-1"))
    assert body == {
        "type": "error",
        "error": {"type": "invalid_request_error", "message": "max_tokens must be an integer"},
        "request_id": "gen-1",
    }
    ErrorResponse.model_validate(body)
    body = json.loads(error_body(problem, Dialect("openrouter", MESSAGES), "gen-1"))
    assert body["error"]["error_type"] == "invalid_request"


def test_an_unknown_model_has_the_status_of_its_contract() -> None:
    problem = Problem(ErrorClass.MODEL_NOT_FOUND, "no such model")
    assert json.loads(error_body(problem, OPENROUTER))["error"]["code"] == error_status(problem, OPENROUTER) == 400
    assert json.loads(error_body(problem, OPENAI))["error"]["code"] == "model_not_found"
    assert error_status(problem, OPENAI) == 404


@pytest.mark.parametrize(
    ("excluded", "code"),
    [
        ([], "no_endpoints"),
        (["api", "protocol"], "wrong_endpoint"),
        (["data_policy:zdr"], "privacy_restricted"),
        (["data_policy:zdr", "geo"], "constraint_filtered"),
    ],
)
def test_availability_has_the_narrowest_word(excluded: list[str], code: str) -> None:
    found = {"code": "constraint_filtered", "excluded_by": excluded}
    body = error_body(Problem(ErrorClass.NO_PERMITTED_BACKEND, "nobody", availability=found), OPENROUTER)
    assert json.loads(body)["error"]["availability"] == {"code": code, "excluded_by": excluded}


# -- in-band ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tree", ["openai", "openrouter"])
def test_a_chat_stream_ends_with_a_whole_chunk(tree: Any) -> None:
    data = json.loads(event(PROBLEM, Dialect(tree, CHAT)).data)
    ChatCompletionChunk.model_validate({**data, "choices": []})
    assert (data["id"], data["model"], data["provider"]) == ("gen-1", "m", "Acme")
    assert data["choices"][0]["finish_reason"] == "error"
    assert data["error"] == json.loads(error_body(PROBLEM, Dialect(tree, CHAT)))["error"]


def test_openrouters_client_reads_the_chunk() -> None:
    chunk = components.ChatStreamChunk.model_validate_json(event(PROBLEM, OPENROUTER).data)
    assert chunk.error is not None
    assert (chunk.error.code, chunk.choices[0].finish_reason) == (502, "error")


def test_a_completions_stream_ends_with_a_whole_chunk() -> None:
    data = json.loads(event(PROBLEM, Dialect("openai", COMPLETIONS)).data)
    Completion.model_validate({**data, "choices": []})
    assert data["choices"][0] == {
        "index": 0,
        "text": "",
        "logprobs": None,
        "finish_reason": "error",
        "native_finish_reason": None,
    }


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ErrorClass.STATUS_5XX, "server_error"),
        (ErrorClass.STATUS_429, "rate_limit_exceeded"),
        (ErrorClass.CONTENT_POLICY, "invalid_prompt"),
    ],
)
@pytest.mark.parametrize("tree", ["openai", "openrouter"])
def test_a_responses_stream_ends_with_a_failed_response(tree: Any, error: ErrorClass, code: str) -> None:
    found = event(Problem(error, "no more"), Dialect(tree, RESPONSES), sequence=12)
    assert found.name == "response.failed"
    failed = ResponseFailedEvent.model_validate_json(found.data, strict=True)
    assert (failed.sequence_number, failed.response.id, failed.response.status) == (12, "gen-1", "failed")
    assert failed.response.error is not None
    assert (failed.response.error.code, failed.response.error.message) == (code, "no more")
    if tree == "openrouter":
        components.StreamEventsResponseFailed.model_validate_json(found.data)
        assert json.loads(found.data)["response"]["error_type"] == ERRORS[error].openrouter_type


def test_a_messages_stream_ends_with_an_error_event() -> None:
    dialect = Dialect("openai", MESSAGES)
    found = event(PROBLEM, dialect)
    assert found.name == "error"
    assert found.data == error_body(PROBLEM, dialect, "gen-1")


@pytest.mark.parametrize(
    ("dialect", "sign"),
    [
        (OPENAI, b": tieline keep-alive\n\n"),
        (OPENROUTER, b": OPENROUTER PROCESSING\n\n"),
        (Dialect("openrouter", RESPONSES), b": OPENROUTER PROCESSING\n\n"),
        (Dialect("openai", MESSAGES), b'event: ping\ndata: {"type":"ping"}\n\n'),
        (Dialect("openrouter", MESSAGES), b'event: ping\ndata: {"type":"ping"}\n\n'),
    ],
)
def test_signs_of_life(dialect: Dialect, sign: bytes) -> None:
    assert keep_alive(dialect) == sign


# -- headers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (ErrorClass.STATUS_429, "true"),
        (ErrorClass.CAPACITY_EXHAUSTED, "true"),
        (ErrorClass.CREDENTIALS_UNAVAILABLE, "true"),
        (ErrorClass.STATUS_5XX, None),
        (ErrorClass.INVALID_TYPE, None),
        (ErrorClass.STATUS_401_402_403, "false"),
        (ErrorClass.STATUS_404_MODEL, "false"),
        (ErrorClass.ANSWER_TOO_LARGE, "false"),
        (ErrorClass.TIMEOUT_TOTAL, "false"),
        (ErrorClass.INTERNAL, "false"),
    ],
)
def test_clients_are_told_whether_to_try_again(error: ErrorClass, again: str | None) -> None:
    assert error_headers(Problem(error, "no"), OPENAI).get("x-should-retry") == again


def test_how_long_to_wait() -> None:
    headers = error_headers(Problem(ErrorClass.STATUS_429, "wait", retry_after=1.2505), OPENAI)
    assert headers == {"Retry-After": "2", "retry-after-ms": "1251", "x-should-retry": "true"}
    assert "Retry-After" not in error_headers(Problem(ErrorClass.STATUS_429, "wait"), OPENAI)


def test_headers_that_http_wants() -> None:
    assert error_headers(Problem(ErrorClass.INVALID_KEY, "who?"), OPENAI) == {"WWW-Authenticate": "Bearer"}
    problem = Problem(ErrorClass.METHOD_NOT_ALLOWED, "no", param="GET, HEAD")
    assert error_headers(problem, OPENAI) == {"Allow": "GET, HEAD"}
    assert json.loads(error_body(problem, OPENAI))["error"]["param"] is None


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (60.0, "60")])
def test_retry_after_is_whole_seconds_rounded_up(seconds: float, header: str) -> None:
    assert retry_after_header(seconds) == header
