"""Answers of one API for clients of another: a form from the provider's observer and a translator. Sans-I/O.

The provider's side decides all that matters for failover (content, completeness, failures), exactly as it does for the
native form; the translator only says it in the client's words. Used by `forms`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tieline_router.apis import CHAT, MESSAGES, RESPONSES, Operation
from tieline_router.streaming.choices import ChoicesObserver, check_choices
from tieline_router.streaming.form import AnswerStream, Stamp, Whole
from tieline_router.streaming.messages import MessagesObserver, check_message
from tieline_router.streaming.observe import Failure, never_raises
from tieline_router.streaming.responses import ResponsesObserver, check_response
from tieline_router.streaming.stream import Observer, Stream
from tieline_router.translate.translated import EventTranslator

_OBSERVERS: Final[Mapping[Operation, Callable[[Stamp], Observer]]] = {
    CHAT: lambda stamp: ChoicesObserver(stamp.choices),
    MESSAGES: lambda _stamp: MessagesObserver(),
    RESPONSES: lambda _stamp: ResponsesObserver(),
}
_CHECKS: Final[Mapping[Operation, Callable[[Stamp, bytes], object]]] = {
    CHAT: lambda stamp, body: check_choices(body, stamp.choices),
    MESSAGES: lambda _stamp, body: check_message(body),
    RESPONSES: lambda _stamp, body: check_response(body),
}


class TranslatedForm:
    """`provider` is the operation that the pool serves."""

    def __init__(
        self,
        provider: Operation,
        translator: Callable[[Stamp], EventTranslator],
        translate_answer: Callable[[Stamp, bytes], Whole],
    ) -> None:
        self._observer = _OBSERVERS[provider]
        self._check = _CHECKS[provider]
        self._translator = translator
        self._translate = translate_answer

    def stream(self, stamp: Stamp, max_event_bytes: int) -> AnswerStream:
        return Stream(self._observer(stamp), self._translator(stamp), max_event_bytes)

    @never_raises
    def whole(self, stamp: Stamp, body: bytes) -> Whole | Failure:
        checked = self._check(stamp, body)
        return checked if isinstance(checked, Failure) else self._translate(stamp, body)
