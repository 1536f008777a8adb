import pytest
from tieline_router.errors import ERRORS, ErrorClass, Fault, NextModel, Retry, http_status, markdown_table


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
    assert not ERRORS[error].breaker


def test_a_provider_that_refuses_our_credential_is_never_shown_as_the_callers_key() -> None:
    row = ERRORS[ErrorClass.STATUS_401_402_403]
    assert row.status == 502
    assert row.fault is Fault.OPERATOR
    assert not row.breaker


def test_what_the_brief_of_retries_says() -> None:
    assert ERRORS[ErrorClass.BAD_REQUEST].retry is Retry.NO
    assert ERRORS[ErrorClass.BAD_REQUEST].next_model is NextModel.NO
    assert ERRORS[ErrorClass.EMPTY].retry is Retry.ONCE
    assert ERRORS[ErrorClass.STATUS_429].next_model is NextModel.CAPACITY
    assert not ERRORS[ErrorClass.STATUS_429].breaker
    assert ERRORS[ErrorClass.CONTEXT_LENGTH].next_model is NextModel.CONTEXT_LENGTH
    assert ERRORS[ErrorClass.CONTENT_POLICY].next_model is NextModel.CONTENT_POLICY
    assert ERRORS[ErrorClass.CLIENT_DISCONNECTED].retry is Retry.NO


def test_an_unknown_model_has_each_contracts_status() -> None:
    assert http_status(ErrorClass.MODEL_NOT_FOUND, "openai") == 404
    assert http_status(ErrorClass.MODEL_NOT_FOUND, "openrouter") == 400
    assert {http_status(e, "openai") == http_status(e, "openrouter") for e in ErrorClass} == {True, False}


def test_the_types_are_openais() -> None:
    assert {row.type for row in ERRORS.values()} == {"invalid_request_error", "rate_limit_error", "server_error"}
    assert ERRORS[ErrorClass.INVALID_KEY].code == "invalid_api_key"
    assert ERRORS[ErrorClass.CONTEXT_LENGTH].code == "context_length_exceeded"


def test_the_table_of_the_docs_has_a_line_for_each_class() -> None:
    lines = markdown_table().splitlines()
    assert len(lines) == 2 + len(ErrorClass)
    assert {line.count("|") for line in lines} == {11}
    assert any("`model_not_found`" in line and "404 (`/api/v1`: 400)" in line for line in lines)
