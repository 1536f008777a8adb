"""What a translation keeps has a bound, and beyond it no answer is told as a success."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tieline_router.apis import CHAT, MESSAGES, RESPONSES, Operation
from tieline_router.errors import ErrorClass
from tieline_router.streaming.form import AnswerStream
from tieline_router.streaming.forms import form
from tieline_router.streaming.observe import TooLarge
from tieline_router.translate import kept
from tieline_router.translate.kept import Kept, Text

from tests.support.openai_transcripts import chat_stamp, responses_stamp
from tests.support.translated_streams import chat_stream, messages_stamp, messages_stream

Json = dict[str, Any]

LONG = "x" * 300
STAMPS = {CHAT: chat_stamp(), RESPONSES: responses_stamp(), MESSAGES: messages_stamp()}


def delta(finish: str | None = None, logprobs: Any = None, **said: Any) -> Json:
    return {"choices": [{"index": 0, "delta": said, "finish_reason": finish, "logprobs": logprobs}]}


def call(index: int, arguments: str) -> Json:
    return {"index": index, "id": str(index), "function": {"name": "f", "arguments": arguments}}


def fed(client: Operation, provider: Operation, data: bytes) -> tuple[AnswerStream, bytes]:
    stream = form(client, provider).stream(STAMPS[client], 1 << 20)
    return stream, stream.feed(data) + stream.end()


@pytest.fixture(autouse=True)
def _little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MAX_KEPT_BYTES", 2000)


TEXT = [delta(content=LONG)] * 9
THOUGHT = [delta(reasoning=LONG)] * 9
ENTRIES = [delta(reasoning_details=[{"type": "reasoning.encrypted", "data": LONG, "index": at}]) for at in range(9)]
PIECES = [delta(reasoning_details=[{"type": "reasoning.text", "text": LONG, "index": 0}])] * 9
GROWING = [delta(tool_calls=[call(0, LONG)])] * 9
MANY = [delta(tool_calls=[call(at, "{}")]) for at in range(30)]
MIXED = [delta(tool_calls=[call(at % 2, "{" + LONG)]) for at in range(20)]
TOKEN: Json = {"token": LONG, "logprob": -1, "bytes": None, "top_logprobs": []}
LOGPROBS = [delta(content="x", logprobs={"content": [TOKEN]})] * 9
IMAGES = [delta(images=[{"image_url": {"url": "data:image/png;base64," + LONG}}])] * 9
CITED = [delta(content="a", annotations=[{"type": "url_citation", "url_citation": {"url": LONG}}])] * 9
TURNS = [delta(content="a"), delta(refusal="b")] * 9


@pytest.mark.parametrize(
    "chunks", [TEXT, THOUGHT, ENTRIES, PIECES, GROWING, MANY, MIXED, LOGPROBS, IMAGES, CITED, TURNS]
)
@pytest.mark.parametrize("finish", [[delta("stop")], [delta("stop", content=LONG * 9)], []])
def test_a_responses_client_is_told_of_no_success(chunks: list[Json], finish: list[Json]) -> None:
    stream, out = fed(RESPONSES, CHAT, chat_stream(*chunks, *finish))
    assert stream.failure is not None
    assert stream.failure.error is ErrorClass.ANSWER_TOO_LARGE
    assert b"response.completed" not in out


def test_too_much_in_the_very_last_piece_is_no_success_either() -> None:
    last = delta("stop", content=LONG * 9)
    stream, out = fed(RESPONSES, CHAT, chat_stream(delta(content="a"), last))
    assert stream.failure is not None
    assert stream.failure.error is ErrorClass.ANSWER_TOO_LARGE
    assert b"response.completed" not in out


@pytest.mark.parametrize("chunks", [GROWING, MANY, MIXED])
def test_an_anthropic_client_is_told_of_no_success(chunks: list[Json]) -> None:
    stream, out = fed(MESSAGES, CHAT, chat_stream(*chunks, delta("tool_calls")))
    assert stream.failure is not None
    assert stream.failure.error is ErrorClass.ANSWER_TOO_LARGE
    assert b"message_stop" not in out


def test_calls_that_overflow_in_the_very_last_piece_are_no_success_either() -> None:
    last = delta("tool_calls", tool_calls=[call(0, "{"), call(1, LONG * 9)])
    stream, out = fed(MESSAGES, CHAT, chat_stream(delta(content="a"), last))
    assert stream.failure is not None
    assert stream.failure.error is ErrorClass.ANSWER_TOO_LARGE
    assert b"message_stop" not in out


@pytest.mark.parametrize("chunks", [TEXT, THOUGHT])
def test_what_goes_out_at_once_is_not_kept(chunks: list[Json]) -> None:
    stream, out = fed(MESSAGES, CHAT, chat_stream(*chunks, delta("stop")))
    assert stream.failure is None
    assert b"message_stop" in out


def test_calls_that_were_told_are_let_go() -> None:
    chunks = [delta(tool_calls=[call(at, json.dumps({"a": "x" * 600}))]) for at in range(4)]
    stream, _ = fed(MESSAGES, CHAT, chat_stream(*chunks, delta("tool_calls")))
    assert stream.failure is None


def test_a_chat_client_is_told_of_no_success() -> None:
    items = [{"type": "function_call", "call_id": str(at), "name": "f", "arguments": "{}"} for at in range(30)]
    events = [{"type": "response.output_item.done", "output_index": at, "item": item} for at, item in enumerate(items)]
    done = {"type": "response.completed", "response": {"status": "completed", "output": items}}
    for told in ([*events, done], [done]):
        stream, out = fed(CHAT, RESPONSES, messages_stream(*told))
        assert stream.failure is not None
        assert stream.failure.error is ErrorClass.ANSWER_TOO_LARGE
        assert b"[DONE]" not in out


def test_once_too_much_always_too_much() -> None:
    account = Kept()
    text = Text(account)
    with pytest.raises(TooLarge):
        text.add("é" * 1001)
    account.release(2000)
    with pytest.raises(TooLarge):
        account.add(1)
    with pytest.raises(TooLarge):
        account.check()


def test_a_text_is_what_was_added() -> None:
    text = Text(Kept())
    for piece in ("a", "é", "", "\U0001f600", "\ud800"):
        text.add(piece)
    assert (str(text), len(text)) == ("aé\U0001f600\ud800", 10)
