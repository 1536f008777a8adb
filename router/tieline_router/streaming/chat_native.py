"""Chat completions for clients from providers that speak chat completions: the native form. Sans-I/O.

`id`, `model`, `provider`, the usage and the terminator are ours; all other values keep their bytes. Used by `forms`.
"""

from __future__ import annotations

from typing import Final

from tieline_router.streaming.form import AnswerStream, Stamp, Whole
from tieline_router.streaming.observe import ChatObserver, Failure, check_answer
from tieline_router.streaming.sse import Event, encode_event
from tieline_router.streaming.stream import DONE, Stream
from tieline_router.wire.answer import AnswerStamp

DONE_EVENT: Final = encode_event(DONE)


class ChatWriter:
    """Chunks for the client, with what is ours in them."""

    next_sequence = 0

    def __init__(self, stamp: Stamp) -> None:
        self._stamp = AnswerStamp(stamp.generation_id, stamp.model, stamp.provider, usage=stamp.usage)

    def take(self, event: Event) -> bytes:
        data = self._stamp.chunk(event.data)
        return b"" if data is None else encode_event(data)

    def end(self) -> bytes:
        return DONE_EVENT


class ChatForm:
    def stream(self, stamp: Stamp, max_event_bytes: int) -> AnswerStream:
        return Stream(ChatObserver(stamp.choices), ChatWriter(stamp), max_event_bytes)

    def whole(self, stamp: Stamp, body: bytes) -> Whole | Failure:
        checked = check_answer(body)
        if isinstance(checked, Failure):
            return checked
        ours = AnswerStamp(stamp.generation_id, stamp.model, stamp.provider)
        return Whole(ours.answer(body), checked.usage, checked.finish_reasons[0])
