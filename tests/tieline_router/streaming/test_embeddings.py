import json

import pytest
from tieline_router.apis import EMBEDDINGS
from tieline_router.errors import ErrorClass
from tieline_router.streaming.embeddings import EmbeddingsForm
from tieline_router.streaming.form import Whole
from tieline_router.streaming.observe import Failure
from tieline_router.streaming.usage import Usage

from tests.support.transcripts import stamp

FORM = EmbeddingsForm()


def test_vectors_keep_their_bytes() -> None:
    data = b'[ {"object":"embedding","embedding":[1.0e-3, 2],"index":0} ]'
    body = b'{"object":"list","data":' + data + b',"model":"m","usage":{"prompt_tokens":4,"total_tokens":4}}'
    whole = FORM.whole(stamp(EMBEDDINGS), body)
    assert isinstance(whole, Whole)
    assert data in whole.body
    told = json.loads(whole.body)
    assert (told["id"], told["model"], told["provider"]) == ("gen-1", "author/model", "Own")
    assert told["usage"] == {"prompt_tokens": 4, "total_tokens": 4, "cost": 3.0}
    assert (whole.usage, whole.finish_reason) == (Usage(4, 0), None)


@pytest.mark.parametrize("data", [b'[{"embedding":"AAAA"}]', b"[[1]]"])
def test_a_usage_is_no_condition(data: bytes) -> None:
    whole = FORM.whole(stamp(EMBEDDINGS), b'{"data":' + data + b"}")
    assert isinstance(whole, Whole)
    assert whole.usage is None
    assert b"usage" not in whole.body


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"data":[{"embedding":[1', ErrorClass.TRUNCATED),
        (b"<html>", ErrorClass.GARBAGE),
        (b"{}", ErrorClass.GARBAGE),
        (b'{"data":{}}', ErrorClass.GARBAGE),
        (b'{"error":{"message":"no"}}', ErrorClass.ERROR_EVENT),
        (b'{"object":"error","message":"no"}', ErrorClass.ERROR_EVENT),
        (b'{"data":[]}', ErrorClass.EMPTY),
    ],
)
def test_what_is_no_answer(body: bytes, error: ErrorClass) -> None:
    failure = FORM.whole(stamp(EMBEDDINGS), body)
    assert isinstance(failure, Failure)
    assert failure.error is error


def test_embeddings_do_not_stream() -> None:
    with pytest.raises(NotImplementedError):
        FORM.stream(stamp(EMBEDDINGS), 1)
