"""A client's API over a provider's by way of chat completions: two translations in a row. Sans-I/O.

The last choice, for pairs that have no translation of their own. What either of the two refuses or leaves out is
refused or left out. In between nobody asks for money or for a contract: there is OpenAI's plain shape, with usage.
Used by `wire` and `streaming`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from tieline_router.apis import CHAT, Dialect
from tieline_router.streaming.form import Stamp, Whole
from tieline_router.streaming.sse import Event, SseDecoder
from tieline_router.streaming.stream import DONE
from tieline_router.translate.translated import EventTranslator, Translated, Untranslatable

Request = Callable[..., Translated]
Answer = Callable[[Stamp, bytes], Whole]
Translator = Callable[[Stamp], EventTranslator]

_WHOLE_EVENTS: Final = sys.maxsize
"""No bound of its own: a translator writes whole events, so that nothing stays between the two."""


def _between(stamp: Stamp) -> Stamp:
    return Stamp(Dialect("openai", CHAT), stamp.generation_id, stamp.model, stamp.provider, stamp.created)


def requests(to_chat: Request, from_chat: Request) -> Request:
    """`translate_request` of the client's API to chat, and of chat to the provider's."""

    def translate_request(fields: Mapping[str, msgspec.Raw], *, max_output_tokens: int | None) -> Translated:
        chat = to_chat(fields, max_output_tokens=max_output_tokens)
        try:
            found = from_chat(chat.fields, max_output_tokens=max_output_tokens)
        except Untranslatable as refused:
            by_way = (
                "the request was made a chat completion on its way to the provider, and the field is named as there"
            )
            raise Untranslatable(f"{refused.message} ({by_way})", refused.param) from None
        return Translated(found.fields, chat.dropped + found.dropped)

    return translate_request


def answers(to_chat: Answer, from_chat: Answer) -> Answer:
    """`translate_answer` of the provider's API to chat, and of chat to the client's."""

    def translate_answer(stamp: Stamp, body: bytes) -> Whole:
        chat = to_chat(_between(stamp), body)
        return from_chat(stamp, chat.body)._replace(usage=chat.usage, finish_reason=chat.finish_reason)

    return translate_answer


def translators(to_chat: Translator, from_chat: Translator) -> Translator:
    """`EventTranslator` of the provider's API to chat, and of chat to the client's."""
    return lambda stamp: _InARow(to_chat(_between(stamp)), from_chat(stamp))


class _InARow:
    """See `translated.EventTranslator`."""

    def __init__(self, to_chat: EventTranslator, from_chat: EventTranslator) -> None:
        self._to_chat = to_chat
        self._from_chat = from_chat
        self._decoder = SseDecoder(_WHOLE_EVENTS)

    @property
    def next_sequence(self) -> int:
        return self._from_chat.next_sequence

    def take(self, event: Event) -> bytes:
        return self._pass(self._to_chat.take(event))

    def end(self) -> bytes:
        return self._pass(self._to_chat.end()) + self._from_chat.end()

    def _pass(self, chunks: bytes) -> bytes:
        return b"".join(self._from_chat.take(chunk) for chunk in self._decoder.feed(chunks) if chunk.data != DONE)
