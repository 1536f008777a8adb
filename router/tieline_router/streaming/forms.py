"""Which form stands for which pair of (client operation, provider operation): the one table. Used by the runtime."""

from __future__ import annotations

from typing import Final

from tieline_router.apis import CHAT, COMPLETIONS, EMBEDDINGS, MESSAGES, RESPONSES, Operation
from tieline_router.streaming.choices_native import ChoicesForm
from tieline_router.streaming.embeddings import EmbeddingsForm
from tieline_router.streaming.form import Form
from tieline_router.streaming.messages_native import MessagesForm
from tieline_router.streaming.responses_native import ResponsesForm
from tieline_router.streaming.translated import TranslatedForm
from tieline_router.translate import (
    chat_over_messages,
    chat_over_responses,
    messages_over_chat,
    responses_over_chat,
    through_chat,
)

_FORMS: Final[dict[tuple[Operation, Operation], Form]] = {
    (CHAT, CHAT): ChoicesForm(CHAT),
    (COMPLETIONS, COMPLETIONS): ChoicesForm(COMPLETIONS),
    (RESPONSES, RESPONSES): ResponsesForm(),
    (MESSAGES, MESSAGES): MessagesForm(),
    (EMBEDDINGS, EMBEDDINGS): EmbeddingsForm(),
    (CHAT, MESSAGES): TranslatedForm(MESSAGES, chat_over_messages.EventTranslator, chat_over_messages.translate_answer),
    (CHAT, RESPONSES): TranslatedForm(
        RESPONSES, chat_over_responses.EventTranslator, chat_over_responses.translate_answer
    ),
    (MESSAGES, CHAT): TranslatedForm(CHAT, messages_over_chat.EventTranslator, messages_over_chat.translate_answer),
    (RESPONSES, CHAT): TranslatedForm(CHAT, responses_over_chat.EventTranslator, responses_over_chat.translate_answer),
    (MESSAGES, RESPONSES): TranslatedForm(
        RESPONSES,
        through_chat.translators(chat_over_responses.EventTranslator, messages_over_chat.EventTranslator),
        through_chat.answers(chat_over_responses.translate_answer, messages_over_chat.translate_answer),
    ),
    (RESPONSES, MESSAGES): TranslatedForm(
        MESSAGES,
        through_chat.translators(chat_over_messages.EventTranslator, responses_over_chat.EventTranslator),
        through_chat.answers(chat_over_messages.translate_answer, responses_over_chat.translate_answer),
    ),
}


def form(client: Operation, provider: Operation) -> Form:
    """The form of a pair that `apis` permits: the same operation twice, or one of its `TRANSLATIONS`.

    Raises:
        KeyError: the pair is not in `apis`, or its answers are passed through unread: asking is a mistake of ours.
    """
    return _FORMS[client, provider]
