from tieline_router.apis import CHAT, Dialect
from tieline_router.streaming.form import Stamp
from tieline_router.streaming.forms import form

STAMP = Stamp(Dialect("openai", CHAT), "gen-1", "author/model", "Own", 1)


def test_a_form_streams_and_gives_whole_answers() -> None:
    tested = form(CHAT, CHAT)
    stream = tested.stream(STAMP, 1 << 20)
    out = stream.feed(b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]}\n\n')
    assert b'"id":"gen-1"' in out
    assert stream.committed
    assert stream.opened
    assert stream.end() == b"data: [DONE]\n\n"
    assert stream.failure is None
    body = b'{"choices":[{"index":0,"message":{"content":"a"},"finish_reason":"stop"}]}'
    assert b'"model":"author/model"' in getattr(tested.whole(STAMP, body), "body", b"")
