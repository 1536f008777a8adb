import json

import pytest
from tieline_router.apis import OPERATIONS
from tieline_router.wire.request import BadRequest, attempt_body, read_request

SPEECH = OPERATIONS["/audio/speech"]


def test_what_routing_reads_is_little() -> None:
    body = json.dumps({"model": "tts", "input": "x" * 38, "voice": "alloy"}).encode()
    request = read_request(SPEECH, body, "openai")
    view = request.view
    assert (view.operation, view.model, view.prompt_tokens) == (SPEECH, "tts", 10)
    assert view.input_modalities == view.output_modalities == frozenset()
    sent = json.loads(attempt_body(request, SPEECH, "up", ask_usage=True, identity_salt=None).body)
    assert sent == {"model": "up", "input": "x" * 38, "voice": "alloy"}


def test_the_model_must_be_named() -> None:
    with pytest.raises(BadRequest, match="model is missing"):
        read_request(OPERATIONS["/images/generations"], b'{"prompt":"a tie"}', "openai")
