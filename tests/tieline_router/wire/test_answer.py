import json

from tieline_router.wire.answer import AnswerStamp

STAMP = AnswerStamp("gen-1", "author/model", 'Own "GPU"', usage=False)


def test_only_what_is_ours_changes() -> None:
    data = b'{"id":"x","model":"m","choices":[ {"index":0,"logprobs":1.0e0} ],"usage":{"cost":0.10}}'
    out = STAMP.answer(data)
    assert b'[ {"index":0,"logprobs":1.0e0} ]' in out
    assert b'{"cost":0.10}' in out
    assert json.loads(out) == {
        **json.loads(data),
        "id": "gen-1",
        "model": "author/model",
        "provider": 'Own "GPU"',
    }


def test_usage_only_for_those_who_asked() -> None:
    with_choices = b'{"choices":[{"index":0}],"usage":null}'
    alone = b'{"choices":[],"usage":{"prompt_tokens":1}}'
    asked = AnswerStamp("gen-1", "m", "p", usage=True)
    assert "usage" not in json.loads(STAMP.chunk(with_choices) or b"{}")
    assert STAMP.chunk(alone) is None
    assert STAMP.chunk(b'{"usage":{"prompt_tokens":1}}') is None
    assert json.loads(asked.chunk(alone) or b"{}")["usage"] == {"prompt_tokens": 1}


def test_a_chunk_without_usage_passes() -> None:
    assert json.loads(STAMP.chunk(b'{"choices":[],"object":"ping"}') or b"{}")["object"] == "ping"
