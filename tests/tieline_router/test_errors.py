import pytest
from tieline_router.errors import (
    ERRORS,
    Billed,
    Ejects,
    ErrorClass,
    Fault,
    NextModel,
    Retry,
    anthropic_type,
    http_status,
)


def test_every_class_has_a_row_with_a_remedy() -> None:
    assert set(ERRORS) == set(ErrorClass)
    for error, row in ERRORS.items():
        assert row.remedy.endswith((".", "?")), error
        assert row.code, error
        assert row.otel, error
        assert 400 <= row.status < 600, error


def test_codes_are_unique() -> None:
    codes = [row.code for row in ERRORS.values()]
    assert len(codes) == len(set(codes))


@pytest.mark.parametrize("error", [error for error, row in ERRORS.items() if row.fault is Fault.CALLER])
def test_the_callers_fault_is_a_status_that_official_clients_do_not_retry_for_an_hour(error: ErrorClass) -> None:
    assert 400 <= ERRORS[error].status < 500
    assert ERRORS[error].ejects is Ejects.NO


def test_a_provider_that_refuses_our_credential_is_never_shown_as_the_callers_key() -> None:
    row = ERRORS[ErrorClass.STATUS_401_402_403]
    assert row.status == 502
    assert row.fault is Fault.OPERATOR
    assert row.ejects is Ejects.NO
    assert row.openrouter_type == "provider_unavailable"
    assert anthropic_type(ErrorClass.STATUS_401_402_403) == "api_error"


def test_what_the_brief_of_retries_says() -> None:
    assert ERRORS[ErrorClass.BAD_REQUEST].retry is Retry.NO
    assert ERRORS[ErrorClass.BAD_REQUEST].next_model is NextModel.NO
    assert ERRORS[ErrorClass.EMPTY].retry is Retry.ONCE
    assert ERRORS[ErrorClass.STATUS_429].next_model is NextModel.CAPACITY
    assert ERRORS[ErrorClass.STATUS_429].ejects is Ejects.NO
    assert ERRORS[ErrorClass.CONTEXT_LENGTH].next_model is NextModel.CONTEXT_LENGTH
    assert ERRORS[ErrorClass.CONTENT_POLICY].next_model is NextModel.CONTENT_POLICY
    assert ERRORS[ErrorClass.CLIENT_DISCONNECTED].retry is Retry.NO


def test_connections_count_against_the_endpoint_and_answers_against_the_model() -> None:
    for error in (ErrorClass.CONNECT_REFUSED, ErrorClass.TLS, ErrorClass.NAME_UNRESOLVED, ErrorClass.RESET_MID_STREAM):
        assert ERRORS[error].ejects is Ejects.ENDPOINT
    for error in (
        ErrorClass.STATUS_5XX,
        ErrorClass.STATUS_404_MODEL,
        ErrorClass.TIMEOUT_FIRST_TOKEN,
        ErrorClass.GARBAGE,
    ):
        assert ERRORS[error].ejects is Ejects.MODEL


def test_nothing_is_billed_that_never_reached_a_provider() -> None:
    refused_by_us = list(ErrorClass)[list(ErrorClass).index(ErrorClass.INVALID_JSON) :]
    for error in refused_by_us:
        assert ERRORS[error].billed is Billed.NO or error is ErrorClass.INTERNAL, error
    for error in (ErrorClass.CONNECT_REFUSED, ErrorClass.NAME_UNRESOLVED, ErrorClass.STATUS_429):
        assert ERRORS[error].billed is Billed.NO
    assert ERRORS[ErrorClass.CLIENT_DISCONNECTED].billed is Billed.UNKNOWN
    assert ERRORS[ErrorClass.EMPTY].billed is Billed.YES


def test_an_unknown_model_has_each_contracts_status() -> None:
    assert http_status(ErrorClass.MODEL_NOT_FOUND, "openai") == 404
    assert http_status(ErrorClass.MODEL_NOT_FOUND, "openrouter") == 400
    assert {http_status(e, "openai") == http_status(e, "openrouter") for e in ErrorClass} == {True, False}


def test_the_types_are_openais() -> None:
    assert {row.type for row in ERRORS.values()} == {"invalid_request_error", "rate_limit_error", "server_error"}
    assert ERRORS[ErrorClass.INVALID_KEY].code == "invalid_api_key"
    assert ERRORS[ErrorClass.CONTEXT_LENGTH].code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("error", "openrouter", "anthropic"),
    [
        (ErrorClass.INVALID_KEY, "authentication", "authentication_error"),
        (ErrorClass.MODEL_NOT_ALLOWED, "permission_denied", "permission_error"),
        (ErrorClass.MODEL_NOT_FOUND, "not_found", "not_found_error"),
        (ErrorClass.NOT_FOUND, "not_found", "not_found_error"),
        (ErrorClass.BODY_TOO_LARGE, "payload_too_large", "request_too_large"),
        (ErrorClass.QUEUE_FULL, "rate_limit_exceeded", "rate_limit_error"),
        (ErrorClass.QUEUE_TIMEOUT, "provider_overloaded", "overloaded_error"),
        (ErrorClass.TIMEOUT_FIRST_TOKEN, "timeout", "timeout_error"),
        (ErrorClass.CONTEXT_LENGTH, "context_length_exceeded", "invalid_request_error"),
        (ErrorClass.UNTRANSLATABLE, "invalid_request", "invalid_request_error"),
        (ErrorClass.STATUS_5XX, "provider_unavailable", "api_error"),
        (ErrorClass.DRAINING, "server", "api_error"),
        (ErrorClass.INTERNAL, "server", "api_error"),
    ],
)
def test_the_words_of_the_other_contracts(error: ErrorClass, openrouter: str, anthropic: str) -> None:
    assert ERRORS[error].openrouter_type == openrouter
    assert anthropic_type(error) == anthropic


def test_availability_speaks_of_who_may_answer() -> None:
    assert ERRORS[ErrorClass.MODEL_NOT_FOUND].availability == "model_not_found"
    assert ERRORS[ErrorClass.NO_PERMITTED_BACKEND].availability == "constraint_filtered"
    assert ERRORS[ErrorClass.NO_HEALTHY_BACKEND].availability == "temporarily_unavailable"
    assert ERRORS[ErrorClass.INVALID_JSON].availability == ""
