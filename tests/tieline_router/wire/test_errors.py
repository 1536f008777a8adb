import json

import pytest
from openai.types.chat import ChatCompletionChunk
from tieline_router.errors import ErrorClass
from tieline_router.wire.errors import Problem, error_body, error_chunk, retry_after_header

PROBLEM = Problem(
    ErrorClass.NO_PERMITTED_BACKEND,
    "nobody may",
    param="model",
    provider="acme",
    availability={"code": "no_permitted_backend", "excluded_by": ["geo"]},
    previous=({"provider": "acme", "code": "status_5xx"},),
)


def test_openais_shape() -> None:
    error = json.loads(error_body(PROBLEM, "openai"))["error"]
    assert error["availability"]["excluded_by"] == ["geo"]
    del error["availability"]
    assert error == {
        "message": "nobody may",
        "type": "invalid_request_error",
        "param": "model",
        "code": "no_permitted_backend",
    }


def test_openrouters_shape() -> None:
    error = json.loads(error_body(PROBLEM, "openrouter"))["error"]
    assert error == {
        "code": 404,
        "message": "nobody may",
        "metadata": {
            "error_type": "no_permitted_backend",
            "param": "model",
            "provider_name": "acme",
            "previous_errors": [{"provider": "acme", "code": "status_5xx"}],
        },
        "availability": {"code": "no_permitted_backend", "excluded_by": ["geo"]},
    }


def test_an_unknown_model_has_the_status_of_its_contract() -> None:
    problem = Problem(ErrorClass.MODEL_NOT_FOUND, "no such model")
    assert json.loads(error_body(problem, "openrouter"))["error"]["code"] == 400
    assert json.loads(error_body(problem, "openai"))["error"]["code"] == "model_not_found"


def test_an_error_chunk_is_a_whole_chunk() -> None:
    data = error_chunk(PROBLEM, "openai", generation_id="gen-1", model="m", provider="acme", created=7)
    ChatCompletionChunk.model_validate({**json.loads(data), "choices": []})
    assert json.loads(data)["choices"][0]["finish_reason"] == "error"
    assert json.loads(data)["error"]["code"] == "no_permitted_backend"


@pytest.mark.parametrize(("seconds", "header"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.01, "2"), (60.0, "60")])
def test_retry_after_is_whole_seconds_rounded_up(seconds: float, header: str) -> None:
    assert retry_after_header(seconds) == header
